/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The patched vdso: every function that programs know answers like the kernel, at the same address; damage is refused.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dlfcn.h>
#include <link.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../../src/image/maps.h"
#include "../../../src/image/x86_64/cpu.h"
#include "../../../src/image/x86_64/vdso.h"

#define NS 1000000000ULL

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

	assert_true(vdso_patch(c->p, c->n, &(struct vdso_copy){0}, &e) >= 4);
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

	assert_true(vdso_patch(c->p, c->n, &(struct vdso_copy){0}, &e) >= 4);
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

/* The stub in front of the copy, as in a guest; its numbers are set by the test. */
struct stub {
	uint8_t *code;
	struct vdso_clock *clock;
	struct vdso_copy copy;
	int (*gettime)(clockid_t, struct timespec *);
	int (*day)(struct timeval *, void *);
};

static struct stub make_stub(struct copy *c)
{
	struct stub s = {0};
	struct err e;

	s.code = mmap(NULL, VDSO_STUB_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s.code, MAP_FAILED);
	assert_true(vdso_stub_size <= VDSO_STUB_SIZE / 2);
	memcpy(s.code, vdso_stub, vdso_stub_size);
	s.clock = (struct vdso_clock *)(s.code + VDSO_STUB_SIZE / 2);
	s.clock->seq = 1;
	assert_int_equal(mprotect(s.code, VDSO_STUB_SIZE / 2, PROT_READ | PROT_EXEC), 0);
	s.copy = (struct vdso_copy){.at = (uintptr_t)c->p, .stub = (uintptr_t)s.code};
	assert_true(vdso_patch(c->p, c->n, &s.copy, &e) >= 4);
	assert_int_equal(mprotect(c->p, c->n, PROT_READ | PROT_EXEC), 0);
	memcpy(&s.gettime, &s.copy.entry[VDSO_GETTIME], sizeof(s.gettime));
	memcpy(&s.day, &s.copy.entry[VDSO_GETTIMEOFDAY], sizeof(s.day));
	return s;
}

static void end_stub(struct stub *s)
{
	assert_int_equal(munmap(s->code, VDSO_STUB_SIZE), 0);
}

/* Each clock stands still (mult 0) at a time of its own. */
static void stand_still(struct vdso_clock *k)
{
	k->seq = 2;
	k->tick = cpu_counter();
	k->mult = 0;
	for (uint64_t i = 0; i < 8; i++) {
		k->at[i].sec = 1000 + i;
		k->at[i].nsec = 7654321 + i;
	}
}

static void test_stub_reads(void **state)
{
	static const clockid_t ours[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	struct stub s = make_stub(*state);
	struct timespec ts;
	struct timeval tv;

	stand_still(s.clock);
	for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++) {
		assert_int_equal(s.gettime(ours[i], &ts), 0);
		assert_int_equal(ts.tv_sec, 1000 + ours[i]);
		assert_int_equal(ts.tv_nsec, 7654321 + ours[i]);
	}
	assert_int_equal(s.day(&tv, NULL), 0);
	assert_int_equal(tv.tv_sec, 1000);
	assert_int_equal(tv.tv_usec, 7654);
	/* Three seconds and a half, and nearly one, since the numbers were written. */
	s.clock->tick = cpu_counter() - 1;
	s.clock->mult = 1ULL << 32;
	s.clock->at[CLOCK_MONOTONIC].nsec = NS - 1;
	s.clock->tick -= 3500000000ULL;
	assert_int_equal(s.gettime(CLOCK_MONOTONIC, &ts), 0);
	assert_true(ts.tv_nsec >= 0 && ts.tv_nsec < (long)NS);
	assert_true(ts.tv_sec >= 1001 + 4 && ts.tv_sec < 1001 + 60);
	/* A counter that is behind. */
	s.clock->tick = cpu_counter() + (1ULL << 40);
	assert_int_equal(s.gettime(CLOCK_REALTIME, &ts), 0);
	assert_int_equal(ts.tv_sec, 1000);
	assert_int_equal(ts.tv_nsec, 7654321);
	for (uint64_t ns = 0; ns < NS; ns += 997) {
		s.clock->at[CLOCK_REALTIME].nsec = ns;
		assert_int_equal(s.day(&tv, NULL), 0);
		assert_int_equal(tv.tv_usec, ns / 1000);
	}
	end_stub(&s);
}

/* What the stub does not know, or not at this moment, the call answers. */
static void test_stub_calls(void **state)
{
	struct stub s = make_stub(*state);
	struct timespec ts, now;
	struct timezone zone = {1, 1};
	struct timeval tv;

	stand_still(s.clock);
	assert_int_equal(s.gettime(CLOCK_MONOTONIC_RAW, &ts), 0);
	assert_int_equal(clock_gettime(CLOCK_MONOTONIC_RAW, &now), 0);
	assert_true(now.tv_sec - ts.tv_sec < 5);
	assert_int_equal(s.gettime(-1, &ts), -EINVAL);
	assert_int_equal(s.gettime(CLOCK_TAI, &ts), 0);
	assert_true(ts.tv_sec > 1000000);
	assert_int_equal(s.gettime(33, &ts), -EINVAL);
	assert_int_equal(s.gettime(64 + CLOCK_MONOTONIC, &ts), -EINVAL);
	assert_int_equal(s.day(&tv, &zone), 0);
	assert_true(tv.tv_sec > 1000000);
	assert_int_equal(zone.tz_dsttime, 0);
	assert_int_equal(s.day(NULL, NULL), 0);
	s.clock->seq = 3;
	assert_int_equal(s.gettime(CLOCK_REALTIME, &ts), 0);
	assert_true(ts.tv_sec > 1000000);
	assert_int_equal(s.day(&tv, NULL), 0);
	assert_true(tv.tv_sec > 1000000);
	end_stub(&s);
}

