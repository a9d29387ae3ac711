/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The list of mappings: the formats of proc(5), numbers of files that stay, gaps. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../../src/image/maps.h"

static int parse(struct image_maps *m, const char *text)
{
	char copy[4096];

	(void)snprintf(copy, sizeof(copy), "%s", text);
	return maps_parse(m, copy);
}

static void test_smaps(void **state)
{
	struct image_maps m;

	(void)state;
	maps_init(&m);
	assert_int_equal(parse(&m, "55d0c000-55d0d000 r--p 00002000 fe:00 1234                       /usr/bin/x\n"
				   "Size:                  4 kB\n"
				   "VmFlags: rd mr mw me sd \n"
				   "55d0d000-55d0f000 rw-p 00000000 00:00 0                          [heap]\n"
				   "VmFlags: rd wr mr mw me ac nr \n"
				   "7f0000000000-7f0000001000 rw-s 00000000 00:01 7                  /dev/shm/y\n"
				   "VmFlags: rd wr sh mr mw me ms sd lo \n"
				   "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                  [stack]\n"
				   "VmFlags: rd wr mr mw me gd ac \n"
				   "7ffc00100000-7ffc00104000 r--p 00000000 00:00 0                  [vvar]\n"
				   "VmFlags: rd mr pf io de dd \n"
				   "7ffc00104000-7ffc00106000 r-xp 00000000 00:00 0                  [vdso]\n"
				   "VmFlags: rd ex mr mw me de \n"
				   "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0          [vsyscall]\n"
				   "VmFlags: ex \n"),
			 0);
	assert_int_equal(m.n, 6);
	assert_int_equal(m.v[0].prot, PROT_READ);
	assert_int_equal(m.v[0].offset, 0x2000);
	assert_int_equal(m.v[0].file, 1);
	assert_int_equal(m.v[1].file, 0);
	assert_true(m.v[1].flags & VMA_NORESERVE);
	assert_true(m.v[2].flags & VMA_SHARED);
	assert_true(m.v[2].flags & VMA_MAYWRITE);
	assert_true(m.v[2].flags & VMA_LOCKED);
	assert_int_equal(m.v[2].file, 2);
	assert_true(m.v[3].flags & VMA_GROWSDOWN);
	assert_int_equal(m.v[4].flags, VMA_VVAR);
	assert_true(m.v[5].flags & VMA_VDSO);
	assert_false(m.v[5].flags & VMA_DEVICE);
	assert_int_equal(m.vdso_start, 0x7ffc00104000);
	assert_ptr_equal(maps_find(&m, 0x55d0d000), &m.v[1]);
	assert_ptr_equal(maps_find(&m, 0x55d0efff), &m.v[1]);
	assert_null(maps_find(&m, 0x55d0f000));
	assert_null(maps_find(&m, 0));
	maps_release(&m);
}

static void test_malformed(void **state)
{
	static const char *const bad[] = {
	    "1000-2000 rw-p\n",
	    "2000-1000 rw-p 00000000 00:00 0\n",
	    "1000-1000 rw-p 00000000 00:00 0\n",
	    "1000-3000 rw-p 00000000 00:00 0\n2000-4000 rw-p 00000000 00:00 0\n",
	    "1000-2000 rwxpq 00000000 00:00 0\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		struct image_maps m;

		maps_init(&m);
		assert_int_equal(parse(&m, bad[i]), -EPROTO);
		maps_release(&m);
	}
}

