/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every message there is, with samples whose bytes were made by the generator without the C code.
 * Promise: each run tries the same inputs. Each input is handed to the decoder at the end of an allocation of just its
 * size, so that the address sanitizer sees an over-read.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

struct sample {
	struct wire_msg msg;
	const uint8_t *bytes; /* the frame, with its header */
	size_t n;
};

#include "wire_samples.h"

/* What all inputs must hold: refused as -EPROTO, or taken and then encoded to the same bytes. Returns the decoder's
 * answer. */
static int try_body(unsigned type, const uint8_t *body, size_t n)
{
	uint8_t *copy = malloc(n ? n : 1);
	struct wire_msg m;
	struct buf out;
	int r;

	assert_non_null(copy);
	if (n)
		memcpy(copy, body, n);
	memset(&m, 0xa5, sizeof(m));
	buf_init(&out, 0);
	r = wire_msg_decode(&m, type, copy, n);
	if (r == 0) {
		assert_int_equal(wire_msg_encode(&m, &out), 0);
		assert_int_equal(out.len, WIRE_HEADER_SIZE + n);
		if (n)
			assert_memory_equal(buf_head(&out) + WIRE_HEADER_SIZE, copy, n);
	} else {
		assert_int_equal(r, -EPROTO);
	}
	buf_release(&out);
	free(copy);
	return r;
}

static void encodes_to_the_expected_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct buf out;

		buf_init(&out, 0);
		assert_int_equal(wire_msg_encode(&s->msg, &out), 0);
		assert_int_equal(out.len, s->n);
		assert_memory_equal(buf_head(&out), s->bytes, s->n);
		buf_release(&out);
	}
}

static void decodes_what_it_encodes(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		struct wire_header h;

		assert_int_equal(wire_header_decode(s->bytes, &h), 0);
		assert_int_equal(h.type, s->msg.type);
		assert_int_equal(h.length, s->n - WIRE_HEADER_SIZE);
		assert_int_equal(try_body(h.type, s->bytes + WIRE_HEADER_SIZE, h.length), 0);
	}
}

static void every_cut_and_every_extension_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		size_t n = s->n - WIRE_HEADER_SIZE;
		uint8_t *longer = calloc(1, n + 9);

		assert_non_null(longer);
		memcpy(longer, s->bytes + WIRE_HEADER_SIZE, n);
		for (size_t cut = 0; cut < n; cut++)
			assert_int_equal(try_body(s->msg.type, longer, cut), -EPROTO);
		for (size_t more = 1; more <= 9; more++)
			assert_int_equal(try_body(s->msg.type, longer, n + more), -EPROTO);
		free(longer);
	}
}

static void every_flipped_bit_is_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		size_t n = s->n - WIRE_HEADER_SIZE;
		uint8_t *body = malloc(n ? n : 1);

		assert_non_null(body);
		memcpy(body, s->bytes + WIRE_HEADER_SIZE, n);
		for (size_t bit = 0; bit < n * 8; bit++) {
			body[bit / 8] ^= (uint8_t)(1U << bit % 8);
			(void)try_body(s->msg.type, body, n);
			body[bit / 8] ^= (uint8_t)(1U << bit % 8);
		}
		free(body);
	}
}

/* Wherever a length may stand: none, one more, one less, and the largest of 1, 2, 4 and 8 bytes. */
static void every_wrong_length_is_harmless(void **state)
{
	static const size_t widths[] = {1, 2, 4, 8};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		const struct sample *s = &samples[i];
		size_t n = s->n - WIRE_HEADER_SIZE;
		uint8_t *body = malloc(n ? n : 1);

		assert_non_null(body);
		for (size_t w = 0; w < ARRAY_SIZE(widths); w++) {
			for (size_t at = 0; at + widths[w] <= n; at++) {
				memcpy(body, s->bytes + WIRE_HEADER_SIZE, n);
				memset(body + at, 0xff, widths[w]);
				(void)try_body(s->msg.type, body, n);
				memset(body + at, 0, widths[w]);
				(void)try_body(s->msg.type, body, n);
				body[at] = (uint8_t)(s->bytes[WIRE_HEADER_SIZE + at] + 1);
				(void)try_body(s->msg.type, body, n);
				body[at] = (uint8_t)(s->bytes[WIRE_HEADER_SIZE + at] - 1);
				(void)try_body(s->msg.type, body, n);
			}
		}
		free(body);
	}
}

/* The body of one message given to the decoder of every other. */
static void every_wrong_type_is_harmless(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		for (size_t j = 0; j < ARRAY_SIZE(samples); j += 3)
			(void)try_body(samples[j].msg.type, samples[i].bytes + WIRE_HEADER_SIZE,
				       samples[i].n - WIRE_HEADER_SIZE);
	}
}

static void random_bytes_are_harmless(void **state)
{
	uint32_t x = 1;
	uint8_t body[600];

	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = round % sizeof(body);

		for (size_t i = 0; i < n; i++) {
			x ^= x << 13;
			x ^= x >> 17;
			x ^= x << 5;
			/* Small values are lengths that fit: they lead further in. */
			body[i] = x & 0x300 ? 0 : (uint8_t)(x >> 16) >> (x >> 28 & 7);
		}
		(void)try_body(samples[round % ARRAY_SIZE(samples)].msg.type, body, n);
	}
}

static void names_senders_and_bounds_are_there(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(samples); i++) {
		unsigned type = samples[i].msg.type;

		assert_string_not_equal(wire_type_name(type), "?");
		assert_int_not_equal(wire_type_from(type), 0);
		assert_true(wire_type_max(type) >= samples[i].n - WIRE_HEADER_SIZE);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(encodes_to_the_expected_bytes),
	    cmocka_unit_test(decodes_what_it_encodes),
	    cmocka_unit_test(every_cut_and_every_extension_is_refused),
	    cmocka_unit_test(every_flipped_bit_is_harmless),
	    cmocka_unit_test(every_wrong_length_is_harmless),
	    cmocka_unit_test(every_wrong_type_is_harmless),
	    cmocka_unit_test(random_bytes_are_harmless),
	    cmocka_unit_test(names_senders_and_bounds_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
