/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tokens: what is encoded comes back, and nothing else is taken for a token. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "node/token.h"

#define FINGERPRINT "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static struct token_text sample(unsigned addresses)
{
	struct token_text t = {
	    .port = 7117, .id = 0x0123456789abcdefULL, .fingerprint = FINGERPRINT, .expires = 1900000000};
	unsigned i;

	for (i = 0; i < addresses; i++)
		(void)snprintf(t.addresses[i], sizeof(t.addresses[i]), "%s%u", i % 2 ? "fd00::" : "10.0.0.", i);
	t.n_addresses = addresses;
	for (i = 0; i < sizeof(t.secret); i++)
		t.secret[i] = (uint8_t)(i * 37);
	return t;
}

static void what_goes_in_comes_out(void **state)
{
	struct token_text t, u;
	char text[TOKEN_TEXT_MAX];
	struct err e = {0};
	unsigned i;

	for (i = 1; i <= TOKEN_ADDRESSES; i++) {
		t = sample(i);
		assert_int_equal(token_encode(&t, text, sizeof(text)), 0);
		assert_int_equal(strncmp(text, "gw1.", 4), 0);
		assert_int_equal(strspn(text + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
				 strlen(text + 4));
		assert_int_equal(token_decode(text, &u, &e), 0);
		assert_int_equal(u.n_addresses, i);
		assert_string_equal(u.addresses[i - 1], t.addresses[i - 1]);
		assert_int_equal(u.port, 7117);
		assert_true(u.id == t.id && u.expires == t.expires);
		assert_memory_equal(u.secret, t.secret, sizeof(t.secret));
		assert_string_equal(u.fingerprint, FINGERPRINT);
	}
}

static void blanks_around_it_are_forgiven(void **state)
{
	struct token_text t = sample(1), u;
	char text[TOKEN_TEXT_MAX], padded[TOKEN_TEXT_MAX + 8];
	struct err e = {0};

	assert_int_equal(token_encode(&t, text, sizeof(text)), 0);
	(void)snprintf(padded, sizeof(padded), " %s\r\n", text);
	assert_int_equal(token_decode(padded, &u, &e), 0);
	(void)snprintf(padded, sizeof(padded), "%s x", text);
	assert_int_equal(token_decode(padded, &u, &e), -EINVAL);
}

/* Any single wrong character, and any shorter text, is noticed. */
static void damage_is_noticed(void **state)
{
	struct token_text t = sample(2), u;
	char text[TOKEN_TEXT_MAX], bad[TOKEN_TEXT_MAX];
	struct err e = {0};
	size_t i, n;

	assert_int_equal(token_encode(&t, text, sizeof(text)), 0);
	n = strlen(text);
	for (i = 0; i < n - 1; i++) { /* of the last digit some bits are only filling */
		memcpy(bad, text, n + 1);
		bad[i] = bad[i] == 'A' ? 'B' : 'A';
		assert_int_equal(token_decode(bad, &u, &e), -EINVAL);
		assert_true(e.text[0]);
		bad[i] = '!';
		assert_int_equal(token_decode(bad, &u, &e), -EINVAL);
		memcpy(bad, text, i);
		bad[i] = '\0';
		assert_int_equal(token_decode(bad, &u, &e), -EINVAL);
	}
}

/* Random bytes behind the prefix end as an error, whatever their length. */
static void noise_is_refused(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char text[2 * TOKEN_TEXT_MAX];
	struct token_text u;
	struct err e = {0};
	uint32_t seed = 1;
	size_t i, n;

	for (n = 0; n < sizeof(text) - 5; n += 7) {
		memcpy(text, "gw1.", 4);
		for (i = 0; i < n; i++) {
			seed = seed * 1664525U + 1013904223U;
			text[4 + i] = digits[seed >> 26];
		}
		text[4 + n] = '\0';
		assert_int_equal(token_decode(text, &u, &e), -EINVAL);
	}
}

static void a_small_buffer_is_refused(void **state)
{
	struct token_text t = sample(1);
	char text[TOKEN_TEXT_MAX], *p;
	size_t n, i;

	assert_int_equal(token_encode(&t, text, sizeof(text)), 0);
	n = strlen(text) + 1;
	for (i = 0; i < n; i++) {
		p = malloc(i ? i : 1);
		assert_non_null(p);
		assert_int_equal(token_encode(&t, p, i), -ENOBUFS);
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_goes_in_comes_out),    cmocka_unit_test(blanks_around_it_are_forgiven),
	    cmocka_unit_test(damage_is_noticed),         cmocka_unit_test(noise_is_refused),
	    cmocka_unit_test(a_small_buffer_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