static void test_own(void **state)
{
	struct image_maps m, n;
	const struct image_vma *v;
	char *p = mmap(NULL, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct err e;

	(void)state;
	assert_ptr_not_equal(p, MAP_FAILED);
	assert_int_equal(mprotect(p + 4096, 4096, PROT_READ), 0);
	maps_init(&m);
	maps_init(&n);
	assert_int_equal(maps_read(&m, getpid(), true, &e), 0);
	v = maps_find(&m, (uintptr_t)p + 4096);
	assert_non_null(v);
	assert_int_equal(v->start, (uintptr_t)p + 4096);
	assert_int_equal(v->end, (uintptr_t)p + 8192);
	assert_int_equal(v->prot, PROT_READ);
	assert_true(m.vdso_start != 0);
	assert_int_equal(maps_read(&n, getpid(), false, &e), 0);
	assert_int_equal(munmap(p + 8192, 4096), 0);
	assert_int_equal(maps_read(&m, getpid(), false, &e), 0);
	assert_false(maps_same_layout(&m, &n));
	assert_int_equal(maps_read(&m, 0x7ffffff0, false, &e), -ENOENT);
	assert_true(strlen(e.text) > 10);
	maps_release(&m);
	maps_release(&n);
	(void)munmap(p, 16384);
}

static void test_same_layout(void **state)
{
	static const char *const other[] = {
	    "1000-3000 rw-p 00000000 00:00 0\n",
	    "1000-3000 rw-p 00000000 00:00 0\n4000-6000 r--p 00001000 fe:00 7 /x\n",
	    "1000-3000 r--p 00000000 00:00 0\n4000-5000 r--p 00001000 fe:00 7 /x\n",
	    "1000-3000 rw-p 00000000 00:00 0\n4000-5000 r--p 00002000 fe:00 7 /x\n",
	    "1000-3000 rw-p 00000000 00:00 0\n4000-5000 r--p 00000000 00:00 0\n",
	    "1000-3000 rw-p 00000000 00:00 0\n4000-5000 r--p 00001000 fe:00 8 /x\n",
	    "1000-3000 rw-p 00000000 00:00 0\n4000-5000 r--p 00001000 fe:01 7 /x\n",
	    "1000-3000 rw-p 00000000 00:00 0\n4000-5000 r--s 00001000 fe:00 7 /x\n",
	};
	static const char text[] = "1000-3000 rw-p 00000000 00:00 0\n4000-5000 r--p 00001000 fe:00 7 /x\n";
	struct image_maps m, n;

	(void)state;
	maps_init(&m);
	maps_init(&n);
	assert_int_equal(parse(&m, text), 0);
	assert_int_equal(parse(&n, text), 0);
	assert_true(maps_same_layout(&m, &n));
	for (size_t i = 0; i < ARRAY_SIZE(other); i++) {
		maps_release(&n);
		maps_init(&n);
		assert_int_equal(parse(&n, other[i]), 0);
		assert_false(maps_same_layout(&m, &n));
	}
	maps_release(&m);
	maps_release(&n);
}

static void test_files_stay(void **state)
{
	struct image_maps m;

	(void)state;
	maps_init(&m);
	assert_int_equal(maps_file(&m, 1, 10), 1);
	assert_int_equal(maps_file(&m, 1, 11), 2);
	assert_int_equal(maps_file(&m, 2, 10), 3);
	assert_int_equal(maps_file(&m, 1, 10), 1);
	for (uint64_t i = 0; i < 1000; i++)
		assert_int_equal(maps_file(&m, 9, i), 4 + i);
	m.n = 0;
	assert_int_equal(maps_file(&m, 1, 11), 2);
	maps_release(&m);
}

static void test_gap(void **state)
{
	struct image_maps a, b;

	(void)state;
	maps_init(&a);
	maps_init(&b);
	assert_int_equal(maps_find_gap(&a, NULL, 0x10000, 0x20000), 0x10000);
	assert_int_equal(maps_append(&a, &(struct image_vma){.start = 0x20000, .end = 0x31000}), 0);
	assert_int_equal(maps_append(&b, &(struct image_vma){.start = 0x50000, .end = 0x60000}), 0);
	assert_int_equal(maps_find_gap(&a, &b, 0x10000, 0x10000), 0x10000);
	assert_int_equal(maps_find_gap(&a, &b, 0x10000, 0x20000), 0x60000);
	assert_int_equal(maps_append(&a, &(struct image_vma){.start = 0x60000, .end = IMAGE_TASK_END}), 0);
	assert_int_equal(maps_find_gap(&a, &b, 0x10000, 0x20000), 0);
	maps_release(&a);
	maps_release(&b);
}

static void test_below(void **state)
{
	struct image_maps m;

	(void)state;
	maps_init(&m);
	assert_int_equal(maps_find_below(&m, 0x100000, 0x1000), 0xff000);
	assert_int_equal(maps_append(&m, &(struct image_vma){.start = 0x20000, .end = 0x40000}), 0);
	assert_int_equal(maps_append(&m, &(struct image_vma){.start = 0x50000, .end = 0x90000}), 0);
	assert_int_equal(maps_find_below(&m, 0x90000, 0x1000), 0x4f000);
	assert_int_equal(maps_find_below(&m, 0x90000, 0x10000), 0x40000);
	assert_int_equal(maps_find_below(&m, 0x60000, 0x10000), 0x40000);
	assert_int_equal(maps_find_below(&m, 0x90000, 0x10001), 0); /* what is left below is too low */
	assert_int_equal(maps_find_below(&m, 0x91000, 0x1000), 0x90000);
	assert_true(maps_free(&m, 0x40000, 0x50000));
	assert_false(maps_free(&m, 0x40000, 0x50001));
	assert_false(maps_free(&m, 0x3ffff, 0x40001));
	maps_release(&m);
}

static void expect(const struct image_maps *m, const struct image_vma *v, size_t n)
{
	assert_int_equal(m->n, n);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(m->v[i].start, v[i].start);
		assert_int_equal(m->v[i].end, v[i].end);
		assert_int_equal(m->v[i].offset, v[i].offset);
		assert_int_equal(m->v[i].file, v[i].file);
	}
}