static void test_stub_too_far(void **state)
{
	struct copy *c = *state;
	struct vdso_copy copy = {.at = 0x7f0000000000, .stub = 0x7e0000000000};
	struct err e;

	assert_true(vdso_patch(c->p, c->n, &copy, &e) >= 4);
	assert_true(entry(c, SYS_clock_gettime) != 0);
	assert_int_equal(copy.entry[VDSO_GETTIME], 0);
	/* Without a stub, no address lies in it. */
	copy.stub = 0;
	assert_int_equal(vdso_stub_place(&copy, 5, &(uint64_t){0}), VDSO_OUTSIDE);
}

/* Has the caller lost nothing that he may rely on? */
static void assert_untouched(const struct user_regs_struct *was, const struct user_regs_struct *is)
{
	assert_int_equal(is->rdi, was->rdi);
	assert_int_equal(is->rsi, was->rsi);
	assert_int_equal(is->rsp, was->rsp);
	assert_int_equal(is->rbp, was->rbp);
	assert_int_equal(is->rbx, was->rbx);
	assert_int_equal(is->r12, was->r12);
	assert_int_equal(is->r13, was->r13);
	assert_int_equal(is->r14, was->r14);
	assert_int_equal(is->r15, was->r15);
}

static void step(pid_t pid)
{
	int status;

	assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSTOPPED(status));
	assert_int_equal(WSTOPSIG(status), SIGTRAP);
}

/* Steps through the function at entry f: at each instruction, whoever were frozen there would begin anew with all that
 * the function needs, or return. The numbers change after `change` instructions. Returns how many were seen. */
static unsigned walk(pid_t pid, const struct stub *s, uint64_t f, uint64_t a0, uint64_t a1, unsigned change)
{
	struct user_regs_struct was, is;
	uint64_t back, again = 0;
	unsigned n = 0;

	assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &was), 0);
	was.rip = f;
	was.rdi = a0;
	was.rsi = a1;
	was.orig_rax = ~0ULL;
	/* As if called from where it stands. */
	was.rsp = (was.rsp & ~15ULL) - 1024 - 8;
	back = (uint64_t)(uintptr_t)s->code + 0x800;
	assert_int_equal(ptrace(PTRACE_POKEDATA, pid, (void *)was.rsp, (void *)back), 0);
	assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &was), 0);
	for (is = was; is.rip != back; n++) {
		enum vdso_place place = vdso_stub_place(&s->copy, is.rip, &again);

		assert_true(n < 100);
		if (n == change)
			s->clock->seq += 2;
		assert_untouched(&was, &is);
		assert_true(is.rip == f ? place == VDSO_OUTSIDE : place != VDSO_OUTSIDE);
		if (place != VDSO_OUTSIDE)
			assert_int_equal(again, f);
		if (place == VDSO_RETURN)
			assert_int_equal(*(const uint8_t *)(uintptr_t)is.rip, 0xc3);
		step(pid);
		assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &is), 0);
	}
	assert_int_equal(is.rsp, was.rsp + 8);
	return n;
}

static void test_stub_place(void **state)
{
	struct stub s = make_stub(*state);
	uint64_t *result = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint64_t at = (uintptr_t)result;
	unsigned never = 1000;
	int status;
	pid_t pid;

	assert_ptr_not_equal(result, MAP_FAILED);
	pid = fork();
	if (pid == 0) {
		(void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
		(void)raise(SIGSTOP);
		_exit(0);
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	for (s.clock->seq = 1; s.clock->seq < 3; s.clock->seq++) {
		bool fast = s.clock->seq == 2;

		if (fast)
			stand_still(s.clock);
		s.clock->at[CLOCK_REALTIME].nsec += 2 * NS; /* also the loop */
		assert_true(walk(pid, &s, s.copy.entry[VDSO_GETTIME], CLOCK_REALTIME, at, never) >= (fast ? 25 : 8));
		assert_true(fast == (result[0] == 1002));
		assert_true(walk(pid, &s, s.copy.entry[VDSO_GETTIME], CLOCK_MONOTONIC_RAW, at, never) > 4);
		assert_true(walk(pid, &s, s.copy.entry[VDSO_GETTIMEOFDAY], at, 0, never) >= (fast ? 25 : 8));
		assert_true(fast == (result[0] == 1002 && result[1] == 7654));
	}
	/* Numbers that change while they are read are not used. */
	s.clock->seq = 2;
	for (unsigned change = 1, slow = 0; change <= 30; change++) {
		(void)walk(pid, &s, s.copy.entry[VDSO_GETTIME], CLOCK_REALTIME, at, change);
		slow += result[0] != 1002;
		/* The 10th instruction reads seq for the first time, the 24th again. */
		assert_int_equal(slow, change < 10 ? 0 : change < 24 ? change - 9 : 14);
	}
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(munmap(result, 4096), 0);
	end_stub(&s);
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
		(void)!vdso_patch(cut, n, &(struct vdso_copy){.stub = 0x10000}, &e);
		free(cut);
	}
	for (size_t i = 0; i < 64 * 8; i++) {
		memcpy(copy, c->p, c->n);
		copy[i / 8] ^= (uint8_t)(1U << (i % 8));
		(void)!vdso_patch(copy, c->n, &(struct vdso_copy){.stub = 0x10000}, &e);
	}
	memset(copy, 0, c->n);
	assert_int_equal(vdso_patch(copy, c->n, &(struct vdso_copy){0}, &e), -EPROTO);
	free(copy);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_patch, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stub_reads, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stub_calls, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stub_too_far, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stub_place, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_damage, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
