/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the generated samples cannot show: headers, preamble, bounds, lists in both forms, reserved space, full buffers.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "wire/wire.h"

#define SEGMENTS_MAX 17825792U

/* Written out by hand: the format itself, not what the generator thinks of it. */
static void a_frame_has_the_bytes_of_the_protocol(void **state)
{
	const struct wire_bring_home m = {.reason = 0x01020304, .nr = 0x0506, .sentence = wire_str("why")};
	static const uint8_t frame[] = {11, 0, 0, 0, 0xa1, 0x01, 0, 0, 4, 3, 2, 1, 6, 5, 3, 0, 'w', 'h', 'y'};
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(wire_bring_home_encode(&m, &out), 0);
	assert_int_equal(out.len, sizeof(frame));
	assert_memory_equal(buf_head(&out), frame, sizeof(frame));
	buf_release(&out);
}

static void header_refuses_what_is_not_in_the_table(void **state)
{
	uint8_t h[WIRE_HEADER_SIZE] = {16, 0, 0, 0, 109, 0, 0, 0};
	struct wire_header ret;

	(void)state;
	assert_int_equal(wire_header_decode(h, &ret), 0);
	assert_int_equal(ret.type, WIRE_PEER_PING);
	assert_int_equal(ret.length, 16);
	h[0] = 17; /* longer than the type allows */
	assert_int_equal(wire_header_decode(h, &ret), -EPROTO);
	h[0] = 16;
	h[6] = 1; /* reserved */
	assert_int_equal(wire_header_decode(h, &ret), -EPROTO);
	h[6] = 0;
	for (unsigned type = 0; type < 0x10000; type++) {
		h[4] = (uint8_t)type;
		h[5] = (uint8_t)(type >> 8);
		h[0] = 0;
		assert_int_equal(wire_header_decode(h, &ret), wire_type_from(type) ? 0 : -EPROTO);
	}
	assert_string_equal(wire_type_name(99), "?");
	assert_int_equal(wire_type_from(WIRE_CALL), WIRE_FROM_AGENT);
	assert_int_equal(wire_type_from(WIRE_LINK_PING), WIRE_FROM_AGENT | WIRE_FROM_SHEPHERD);
	assert_int_equal(wire_type_from(WIRE_PEER_HELLO), WIRE_FROM_PEER);
}

static void preamble_refuses_strangers(void **state)
{
	const struct wire_preamble p = {.version = WIRE_PROTOCOL, .kind = WIRE_KIND_LINK, .id = 0x1122334455667788};
	static const uint8_t wanted[] = {'G',  'O',  'D',  'W',  'I',  'T',  1,    'L',
					 0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11};
	uint8_t b[WIRE_PREAMBLE_SIZE];
	struct wire_preamble ret;

	(void)state;
	wire_preamble_encode(&p, b);
	assert_memory_equal(b, wanted, sizeof(b));
	assert_int_equal(wire_preamble_decode(b, &ret), 0);
	assert_int_equal(ret.kind, WIRE_KIND_LINK);
	assert_true(ret.id == p.id);
	b[7] = 'P'; /* peers have no id */
	assert_int_equal(wire_preamble_decode(b, &ret), -EPROTO);
	memset(b + 8, 0, 8);
	assert_int_equal(wire_preamble_decode(b, &ret), 0);
	b[7] = 'X';
	assert_int_equal(wire_preamble_decode(b, &ret), -EPROTO);
	b[6] = 2;
	assert_int_equal(wire_preamble_decode(b, &ret), -EPROTONOSUPPORT);
	assert_int_equal(ret.version, 2);
	b[0] = 'S';
	assert_int_equal(wire_preamble_decode(b, &ret), -EPROTO);
}