static void test_replace(void **state)
{
	struct image_maps m;

	(void)state;
	maps_init(&m);
	/* Into nothing, inside of one, over the border of two, over all, at the end. */
	assert_int_equal(maps_replace(&m, &(struct image_vma){0x10000, 0x20000, 0x1000, 1, 0, 1}), 0);
	assert_int_equal(maps_replace(&m, &(struct image_vma){0x14000, 0x15000, 0x7000, 1, 0, 2}), 0);
	expect(&m,
	       (struct image_vma[]){{0x10000, 0x14000, 0x1000, 1, 0, 1},
				    {0x14000, 0x15000, 0x7000, 1, 0, 2},
				    {0x15000, 0x20000, 0x6000, 1, 0, 1}},
	       3);
	assert_int_equal(maps_replace(&m, &(struct image_vma){0x14000, 0x16000, 0, 1, 0, 0}), 0);
	expect(&m,
	       (struct image_vma[]){{0x10000, 0x14000, 0x1000, 1, 0, 1},
				    {0x14000, 0x16000, 0, 1, 0, 0},
				    {0x16000, 0x20000, 0x7000, 1, 0, 1}},
	       3);
	assert_int_equal(maps_replace(&m, &(struct image_vma){0x13000, 0x17000, 0x9000, 1, 0, 3}), 0);
	expect(&m,
	       (struct image_vma[]){{0x10000, 0x13000, 0x1000, 1, 0, 1},
				    {0x13000, 0x17000, 0x9000, 1, 0, 3},
				    {0x17000, 0x20000, 0x8000, 1, 0, 1}},
	       3);
	assert_int_equal(maps_replace(&m, &(struct image_vma){0x8000, 0x30000, 0, 1, 0, 4}), 0);
	assert_int_equal(maps_replace(&m, &(struct image_vma){0x30000, 0x31000, 0, 1, 0, 5}), 0);
	expect(&m, (struct image_vma[]){{0x8000, 0x30000, 0, 1, 0, 4}, {0x30000, 0x31000, 0, 1, 0, 5}}, 2);
	maps_release(&m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_smaps),      cmocka_unit_test(test_malformed),
					   cmocka_unit_test(test_own),        cmocka_unit_test(test_same_layout),
					   cmocka_unit_test(test_files_stay), cmocka_unit_test(test_gap),
					   cmocka_unit_test(test_below),      cmocka_unit_test(test_replace)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
