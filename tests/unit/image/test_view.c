/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The files of /proc of a process that is away: which they are, and what is made of home's and the host's. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <unistd.h>

#include "../../../src/image/view.h"

static void test_which(void **state)
{
	static const struct {
		const char *link;
		enum view_kind kind;
		int64_t tid;
	} of[] = {
	    {"/proc/77/maps", VIEW_MAPS, 0},
	    {"/proc/77/task/78/stat", VIEW_STAT, 78},
	    {"/proc/77/task/78", VIEW_RIGHT, 78},
	    {"/proc/77/task", VIEW_RIGHT, 0},
	    {"/proc/77", VIEW_RIGHT, 0},
	    {"/proc/77/mem", VIEW_HOME, 0},
	    {"/proc/77/task/78/mem", VIEW_HOME, 78},
	    {"/proc/77/map_files", VIEW_HOME, 0},
	    {"/proc/77/what-comes-next", VIEW_HOME, 0},
	    {"/proc/77/fd", VIEW_RIGHT, 0},
	    {"/proc/77/fdinfo/3", VIEW_RIGHT, 0},
	    {"/proc/77/environ", VIEW_ARGUMENTS, 0},
	    {"/proc/cpuinfo", VIEW_RIGHT, 0},
	    {"/proc/77x/maps", VIEW_RIGHT, 0},
	    {"/proc/sys/kernel/hostname", VIEW_RIGHT, 0},
	    {"/process/77/maps", VIEW_RIGHT, 0},
	    {"pipe:[12]", VIEW_RIGHT, 0},
	    {"", VIEW_RIGHT, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(of); i++) {
		struct view v = view_of(of[i].link);

		if (v.kind != of[i].kind || (v.kind != VIEW_RIGHT && (v.pid != 77 || v.tid != of[i].tid)))
			fail_msg("%s: kind %d of %lld, %lld", of[i].link, (int)v.kind, (long long)v.pid,
				 (long long)v.tid);
	}
}

static const char home_maps[] =
    "200000000000-200000041000 rw-p 00000000 00:00 0 \n"
    "55d000000000-55d000002000 r-xp 00001000 fe:00 11                         /usr/bin/x y\n"
    "55d000002000-55d000003000 r--p 00003000 fe:00 11                         /usr/bin/x y\n"
    "7f0000000000-7f0000002000 r--s 00005000 08:01 12                         /etc/z (deleted)\n"
    "7f0000010000-7f0000014000 r--p 00000000 00:00 0                          [vvar]\n"
    "7f0000014000-7f0000016000 r--p 00000000 00:00 0                          [vvar_vclock]\n"
    "7f0000016000-7f0000018000 r-xp 00000000 00:00 0                          [vdso]\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";
static const char guest_maps[] =
    "55d000000000-55d000001000 r-xp 100000001000 00:2b 2                      /memory\n"
    "55d000001000-55d000003000 r--p 100000002000 00:2b 2                      /memory\n"
    "55d000005000-55d000007000 rw-p 00000000 00:00 0                          [heap]\n"
    "7f0000000000-7f0000002000 r--p 200000005000 00:2b 2                      /memory\n"
    "7f0000012000-7f0000014000 r-xp 00000000 00:2b 2                          /memory\n"
    "7f0000016000-7f0000018000 r-xp 00000000 00:00 0 \n"
    "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n"
    "ffffffffff600000-ffffffffff601000 r-xp 00000000 00:00 0                  [vsyscall]\n";
static const char seen_maps[] =
    "55d000000000-55d000001000 r-xp 00001000 fe:00 11                         /usr/bin/x y\n"
    "55d000001000-55d000002000 r--p 00002000 fe:00 11                         /usr/bin/x y\n"
    "55d000002000-55d000003000 r--p 00003000 fe:00 11                         /usr/bin/x y\n"
    "55d000005000-55d000007000 rw-p 00000000 00:00 0                          [heap]\n"
    "7f0000000000-7f0000002000 r--s 00005000 08:01 12                         /etc/z (deleted)\n"
    "7f0000010000-7f0000014000 r--p 00000000 00:00 0                          [vvar]\n"
    "7f0000014000-7f0000016000 r--p 00000000 00:00 0                          [vvar_vclock]\n"
    "7f0000016000-7f0000018000 r-xp 00000000 00:00 0                          [vdso]\n"
    "7ffc00000000-7ffc00021000 rw-p 00000000 00:00 0                          [stack]\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

static int make(const char *guest, const char *home, char *ret, size_t cap, struct view_sizes *sizes)
{
	char theirs[4096], ours[4096];
	struct buf out;
	int r;

	(void)snprintf(theirs, sizeof(theirs), "%s", guest);
	(void)snprintf(ours, sizeof(ours), "%s", home);
	buf_init(&out, 0);
	r = view_maps(theirs, ours, 0x7f0000016000, 0x7f0000018000, &out, sizes);
	assert_true(out.len < cap);
	memcpy(ret, out.len ? (char *)buf_head(&out) : "", out.len);
	ret[out.len] = '\0';
	buf_release(&out);
	return r;
}

static void test_maps(void **state)
{
	struct view_sizes sizes;
	char text[4096];

	(void)state;
	assert_int_equal(make(guest_maps, home_maps, text, sizeof(text), &sizes), 0);
	assert_string_equal(text, seen_maps);
	assert_int_equal(sizes.all, 3 + 2 + 2 + 4 + 2 + 2 + 0x21);
	assert_int_equal(sizes.code, 1 + 2);
	assert_int_equal(sizes.data, 2);
	assert_int_equal(sizes.stack, 0x21);
}

static void test_smaps(void **state)
{
	struct view_sizes sizes;
	char text[4096];

	(void)state;
	assert_int_equal(make("55d000001000-55d000003000 r--p 100000002000 00:2b 2                      /memory\n"
			      "Size:                  8 kB\n"
			      "VmFlags: rd mr mw me um ac uw sd \n"
			      "7f0000016000-7f0000018000 r-xp 00000000 00:00 0 \n"
			      "VmFlags: rd ex ac \n",
			      "55d000000000-55d000002000 r-xp 00001000 fe:00 11                         /usr/bin/x\n"
			      "VmFlags: rd ex \n"
			      "55d000002000-55d000003000 r--p 00003000 fe:00 11                         /usr/bin/x\n"
			      "VmFlags: rd \n"
			      "7f0000016000-7f0000018000 r-xp 00000000 00:00 0                          [vdso]\n"
			      "VmFlags: rd ex mr mw me de \n",
			      text, sizeof(text), &sizes),
			 0);
	assert_string_equal(text,
			    "55d000001000-55d000003000 r--p 00002000 fe:00 11                         /usr/bin/x\n"
			    "Size:                  8 kB\n"
			    "VmFlags: rd mr mw me ac sd \n"
			    "7f0000016000-7f0000018000 r-xp 00000000 00:00 0                          [vdso]\n"
			    "VmFlags: rd ex mr mw me de \n");
}

/* The guest has put something where the clocks are, and has no vdso. */
static void test_covered(void **state)
{
	struct view_sizes sizes;
	char text[4096];

	(void)state;
	assert_int_equal(make("7f0000010000-7f0000012000 rwxp 00000000 00:00 0 \n"
			      "7f0000012000-7f0000014000 r-xp 00000000 00:2b 2                          /memory\n",
			      home_maps, text, sizeof(text), &sizes),
			 0);
	assert_string_equal(text,
			    "7f0000010000-7f0000012000 rwxp 00000000 00:00 0 \n"
			    "7f0000014000-7f0000016000 r--p 00000000 00:00 0                          [vvar_vclock]\n"
			    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n");
}

/* What a host says is not believed. */
static void test_refused(void **state)
{
	static const char *const bad[] = {
	    "",
	    "Size: 4 kB\n",
	    "nothing\n",
	    "55d000001000-55d000001000 r--p 0 00:00 0\n",
	    "55d000001000-55d000002000 r-- 0 00:00 0\n",
	    "55d000001000-55d000002000 r--p 0\n",
	    "55d000001000-55d000003000 r--p 0 00:00 0\n55d000002000-55d000004000 r--p 0 00:00 0\n",
	    /* a file where home has none, another place of it, beyond its end, home's own scratch memory */
	    "66d000001000-66d000002000 r--p 100000002000 00:2b 2 /memory\n",
	    "55d000001000-55d000002000 r--p 100000003000 00:2b 2 /memory\n",
	    "55d000001000-55d000004000 r--p 100000002000 00:2b 2 /memory\n",
	    "200000000000-200000001000 r--p 100000000000 00:2b 2 /memory\n",
	};
	static const char home[] = "200000000000-200000041000 rw-p 00000000 00:00 0 \n"
				   "55d000000000-55d000003000 r-xp 00001000 fe:00 11 /usr/bin/x\n";
	struct view_sizes sizes;
	char text[4096];

	(void)state;
	assert_int_equal(
	    make("55d000001000-55d000002000 r--p 100000002000 00:2b 2 /memory\n", home, text, sizeof(text), &sizes), 0);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		if (make(bad[i], home, text, sizeof(text), &sizes) != -EPROTO)
			fail_msg("%s", bad[i]);
	}
}

static const char host_status[] =
    "Name:\tx\nVmPeak:\t     900 kB\nVmHWM:\t      80 kB\nVmRSS:\t      60 kB\n"
    "RssAnon:\t      40 kB\nRssFile:\t      12 kB\nRssShmem:\t       8 kB\nVmSwap:\t       4 kB\n";

static void figures(enum view_kind kind, const char *home, bool running, const char *want)
{
	uint64_t tick = 1000000000ULL / (uint64_t)sysconf(_SC_CLK_TCK);
	const struct view_host host = {
	    .status = host_status, .running = running, .used = {7 * tick + tick / 2, 3 * tick}};
	const struct view_sizes sizes = {.all = 200, .code = 30, .stack = 33, .data = 50};
	struct buf out;

	buf_init(&out, 0);
	assert_int_equal(view_figures(kind, home, &host, &sizes, &out), 0);
	assert_int_equal(buf_append(&out, "", 1), 0);
	assert_string_equal((char *)buf_head(&out), want);
	buf_release(&out);
}

static void test_figures(void **state)
{
	(void)state;
	figures(VIEW_STATM, "4200 3468 1709 1 0 2026 0\n", true, "200 15 5 1 0 83 0\n");
	figures(
	    VIEW_STAT,
	    "7 (a) b) t 6 5 5 0 -1 4194304 1982 0 1 0 4 2 8 9 20 0 1 0 3533997 17469440 357 18446744073709551615 1 2 3 "
	    "0 0 0 0 16781312 2 1 0 0 17 1 0 0 0 0 0 4 5 6 7 8 9 10 1407\n",
	    true,
	    "7 (a) b) R 6 5 5 0 -1 4194304 1982 0 1 0 11 5 8 9 20 0 1 0 3533997 819200 15 18446744073709551615 1 2 3 0 "
	    "0 "
	    "0 0 16781312 2 0 0 0 17 1 0 0 0 0 0 4 5 6 7 8 9 10 0\n");
	figures(VIEW_STATUS,
		"Name:\tx\nState:\tt (tracing stop)\nTracerPid:\t99\nVmPeak:\t     700 kB\nVmSize:\t       4 kB\n"
		"VmHWM:\t     100 kB\nVmRSS:\t       4 kB\nRssAnon:\t       1 kB\nVmData:\t       1 kB\nVmStk:\t       "
		"1 kB\n"
		"VmExe:\t      16 kB\nVmLib:\t       1 kB\nVmSwap:\t       0 kB\nThreads:\t3\n",
		false,
		"Name:\tx\nState:\tS (sleeping)\nTracerPid:\t0\nVmPeak:\t     900 kB\nVmSize:\t     800 kB\n"
		"VmHWM:\t     100 kB\nVmRSS:\t      60 kB\nRssAnon:\t      40 kB\nVmData:\t     200 kB\nVmStk:\t     "
		"132 kB\n"
		"VmExe:\t      16 kB\nVmLib:\t     104 kB\nVmSwap:\t       4 kB\nThreads:\t3\n");
}

/* The text that was begun, what was read of it, the text that it goes on in, and what is read there. */
static void goes_on(enum view_kind kind, const char *old, const char *begun, const char *now, const char *rest)
{
	size_t at = view_position(kind, old, strlen(begun), now);

	assert_int_equal(strncmp(old, begun, strlen(begun)), 0);
	assert_true(at <= strlen(now));
	assert_string_equal(now + at, rest);
}

static void test_position(void **state)
{
	static const char old[] = "10-20 r /x\n20-30 w \nVmFlags: a\n40-50 x /y\nVmFlags: b\n";
	static const char now[] = "20-28 w \nVmFlags: a\n28-30 r \n60-70 y\nVmFlags: c\n";

	(void)state;
	goes_on(VIEW_MAPS, old, "", old, old);
	goes_on(VIEW_MAPS, old, "10-20 r /", old, "x\n20-30 w \nVmFlags: a\n40-50 x /y\nVmFlags: b\n");
	goes_on(VIEW_SMAPS, old, "10-20 r /x\n", now, now);
	goes_on(VIEW_SMAPS, old, "10-20 r /x\n20-", now, "28 w \nVmFlags: a\n28-30 r \n60-70 y\nVmFlags: c\n");
	goes_on(VIEW_SMAPS, old, "10-20 r /x\n20-30 w \nVmF", now, "lags: a\n28-30 r \n60-70 y\nVmFlags: c\n");
	goes_on(VIEW_SMAPS, old, "10-20 r /x\n20-30 w \nVmFlags: a\n40-50 x", now, "60-70 y\nVmFlags: c\n");
	goes_on(VIEW_SMAPS, old, "10-20 r /x\n20-30 w \nVmFlags: a\n40-50 x", "20-30 w\n", "");
	goes_on(VIEW_STATUS, "A:\t1\nB:\t0\nC:\t3\n", "A:\t1\nB:\t0\nC:", "A:\t1\nB:\t123\nC:\t3\n", "\t3\n");
	goes_on(VIEW_STATUS, "A:\t1\nB:\t1234\nC\n", "A:\t1\nB:\t1234", "A:\t1\nB:\t0\nC\n", "\nC\n");
	goes_on(VIEW_STAT, "1 (x) R 99 5 6\n", "1 (x) R 99 5", "1 (x) R 100 50 6\n", "0 6\n");
	goes_on(VIEW_STATM, "1000 3 4\n", "1000 3", "7 5 4\n", " 4\n");
	goes_on(VIEW_STATM, "1000 3 4\n", "100", "7 5 4\n", " 5 4\n");
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_which),    cmocka_unit_test(test_maps),    cmocka_unit_test(test_smaps),
	    cmocka_unit_test(test_covered),  cmocka_unit_test(test_refused), cmocka_unit_test(test_figures),
	    cmocka_unit_test(test_position),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
