/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The table of reasons: unique words and names, whole sentences, and an answer for any number. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <ctype.h>
#include <string.h>

#include "wire/reasons.h"

#define REASONS_MAX 1000

static void each_reason_is_complete_and_unlike_the_others(void **state)
{
	unsigned found = 0;

	(void)state;
	for (unsigned i = 0; i < REASONS_MAX; i++) {
		if (!reason_exists(i))
			continue;
		found++;
		assert_true(reason_name(i)[0] && isupper((unsigned char)reason_name(i)[0]));
		assert_true(reason_word(i)[0]);
		assert_null(strpbrk(reason_word(i), " \t"));
		assert_true(strlen(reason_sentence(i)) > 3);
		assert_int_not_equal(reason_sentence(i)[strlen(reason_sentence(i)) - 1], '.');
		for (unsigned j = 0; j < i; j++) {
			if (reason_exists(j))
				assert_string_not_equal(reason_name(i), reason_name(j));
		}
	}
	assert_true(found > 60);
}

static void known_numbers_stay(void **state)
{
	(void)state;
	assert_int_equal(REASON_THREADS, 1);
	assert_int_equal(REASON_NO_SUCH_PROCESS, 40);
	assert_string_equal(reason_name(REASON_THREADS), "THREADS");
	assert_string_equal(reason_word(REASON_THREADS), "threads");
	assert_int_equal(reason_kind(REASON_THREADS), REASON_KIND_confine);
	assert_string_equal(reason_kind_name(reason_kind(REASON_NODE_FULL)), "node");
	assert_string_equal(reason_kind_name(reason_kind(REASON_EXEC)), "call");
}

static void unknown_numbers_have_an_answer(void **state)
{
	static const unsigned numbers[] = {39, 99, REASONS_MAX, UINT32_MAX};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		assert_false(reason_exists(numbers[i]));
		assert_string_equal(reason_name(numbers[i]), "UNKNOWN");
		assert_string_equal(reason_word(numbers[i]), "unknown");
		assert_true(reason_sentence(numbers[i])[0]);
		assert_int_equal(reason_kind(numbers[i]), REASON_KIND_other);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(each_reason_is_complete_and_unlike_the_others),
	    cmocka_unit_test(known_numbers_stay),
	    cmocka_unit_test(unknown_numbers_have_an_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