static void bounds_hold_to_the_byte(void **state)
{
	uint8_t *big = calloc(1, SEGMENTS_MAX + 1);
	struct wire_call m = {.segments = {big, SEGMENTS_MAX}}, got;
	struct buf out;
	uint8_t *body;

	(void)state;
	assert_non_null(big);
	buf_init(&out, 0);
	assert_int_equal(wire_call_encode(&m, &out), 0);
	assert_int_equal(out.len - WIRE_HEADER_SIZE, wire_type_max(WIRE_CALL));
	body = buf_head(&out) + WIRE_HEADER_SIZE;
	assert_int_equal(wire_call_decode(&got, body, out.len - WIRE_HEADER_SIZE), 0);
	assert_int_equal(got.segments.len, SEGMENTS_MAX);
	assert_ptr_equal(got.segments.data, body + out.len - WIRE_HEADER_SIZE - SEGMENTS_MAX);
	m.segments.len++;
	assert_int_equal(wire_call_encode(&m, &out), -EMSGSIZE);
	assert_int_equal(out.len, WIRE_HEADER_SIZE + wire_type_max(WIRE_CALL)); /* as it was */
	buf_release(&out);
	free(big);
}

static void what_is_above_its_bound_is_not_taken(void **state)
{
	uint8_t body[4 + 513 * 36] = {0};
	struct wire_image_vmas vmas;
	struct wire_bring_home home;
	struct wire_image_begin begin;

	(void)state;
	body[1] = 2; /* 512 elements */
	assert_int_equal(wire_image_vmas_decode(&vmas, body, 4 + 512 * 36), 0);
	body[0] = 1;
	assert_int_equal(wire_image_vmas_decode(&vmas, body, sizeof(body)), -EPROTO);
	memset(body, 'x', 500);
	memcpy(body + 6, (uint8_t[]){0x90, 1}, 2); /* a str of 400 */
	assert_int_equal(wire_bring_home_decode(&home, body, 8 + 400), 0);
	assert_int_equal(home.sentence.len, 400);
	body[8 + 399] = 0;
	assert_int_equal(wire_bring_home_decode(&home, body, 8 + 400), -EPROTO);
	body[8 + 399] = 'x';
	body[6] = 0x91;
	assert_int_equal(wire_bring_home_decode(&home, body, 8 + 401), -EPROTO);
	memset(body, 0, sizeof(body));
	memcpy(body + 18, (uint8_t[]){1, 1}, 2); /* mm: bytes of 257 */
	assert_int_equal(wire_image_begin_decode(&begin, body, 10 + 8 + 4 + 257 + 4 + 16 + 1 + 48), -EPROTO);
	memcpy(body + 18, (uint8_t[]){0, 1}, 2);
	assert_int_equal(wire_image_begin_decode(&begin, body, 10 + 8 + 4 + 256 + 4 + 16 + 1 + 48), 0);
	assert_int_equal(begin.mm.len, 256);
}

static void what_cannot_be_sent_is_refused(void **state)
{
	struct wire_bring_home nul = {.sentence = {(const uint8_t *)"a\0b", 3}};
	struct wire_call nothing = {.segments = {NULL, 1}};
	struct wire_peer_gossip empty = {.entries = {.count = 1}};
	const struct wire_peer_ping ping = {.id = 1};
	struct wire_msg unknown = {.type = 1};
	struct buf out;

	(void)state;
	buf_init(&out, WIRE_HEADER_SIZE + 16);
	assert_int_equal(wire_bring_home_encode(&nul, &out), -EINVAL);
	assert_int_equal(wire_call_encode(&nothing, &out), -EINVAL);
	assert_int_equal(wire_peer_gossip_encode(&empty, &out), -EINVAL);
	assert_int_equal(wire_msg_encode(&unknown, &out), -EINVAL);
	assert_int_equal(wire_msg_decode(&unknown, 1, NULL, 0), -EPROTO);
	assert_int_equal(out.len, 0);
	assert_int_equal(wire_peer_ping_encode(&ping, &out), 0);
	assert_int_equal(wire_peer_ping_encode(&ping, &out), -ENOBUFS);
	assert_int_equal(out.len, WIRE_HEADER_SIZE + 16);
	buf_release(&out);
}

