/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sampling: the parsers of /proc text, and one real sample of this machine. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "node/sample.h"

static void schedstat_is_parsed(void **state)
{
	uint64_t run = 7, wait = 7;

	assert_int_equal(sample_parse_schedstat("123456789 42 17\n", &run, &wait), 0);
	assert_int_equal(run, 123456789);
	assert_int_equal(wait, 42);
	assert_int_equal(sample_parse_schedstat("0 0 0\n", &run, &wait), 0);
	assert_int_equal(run, 0);
	assert_int_equal(sample_parse_schedstat("18446744073709551615 1 1", &run, &wait), 0);
	assert_true(run == UINT64_MAX);
}

static void bad_schedstat_changes_nothing(void **state)
{
	static const char *const bad[] = {
	    "", "\n", "x", "1", "1 ", "1 x", "-1 2 3", "1 -2 3", "99999999999999999999999 1 1", "1  2 3", "1 2x"};
	uint64_t run = 7, wait = 8;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(sample_parse_schedstat(bad[i], &run, &wait), -EINVAL);
	assert_int_equal(run, 7);
	assert_int_equal(wait, 8);
}

static void meminfo_is_in_bytes(void **state)
{
	uint64_t total = 0, avail = 0;

	assert_int_equal(
	    sample_parse_meminfo("MemTotal:       1024 kB\nMemFree:  1 kB\nMemAvailable:    512 kB\n", &total, &avail),
	    0);
	assert_int_equal(total, 1024 * 1024);
	assert_int_equal(avail, 512 * 1024);
	assert_int_equal(sample_parse_meminfo("MemTotal: 1 kB\n", &total, &avail), -EINVAL);
	assert_int_equal(
	    sample_parse_meminfo("MemTotal: 99999999999999999999 kB\nMemAvailable: 1 kB\n", &total, &avail), -EINVAL);
	assert_int_equal(total, 1024 * 1024);
}

static void cpu_quota_is_in_thousandths(void **state)
{
	uint32_t milli = 0;

	assert_int_equal(sample_parse_cpu_max("max 100000\n", &milli), 0);
	assert_true(milli == UINT32_MAX);
	assert_int_equal(sample_parse_cpu_max("150000 100000\n", &milli), 0);
	assert_int_equal(milli, 1500);
	assert_int_equal(sample_parse_cpu_max("1 1000000\n", &milli), 0);
	assert_int_equal(milli, 1); /* never nothing at all */
	assert_int_equal(sample_parse_cpu_max("0 100000\n", &milli), -EINVAL);
	assert_int_equal(sample_parse_cpu_max("5\n", &milli), -EINVAL);
	assert_int_equal(sample_parse_cpu_max("", &milli), -EINVAL);
}

static void fields_are_found_by_whole_name(void **state)
{
	uint64_t v = 0;

	assert_int_equal(sample_parse_field("file_dirty 1\nfile 2\n", "file", &v), 0);
	assert_int_equal(v, 2);
	assert_int_equal(sample_parse_field("file_dirty 1\n", "file", &v), -ENOENT);
	assert_int_equal(sample_parse_field("file x\n", "file", &v), -EINVAL);
}

/* A second of work in this process is one task's worth of load between two samples. */
static void a_busy_process_is_load(void **state)
{
	struct sampler s;
	struct sample_proc *p;
	uint64_t until;

	sampler_init(&s);
	assert_int_equal(sampler_step(&s, clock_mono_ns()), 0);
	until = clock_mono_ns() + 200 * NSEC_PER_MSEC;
	while (clock_mono_ns() < until)
		;
	assert_int_equal(sampler_step(&s, clock_mono_ns()), 0);
	p = sampler_find(&s, getpid());
	assert_non_null(p);
	assert_int_equal(p->ppid, getppid());
	assert_false(p->kernel);
	assert_true(p->load_milli >= p->cpu_milli);
	assert_in_range(p->load_milli, 500, 1500); /* it ran or waited all the time */
	assert_true(s.load_milli >= p->load_milli);
	assert_in_range(s.cpus_milli, 1, 1000000);
	assert_true(s.mem_total > 0 && s.mem_free <= s.mem_total);
	assert_null(sampler_find(&s, 0));
	sampler_release(&s);
}

static void pressure_is_its_total(void **state)
{
	static const char *const bad[] = {"", "full avg10=0.00 avg60=0.00 avg300=0.00 total=7\n", "some avg10=0.00\n",
					  "some avg10=0.00 avg60=0.00 avg300=0.00 total=\n", "some total=-1\n"};
	uint64_t us = 5;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		assert_int_equal(sample_parse_pressure(bad[i], &us), -EINVAL);
		assert_int_equal(us, 5);
	}
	assert_int_equal(sample_parse_pressure("some avg10=0.00 avg60=0.10 avg300=0.00 total=1114964\n"
					       "full avg10=0.00 avg60=0.00 avg300=0.00 total=119225\n",
					       &us),
			 0);
	assert_int_equal(us, 1114964);
}

static void limits_of_the_command_line_hold(void **state)
{
	struct sampler s;

	sampler_init(&s);
	sampler_limits(&s, 100, 64 << 20, 0, 0);
	assert_int_equal(sampler_step(&s, clock_mono_ns()), 0);
	assert_in_range(s.cpus_milli, 1, 100);
	assert_true(s.mem_total <= 64 << 20);
	assert_true(s.mem_free <= s.mem_total);
	sampler_release(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(schedstat_is_parsed),
	    cmocka_unit_test(bad_schedstat_changes_nothing),
	    cmocka_unit_test(meminfo_is_in_bytes),
	    cmocka_unit_test(cpu_quota_is_in_thousandths),
	    cmocka_unit_test(fields_are_found_by_whole_name),
	    cmocka_unit_test(a_busy_process_is_load),
	    cmocka_unit_test(pressure_is_its_total),
	    cmocka_unit_test(limits_of_the_command_line_hold),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
