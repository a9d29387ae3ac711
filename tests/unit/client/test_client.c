/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The key of a client: what godwit client add prints is understood, and nothing else is taken for it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "client/key.h"

#define SECRET "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1eff"
#define KEY "godwit-client-1 10.77.0.1 7117 0123456789abcdef " SECRET

static void is_key(const char *text)
{
	struct key k;
	struct err e = {0};

	assert_int_equal(key_parse(text, &k, &e), 0);
	assert_string_equal(k.address, "10.77.0.1");
	assert_string_equal(k.port, "7117");
	assert_true(k.id == 0x0123456789abcdefULL);
	assert_int_equal(k.secret[1], 1);
	assert_int_equal(k.secret[31], 0xff);
}

static void a_key_is_understood(void **state)
{
	is_key(KEY);
	is_key(KEY "\n");
	is_key("\n  " KEY "\r\n\n");
	is_key("# of Anna's laptop\n#\n" KEY "\n");
	is_key("godwit-client-1\t10.77.0.1   7117 0123456789abcdef\t" SECRET);
}

static void other_addresses(void **state)
{
	struct key k;
	struct err e = {0};

	assert_int_equal(key_parse("godwit-client-1 fd00::1 1 00000000000000aa " SECRET, &k, &e), 0);
	assert_string_equal(k.address, "fd00::1");
	assert_int_equal(key_parse("godwit-client-1 gate.example 65535 00000000000000aa " SECRET, &k, &e), 0);
	assert_string_equal(k.address, "gate.example");
}

static void is_none(const char *text, const char *why)
{
	struct key k = {.id = 7};
	struct err e = {0};

	assert_int_equal(key_parse(text, &k, &e), -EINVAL);
	assert_non_null(strstr(e.text, why));
	assert_true(k.id == 7); /* untouched */
}

static void what_is_none(void **state)
{
	is_none("", "no key");
	is_none("# nothing but this", "no key");
	is_none("hello", "no key");
	is_none("gw1.QUJD", "no key");
	is_none("godwit-client-2 10.77.0.1 7117 0123456789abcdef " SECRET, "another version");
	is_none("godwit-client-11 10.77.0.1 7117 0123456789abcdef " SECRET, "another version");
	is_none("godwit-client-1", "damaged");
	is_none(KEY " more", "damaged");
	is_none(KEY "0", "damaged");
	is_none("godwit-client-1 10.77.0.1 7117 0123456789abcdef\n" SECRET, "damaged"); /* broken in two */
	is_none("godwit-client-1 10.77.0.1 70000 0123456789abcdef " SECRET, "damaged");
	is_none("godwit-client-1 10.77.0.1 -1 0123456789abcdef " SECRET, "damaged");
	is_none("godwit-client-1 10.77.0.1 71x7 0123456789abcdef " SECRET, "damaged");
	is_none("godwit-client-1 10.77.0.1 7117 0000000000000000 " SECRET, "damaged");
	is_none("godwit-client-1 10.77.0.1 7117 0123456789ABCDEF " SECRET, "damaged");
}

static void each_part_of_one(void **state)
{
	char text[sizeof(KEY)];
	struct key k;
	struct err e;

	for (size_t n = 0; n < sizeof(KEY) - 1; n++) {
		memcpy(text, KEY, n);
		text[n] = '\0';
		assert_int_equal(key_parse(text, &k, &e), -EINVAL);
	}
}

static void one_that_is_too_long(void **state)
{
	char text[400], name[100];
	struct key k;
	struct err e;

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)snprintf(text, sizeof(text), "godwit-client-1 %s 7117 0123456789abcdef " SECRET, name);
	assert_int_equal(key_parse(text, &k, &e), -EINVAL);
	(void)snprintf(text, sizeof(text), "godwit-client-1 %.64s 7117 0123456789abcdef " SECRET, name);
	assert_int_equal(key_parse(text, &k, &e), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_key_is_understood),  cmocka_unit_test(other_addresses),
	    cmocka_unit_test(what_is_none),         cmocka_unit_test(each_part_of_one),
	    cmocka_unit_test(one_that_is_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
