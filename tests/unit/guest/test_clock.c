/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Home's clocks as a guest reads them, by itself and by the call: in order, never ahead of home, whatever home says. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/base/clock.h"
#include "../../../src/guest/agent.h"

#define NS ((int64_t)NSEC_PER_SEC)
#define MS ((int64_t)NSEC_PER_MSEC)
#define HOME (1000 * NS) /* so much is home's monotonic clock ahead of ours, and its others in proportion */

static const char *bad;

const char *cpu_counter_bad(void)
{
	return bad;
}

int agent_mem_write(void *ctx, uint64_t addr, const void *p, size_t n)
{
	(void)ctx;
	memcpy((void *)addr, p, n);
	return 0;
}

int agent_mem_read(void *ctx, uint64_t addr, void *p, size_t n)
{
	(void)ctx;
	memcpy(p, (const void *)addr, n);
	return 0;
}

struct guest {
	struct agent a;
	uint8_t *stub; /* as the guest has it: its first function is clock_gettime() */
	int (*gettime)(clockid_t, struct timespec *);
};

static int64_t host(clockid_t id)
{
	struct timespec ts;

	assert_int_equal(clock_gettime(id, &ts), 0);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static int64_t home(clockid_t id)
{
	return host(id) + (id == CLOCK_MONOTONIC ? HOME : id == CLOCK_BOOTTIME ? 2 * HOME : 3 * HOME);
}

/* Home's message, which took `late` ns. */
static void sample(struct guest *g, int64_t late)
{
	agent_clock_sample(&g->a, (uint64_t)(home(CLOCK_MONOTONIC) - late), (uint64_t)(home(CLOCK_REALTIME) - late),
			   (uint64_t)(home(CLOCK_BOOTTIME) - late));
}

static void pass(int64_t ns)
{
	int64_t end = host(CLOCK_MONOTONIC) + ns;

	while (host(CLOCK_MONOTONIC) < end)
		;
}

static int64_t by_stub(struct guest *g, clockid_t id)
{
	struct timespec ts;

	assert_int_equal(g->gettime(id, &ts), 0);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static int64_t by_call(struct guest *g, clockid_t id)
{
	struct timespec ts;
	const uint64_t args[6] = {(uint64_t)id, (uintptr_t)&ts};
	int64_t ret = -1;

	assert_int_equal(agent_clock_call(&g->a, SYS_clock_gettime, args, &ret), 0);
	assert_int_equal(ret, 0);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static void begin(struct guest *g, const char *why_not)
{
	int64_t deadline = host(CLOCK_MONOTONIC) + 10 * NS;

	bad = why_not;
	memset(g, 0, sizeof(*g));
	g->a.memfd = memfd_create("test", MFD_CLOEXEC);
	assert_true(g->a.memfd >= 0);
	assert_int_equal(ftruncate(g->a.memfd, VDSO_STUB_SIZE), 0);
	agent_clock_init(&g->a);
	g->a.b.copy.stub = 1;
	g->stub = mmap(NULL, VDSO_STUB_SIZE, PROT_READ, MAP_SHARED, g->a.memfd, 0);
	assert_ptr_not_equal(g->stub, MAP_FAILED);
	assert_int_equal(mprotect(g->stub, VDSO_STUB_SIZE / 2, PROT_READ | PROT_EXEC), 0);
	memcpy(&g->gettime, &g->stub, sizeof(g->gettime));
	/* However long it takes on this machine until the counter's speed is known. */
	do {
		assert_true(host(CLOCK_MONOTONIC) < deadline);
		pass(20 * MS);
		sample(g, 0);
	} while (!why_not && g->a.clock.page->seq & 1);
}

static void end(struct guest *g)
{
	assert_int_equal(munmap(g->stub, VDSO_STUB_SIZE), 0);
	assert_int_equal(munmap((uint8_t *)g->a.clock.page - VDSO_STUB_SIZE / 2, VDSO_STUB_SIZE), 0);
	(void)close(g->a.memfd);
}

static bool guest_reads(const struct guest *g)
{
	return !(g->a.clock.page->seq & 1);
}

/* Clock id by both ways in turn, `times` times, with messages of different delay between. */
static void in_order(struct guest *g, clockid_t id, int times)
{
	int64_t last = 0;

	for (int i = 0; i < times; i++) {
		int64_t v = i & 1 && guest_reads(g) ? by_stub(g, id) : by_call(g, id);

		if (v < last)
			fail_msg("clock %d went back by %lld ns", id, (long long)(last - v));
		if (v > home(id))
			fail_msg("clock %d is ahead of home", id);
		last = v;
		if (i % 97 == 0)
			sample(g, i % 5 * 200000);
	}
}

static void test_counter(void **state)
{
	static const clockid_t ids[] = {CLOCK_MONOTONIC, CLOCK_REALTIME, CLOCK_BOOTTIME};
	struct guest g;

	(void)state;
	begin(&g, NULL);
	assert_true(guest_reads(&g));
	for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
		int64_t then = home(ids[i]), v;

		in_order(&g, ids[i], 20000);
		sample(&g, 0);
		v = by_stub(&g, ids[i]);
		assert_true(v >= then);
		pass(20 * MS);
		assert_true(by_stub(&g, ids[i]) >= v + 19 * MS);
	}
	assert_true(guest_reads(&g));
	end(&g);
}

static void test_without_counter(void **state)
{
	struct guest g;

	(void)state;
	begin(&g, "the test says so");
	assert_false(guest_reads(&g));
	in_order(&g, CLOCK_MONOTONIC, 20000);
	in_order(&g, CLOCK_REALTIME, 20000);
	assert_false(guest_reads(&g));
	end(&g);
}

/* A counter that is not known well enough yet is not used, until it is. */
static void test_too_early(void **state)
{
	struct guest g;
	int64_t v, end_ns;

	(void)state;
	begin(&g, NULL);
	g.a.clock = (struct agent_clock){.page = g.a.clock.page, .seq = 1};
	g.a.clock.page->seq = 1;
	g.a.clock.first = g.a.clock.last = (struct agent_moment){
	    .tick = cpu_counter(), .ns = (uint64_t)host(CLOCK_MONOTONIC), .width = NSEC_PER_SEC};
	sample(&g, 0);
	assert_false(guest_reads(&g));
	v = by_call(&g, CLOCK_MONOTONIC);
	g.a.clock.first.width = 0;
	end_ns = host(CLOCK_MONOTONIC) + 10 * NS;
	do {
		assert_true(host(CLOCK_MONOTONIC) < end_ns);
		pass(40 * MS);
		sample(&g, 0);
	} while (!guest_reads(&g));
	assert_true(by_stub(&g, CLOCK_MONOTONIC) >= v + 39 * MS);
	in_order(&g, CLOCK_MONOTONIC, 2000);
	end(&g);
}

static void test_home_is_set(void **state)
{
	struct guest g;
	int64_t v, then;

	(void)state;
	begin(&g, NULL);
	/* Forward at once. */
	then = home(CLOCK_MONOTONIC);
	sample(&g, -5 * NS);
	v = by_stub(&g, CLOCK_MONOTONIC);
	assert_true(v >= then + 5 * NS);
	/* Back by a little: it only goes slower. */
	then = home(CLOCK_REALTIME);
	sample(&g, -5 * NS + 50 * MS);
	assert_true(by_stub(&g, CLOCK_REALTIME) >= then + 5 * NS - 20 * MS);
	/* Back by much: the wall clock does so as well, the others never. */
	sample(&g, 0);
	assert_true(by_stub(&g, CLOCK_MONOTONIC) >= v);
	v = by_stub(&g, CLOCK_REALTIME);
	assert_true(v <= home(CLOCK_REALTIME));
	v = by_call(&g, CLOCK_REALTIME);
	assert_true(v <= home(CLOCK_REALTIME));
	end(&g);
}

/* What no clock shows. */
static void test_nonsense(void **state)
{
	static const uint64_t values[] = {0, 1, NSEC_PER_SEC, INT64_MAX, 1ULL << 63, UINT64_MAX};
	struct guest g;
	int64_t last = 0;

	(void)state;
	begin(&g, NULL);
	last = by_stub(&g, CLOCK_MONOTONIC);
	assert_true(last <= home(CLOCK_MONOTONIC));
	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		int64_t v;

		agent_clock_sample(&g.a, values[i], values[ARRAY_SIZE(values) - 1 - i], values[i]);
		v = by_stub(&g, CLOCK_MONOTONIC);
		assert_true(v >= last);
		last = v;
		assert_true(by_call(&g, CLOCK_REALTIME) >= 0);
		assert_true(by_stub(&g, CLOCK_BOOTTIME) >= 0);
	}
	end(&g);
}

/* A machine that was moved to another one: the counter is not what it was. */
static void test_astray(void **state)
{
	for (int way = 0; way < 3; way++) {
		struct guest g;
		int64_t v;

		(void)state;
		begin(&g, NULL);
		pass(20 * MS);
		v = by_stub(&g, CLOCK_MONOTONIC);
		if (way == 2)
			bad = "its kernel has found out";
		else
			g.a.clock.last.tick = way ? cpu_counter() + (1ULL << 40) : 1;
		sample(&g, 0);
		assert_false(guest_reads(&g));
		assert_non_null(g.a.clock.why_not);
		assert_true(by_call(&g, CLOCK_MONOTONIC) >= v);
		in_order(&g, CLOCK_MONOTONIC, 2000);
		assert_false(guest_reads(&g));
		end(&g);
	}
}

/* What home has done cannot be later than the guest's time. */
static void test_heard(void **state)
{
	struct guest g;
	int64_t v, real;

	(void)state;
	begin(&g, NULL);
	real = by_stub(&g, CLOCK_REALTIME) + NS;
	v = by_stub(&g, CLOCK_MONOTONIC) + NS;
	agent_clock_heard(&g.a, (uint64_t)v);
	assert_true(by_stub(&g, CLOCK_MONOTONIC) >= v);
	assert_true(by_call(&g, CLOCK_MONOTONIC) >= v);
	assert_true(by_stub(&g, CLOCK_REALTIME) >= real);
	/* What it knows better is not forgotten. */
	agent_clock_heard(&g.a, (uint64_t)(v - NS));
	assert_true(by_stub(&g, CLOCK_MONOTONIC) >= v);
	agent_clock_heard(&g.a, UINT64_MAX);
	assert_true(by_call(&g, CLOCK_MONOTONIC) >= v);
	end(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_counter),   cmocka_unit_test(test_without_counter),
					   cmocka_unit_test(test_too_early), cmocka_unit_test(test_home_is_set),
					   cmocka_unit_test(test_astray),    cmocka_unit_test(test_heard),
					   cmocka_unit_test(test_nonsense)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
