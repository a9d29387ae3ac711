/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames of an image in the wrong order are refused before anything is done to the task. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../../src/image/build.h"

/* Gives the one frame that is in b, and empties b. */
static int give(struct builder *to, struct buf *b)
{
	struct wire_header h;
	struct err e;
	int r;

	assert_int_equal(wire_header_decode(buf_head(b), &h), 0);
	r = builder_frame(to, &h, buf_head(b) + WIRE_HEADER_SIZE, &e);
	buf_release(b);
	return r;
}

static int give_vmas(struct builder *to)
{
	struct wire_vma v = {.start = 0x10000, .end = 0x20000, .prot = 3};
	struct wire_image_vmas m = {.vmas = {.items = &v, .count = 1}};
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(wire_image_vmas_encode(&m, &b), 0);
	return give(to, &b);
}

static int give_ahead(struct builder *to)
{
	struct wire_page_run run = {.addr = 0x10000, .pages = 1};
	struct wire_image_ahead m = {.runs = {.items = &run, .count = 1}};
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(wire_image_ahead_encode(&m, &b), 0);
	return give(to, &b);
}

static int give_begin(struct builder *to)
{
	struct image_head h = {.pid = 5};
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(image_head_encode(&h, &b), 0);
	return give(to, &b);
}

static int give_end(struct builder *to)
{
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(wire_image_end_encode(&(struct wire_image_end){0}, &b), 0);
	return give(to, &b);
}

static void test_fresh(void **state)
{
	struct builder b = {.fresh = true};

	(void)state;
	assert_int_equal(give_end(&b), -EPROTO);
	assert_int_equal(give_ahead(&b), -EPROTO); /* of no mappings */
	assert_int_equal(b.ahead.n, 0);
	assert_int_equal(give_vmas(&b), 0);
	assert_int_equal(give_vmas(&b), -EPROTO); /* not ascending */
	assert_int_equal(give_begin(&b), -EPROTO); /* those mappings were never ended */
	assert_false(b.begun);
	builder_release(&b);

	b = (struct builder){.fresh = true};
	assert_int_equal(give_begin(&b), 0); /* nothing ahead is fine, too */
	assert_int_equal(give_begin(&b), -EPROTO);
	assert_int_equal(give_ahead(&b), -EPROTO);
	assert_int_equal(give_vmas(&b), 0);
	builder_release(&b);
}

/* A builder that has laid out ahead takes nothing of the kind a second time. */
static void test_once(void **state)
{
	struct image_vma v = {.start = 0x10000, .end = 0x20000, .prot = 3};
	struct builder b = {.fresh = true};

	(void)state;
	assert_int_equal(maps_append(&b.ahead, &v), 0);
	assert_int_equal(give_vmas(&b), -EPROTO);
	assert_int_equal(give_ahead(&b), -EPROTO);
	assert_int_equal(give_begin(&b), 0);
	assert_int_equal(give_vmas(&b), 0);
	assert_int_equal(give_ahead(&b), -EPROTO);
	builder_release(&b);
}

static void test_deputy(void **state)
{
	struct builder b = {0};

	(void)state;
	assert_int_equal(give_vmas(&b), -EPROTO);
	assert_int_equal(give_ahead(&b), -EPROTO);
	assert_int_equal(give_begin(&b), 0);
	builder_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fresh), cmocka_unit_test(test_once),
					   cmocka_unit_test(test_deputy)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
