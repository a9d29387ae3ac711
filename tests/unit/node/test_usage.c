/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Averages of what a process has used: right from the first second, old seconds fade, another program begins anew. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/clock.h"
#include "node/usage.h"

#define START (1000 * NSEC_PER_SEC)

struct run {
	struct usage u;
	struct usage_totals t;
	uint64_t ns;
};

static void seconds(struct run *r, unsigned n, uint64_t cpu_us, uint64_t calls, uint64_t sent, uint64_t received)
{
	while (n--) {
		r->t.cpu_us += cpu_us;
		r->t.calls += calls;
		r->t.sent += sent;
		r->t.received += received;
		r->ns += NSEC_PER_SEC;
		usage_add(&r->u, &r->t, r->ns);
	}
}

static struct run begun(void)
{
	struct run r = {.t = {.cpu_us = 123456789, .calls = 99, .sent = 7, .received = 8}, .ns = START};

	usage_add(&r.u, &r.t, r.ns);
	return r;
}

static void right_from_the_first_second(void **state)
{
	struct run r = begun();

	(void)state;
	assert_float_equal(usage_rate(&r.u, r.u.cpu_us), 0, 0); /* what was before is not known */
	seconds(&r, 1, 500000, 10, 100, 1000);
	assert_float_equal(usage_rate(&r.u, r.u.cpu_us), 500000, 1e-3);
	assert_float_equal(usage_rate(&r.u, r.u.calls), 10, 1e-6);
	seconds(&r, 50, 500000, 10, 100, 1000);
	assert_float_equal(usage_rate(&r.u, r.u.sent), 100, 1e-6);
	assert_float_equal(usage_rate(&r.u, r.u.received), 1000, 1e-6);
	usage_add(&r.u, &(struct usage_totals){0}, r.ns); /* no time has passed */
	assert_float_equal(usage_rate(&r.u, r.u.calls), 10, 1e-6);
}

static void the_past_fades(void **state)
{
	struct run r = begun();

	(void)state;
	seconds(&r, 500, 1000000, 100, 0, 0);
	seconds(&r, 27, 0, 0, 0, 0);
	assert_float_equal(usage_rate(&r.u, r.u.calls), 50, 1);
	/* A late sample counts for the time that has passed. */
	r.ns += 27 * NSEC_PER_SEC - NSEC_PER_SEC;
	seconds(&r, 1, 0, 0, 0, 0);
	assert_float_equal(usage_rate(&r.u, r.u.calls), 25, 1);
	r.ns += NSEC_PER_SEC / 2;
	usage_add(&r.u, &r.t, r.ns);
	assert_float_equal(usage_rate(&r.u, r.u.calls), 25 * 0.9875, 1);
	r.ns += 1000000 * NSEC_PER_SEC;
	usage_add(&r.u, &r.t, r.ns);
	assert_float_equal(usage_rate(&r.u, r.u.calls), 0, 1e-3);
}

static void counters_and_programs_begin_anew(void **state)
{
	struct run r = begun();

	(void)state;
	seconds(&r, 10, 0, 100, 0, 0);
	r.t.calls = 0; /* another shepherd */
	seconds(&r, 10, 0, 100, 0, 0);
	assert_float_equal(usage_rate(&r.u, r.u.calls), 100, 1e-6);
	usage_clear(&r.u);
	assert_float_equal(usage_rate(&r.u, r.u.calls), 0, 0);
	seconds(&r, 1, 0, 3, 0, 0);
	assert_float_equal(usage_rate(&r.u, r.u.calls), 3, 1e-6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(right_from_the_first_second),
	    cmocka_unit_test(the_past_fades),
	    cmocka_unit_test(counters_and_programs_begin_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
