/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The patched vdso: every function that programs know answers like the kernel, at the same address; damage is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/image/maps.h"
#include "../../../src/image/x86_64/vdso.h"

struct copy {
	uint8_t *p;
	size_t n;
	uint64_t from;
};

static int setup(void **state)
{
	static struct copy c;
	struct image_maps m;
	struct err e;

	maps_init(&m);
	assert_int_equal(maps_read(&m, getpid(), false, &e), 0);
	c.from = m.vdso_start;
	c.n = m.vdso_end - m.vdso_start;
	c.p = mmap(NULL, c.n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(c.p, MAP_FAILED);
	memcpy(c.p, (const void *)c.from, c.n);
	maps_release(&m);
	*state = &c;
	return 0;
}

static int teardown(void **state)
{
	struct copy *c = *state;

	return munmap(c->p, c->n);
}

/* The offset of the first patched entry that makes call nr, or 0. */
static size_t entry(const struct copy *c, int nr)
{
	uint8_t code[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};

	memcpy(code + 1, &nr, 4);
	for (size_t i = 1; i + sizeof(code) <= c->n; i++) {
		if (memcmp(c->p + i, code, sizeof(code)) == 0)
			return i;
	}
	return 0;
}

static void test_patch(void **state)
{
	struct copy *c = *state;
	struct timespec a, b;
	int (*gettime)(clockid_t, struct timespec *);
	struct err e;
	size_t at;

	assert_true(vdso_patch(c->p, c->n, &e) >= 4);
	at = entry(c, SYS_clock_gettime);
	assert_true(at != 0);
	assert_true(entry(c, SYS_gettimeofday) != 0);
	assert_true(entry(c, SYS_time) != 0);
	assert_true(entry(c, SYS_getcpu) != 0);
	assert_int_equal(mprotect(c->p, c->n, PROT_READ | PROT_EXEC), 0);
	memcpy(&gettime, &(void *){c->p + at}, sizeof(gettime));
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &a), 0);
	assert_int_equal(gettime(CLOCK_MONOTONIC, &b), 0);
	assert_true(b.tv_sec > a.tv_sec || (b.tv_sec == a.tv_sec && b.tv_nsec >= a.tv_nsec));
	assert_true(b.tv_sec - a.tv_sec < 5);
}

static void test_place(void **state)
{
	struct copy *c = *state;
	uint64_t base = 0x7f0000000000, got = 0;
	struct err e;
	size_t at;

	assert_true(vdso_patch(c->p, c->n, &e) >= 4);
	at = entry(c, SYS_clock_gettime);
	assert_int_equal(vdso_place(c->p + at - 7, base + at, &got), VDSO_RESTART);
	assert_int_equal(got, base + at);
	assert_int_equal(vdso_place(c->p + at + 5 - 7, base + at + 5, &got), VDSO_RESTART);
	assert_int_equal(got, base + at);
	assert_int_equal(vdso_place(c->p + at + 7 - 7, base + at + 7, &got), VDSO_RETURN);
	assert_int_equal(got, base + at);
	assert_int_equal(vdso_place(c->p + at + 2 - 7, base + at + 2, &got), VDSO_OUTSIDE);
	assert_int_equal(vdso_place(c->p + 64 - 7, base + 64, &got), VDSO_OUTSIDE);
}

static void test_damage(void **state)
{
	struct copy *c = *state;
	uint8_t *copy = malloc(c->n);
	struct err e;

	assert_non_null(copy);
	for (size_t n = 0; n < c->n; n += 13) {
		/* An exact allocation, so that reading beyond is found. */
		uint8_t *cut = malloc(n ? n : 1);

		assert_non_null(cut);
		memcpy(cut, c->p, n);
		(void)!vdso_patch(cut, n, &e);
		free(cut);
	}
	for (size_t i = 0; i < 64 * 8; i++) {
		memcpy(copy, c->p, c->n);
		copy[i / 8] ^= (uint8_t)(1U << (i % 8));
		(void)!vdso_patch(copy, c->n, &e);
	}
	memset(copy, 0, c->n);
	assert_int_equal(vdso_patch(copy, c->n, &e), -EPROTO);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_patch, setup, teardown),
					   cmocka_unit_test_setup_teardown(test_place, setup, teardown),
					   cmocka_unit_test_setup_teardown(test_damage, setup, teardown)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
