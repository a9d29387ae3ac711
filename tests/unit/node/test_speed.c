/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The speed of a node: units, rounding, bounds, and that a measurement is quick and repeatable. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "base/clock.h"
#include "node/node.h"

static void units_and_bounds(void **state)
{
	uint32_t one = speed_of(1000000, 4000000);

	assert_int_equal(one % 250, 0);
	assert_in_range(speed_of(1000000, 2000000), 2 * one - 250, 2 * one + 250); /* half the time, twice the speed */
	assert_in_range(speed_of(1000000, 0), 1, 1000000);
	assert_int_equal(speed_of(0, 1), 250);
	assert_int_equal(speed_of(UINT64_MAX, 1), 1000000);
}

static void a_measurement_is_quick(void **state)
{
	struct timespec a = {0}, b = {0};
	uint32_t speed;

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
	speed = speed_measure();
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
	assert_in_range(speed, 250, 1000000);
	/* a tenth of a second for an ordinary build; sanitizers take several times as long */
	assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 < 1000);
}

static void the_model_is_one_line(void **state)
{
	char text[96];

	memset(text, 'x', sizeof(text));
	speed_cpu_model(text, sizeof(text));
	assert_true(memchr(text, 0, sizeof(text)) != NULL);
	assert_null(strchr(text, '\n'));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(units_and_bounds),
	    cmocka_unit_test(a_measurement_is_quick),
	    cmocka_unit_test(the_model_is_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