static void lists_are_read_and_passed_on(void **state)
{
	struct wire_vma v, in[512];
	struct wire_image_vmas m = {.vmas = {.items = in, .count = ARRAY_SIZE(in)}}, got;
	struct wire_list again;
	struct buf out, copy;
	uint32_t n = 0;

	(void)state;
	buf_init(&out, 0);
	buf_init(&copy, 0);
	for (size_t i = 0; i < ARRAY_SIZE(in); i++)
		in[i] = (struct wire_vma){.start = i * 4096, .end = (i + 1) * 4096, .file = (uint32_t)i};
	assert_int_equal(wire_image_vmas_encode(&m, &out), 0);
	assert_int_equal(wire_image_vmas_decode(&got, buf_head(&out) + WIRE_HEADER_SIZE, out.len - WIRE_HEADER_SIZE),
			 0);
	assert_int_equal(got.vmas.count, ARRAY_SIZE(in));
	assert_int_equal(wire_image_vmas_encode(&got, &copy), 0);
	assert_int_equal(copy.len, out.len);
	assert_memory_equal(buf_head(&copy), buf_head(&out), out.len);
	for (again = got.vmas; wire_vma_next(&again, &v); n++)
		assert_true(v.start == in[n].start && v.end == in[n].end && v.file == in[n].file);
	assert_int_equal(n, ARRAY_SIZE(in));
	assert_false(wire_vma_next(&again, &v));
	for (n = 0; wire_vma_next(&m.vmas, &v); n++) /* not encoded yet */
		assert_true(v.start == in[n].start);
	assert_int_equal(n, ARRAY_SIZE(in));
	m.vmas = (struct wire_list){.items = in, .count = ARRAY_SIZE(in) + 1};
	assert_int_equal(wire_image_vmas_encode(&m, &out), -EMSGSIZE);
	buf_release(&out);
	buf_release(&copy);
}

static void reserved_space_is_the_last_field(void **state)
{
	struct wire_image_pages m = {.addr = 0x1000, .pages = 2}, got;
	struct buf a, b;
	uint8_t page[8192], *p;

	(void)state;
	memset(page, 7, sizeof(page));
	buf_init(&a, 0);
	buf_init(&b, 0);
	assert_int_equal(wire_image_pages_encode_reserve(&m, sizeof(page), &a, &p), 0);
	memcpy(p, page, sizeof(page));
	assert_int_equal(wire_image_pages_decode(&got, buf_head(&a) + WIRE_HEADER_SIZE, a.len - WIRE_HEADER_SIZE), 0);
	assert_memory_equal(got.data.data, page, sizeof(page));
	m.data = (struct wire_bytes){page, sizeof(page)};
	assert_int_equal(wire_image_pages_encode(&m, &b), 0);
	assert_int_equal(a.len, b.len);
	assert_memory_equal(buf_head(&a), buf_head(&b), a.len);
	assert_int_equal(wire_image_pages_encode_reserve(&m, 1048577, &a, &p), -EMSGSIZE);
	buf_release(&a);
	buf_release(&b);
}

static void texts_are_cut_where_they_must(void **state)
{
	char small[4];

	(void)state;
	assert_int_equal(wire_str_copy(small, sizeof(small), wire_str("abc")), 0);
	assert_string_equal(small, "abc");
	assert_int_equal(wire_str_copy(small, sizeof(small), wire_str("abcd")), -EMSGSIZE);
	assert_string_equal(small, "abc");
	assert_int_equal(wire_str_copy(small, sizeof(small), wire_str(NULL)), 0);
	assert_string_equal(small, "");
	assert_true(wire_str_equal(wire_str("n1"), "n1"));
	assert_false(wire_str_equal(wire_str("n1"), "n10"));
	assert_true(wire_str_equal(wire_str(NULL), ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_frame_has_the_bytes_of_the_protocol),
	    cmocka_unit_test(header_refuses_what_is_not_in_the_table),
	    cmocka_unit_test(preamble_refuses_strangers),
	    cmocka_unit_test(bounds_hold_to_the_byte),
	    cmocka_unit_test(what_is_above_its_bound_is_not_taken),
	    cmocka_unit_test(what_cannot_be_sent_is_refused),
	    cmocka_unit_test(lists_are_read_and_passed_on),
	    cmocka_unit_test(reserved_space_is_the_last_field),
	    cmocka_unit_test(texts_are_cut_where_they_must),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
