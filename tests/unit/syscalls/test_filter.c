/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guests' filter: every number's action by an interpreter of our own against the table, and a few calls of a child
 * under the real kernel, with this process as the listener.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

#include "syscalls/table.h"

#define DEADLINE_MS 10000

/* The instructions that the generator uses; anything else fails the test, and so does a constant action that depends
 * on more than number and architecture. */
static uint32_t interpret(const struct sock_filter *f, unsigned n, const struct seccomp_data *d, bool *ret_args)
{
	uint32_t a = 0, x = 0;

	*ret_args = false;
	for (unsigned pc = 0; pc < n; pc++) {
		switch (f[pc].code) {
		case BPF_LD | BPF_W | BPF_ABS:
			assert_true(f[pc].k % 4 == 0 && f[pc].k + 4 <= sizeof(*d));
			memcpy(&a, (const uint8_t *)d + f[pc].k, 4);
			*ret_args |= f[pc].k > offsetof(struct seccomp_data, arch);
			break;
		case BPF_ALU | BPF_AND | BPF_K:
			a &= f[pc].k;
			break;
		case BPF_ALU | BPF_XOR | BPF_K:
			a ^= f[pc].k;
			break;
		case BPF_ALU | BPF_SUB | BPF_X:
			a -= x;
			break;
		case BPF_LD | BPF_IMM:
			a = f[pc].k;
			break;
		case BPF_MISC | BPF_TAX:
			x = a;
			break;
		case BPF_JMP | BPF_JA:
			pc += f[pc].k;
			break;
		case BPF_JMP | BPF_JGT | BPF_K:
			pc += a > f[pc].k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JGT | BPF_X:
			pc += a > x ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JEQ | BPF_K:
			pc += a == f[pc].k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_JMP | BPF_JGE | BPF_K:
			pc += a >= f[pc].k ? f[pc].jt : f[pc].jf;
			break;
		case BPF_RET | BPF_K:
			return f[pc].k;
		default:
			fail_msg("instruction %u has code %#x", pc, f[pc].code);
		}
	}
	fail_msg("the program runs over its end");
	return 0;
}

#define OWN_IP 0x7f0123456789ULL
#define OWN_WORD 0x123456789abcdef0ULL

static const struct sysc_range nothing, kept = {0x7ffd00003000, 0x7ffd00009000};
static struct sock_filter *filter;
static unsigned filter_len;

static int make_filter(void **state)
{
	(void)state;
	return sysc_filter(OWN_IP, OWN_WORD, &kept, &filter, &filter_len);
}

static int free_filter(void **state)
{
	(void)state;
	free(filter);
	return 0;
}

/* The action for a number when every argument has the same value. */
static uint32_t action(int nr, uint64_t arg, bool *ret_args)
{
	struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64, .args = {arg, arg, arg, arg, arg, arg}};
	bool unused;

	return interpret(filter, filter_len, &d, ret_args ? ret_args : &unused);
}

static void every_number(void **state)
{
	unsigned natives = 0;

	(void)state;
	assert_true(filter_len < BPF_MAXINSNS);
	for (int nr = 0; nr < 1000; nr++) {
		const struct sysc_row *row = sysc_row((unsigned)nr);
		bool args;
		uint32_t got = action(nr, UINT64_MAX - 1, &args);
		uint32_t want = row && row->cls == SYSC_NATIVE ? SECCOMP_RET_ALLOW : SECCOMP_RET_USER_NOTIF;

		if (got != want)
			fail_msg("%s: action %#x instead of %#x", sysc_name((unsigned)nr), got, want);
		natives += want == SECCOMP_RET_ALLOW;
		/* Only a native number has an action that the kernel can keep in its bitmap. clone() has our word. */
		if (args && nr != SYS_clone && (!row || (row->cls != SYSC_NATIVE_IF && !row->detail->range)))
			fail_msg("%s: arguments are tested", sysc_name((unsigned)nr));
		assert_int_equal(action(nr | 0x40000000, 0, NULL), SECCOMP_RET_USER_NOTIF);
	}
	assert_true(natives > 10);
	assert_int_equal(action(-1, 0, NULL), SECCOMP_RET_ERRNO | ENOSYS);
	assert_int_equal(action(INT_MIN, 0, NULL), SECCOMP_RET_ERRNO | ENOSYS);
}

/* For each native_if row, what the filter lets pass is exactly what the table calls native. */
static void argument_tests(void **state)
{
	static const uint64_t values[] = {0,       1,      2,      0x22, 0x12,     0x32,       0x4022,
					  0x40022, 0x2022, 0x21,   0x23, 0x1001,   0x1002,     0x1003,
					  0x1004,  0x1005, 0x3001, 8,    0x100022, UINT64_MAX, 0xffffffff00000022};
	unsigned seen = 0;

	(void)state;
	for (unsigned nr = 0; nr <= sysc_max(); nr++) {
		const struct sysc_row *row = sysc_row(nr);

		if (!row || row->cls != SYSC_NATIVE_IF)
			continue;
		for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
			const uint64_t v = values[i], args[6] = {v, v, v, v, v, v};
			const struct sysc_case *c;
			bool native = sysc_decide(row, args, &c) == SYSC_NATIVE;

			if ((action((int)nr, v, NULL) == SECCOMP_RET_ALLOW) != native)
				fail_msg("%s with %#llx", row->name, (unsigned long long)v);
			seen += native;
		}
	}
	assert_true(seen > 5);
}

/* Is a call with this range one that the agent is asked about? */
static bool is_asked(const struct sock_filter *f, unsigned n, int nr, uint64_t addr, uint64_t len)
{
	struct seccomp_data d = {.nr = nr, .arch = AUDIT_ARCH_X86_64, .args = {addr, len, 0, 0x22}};
	bool args;

	return interpret(f, n, &d, &args) != SECCOMP_RET_ALLOW;
}

/* Near its ends and the borders of 4 GiB: whatever touches what is kept is asked; of the rest only what is large, or
 * across such a border. */
static void kept_range(void **state)
{
	static const struct sysc_range ranges[] = {{0x7ffd00003000, 0x7ffd00009000},
						   {0x7ffcffffe000, 0x7ffd00004000},
						   {0x7ffd00000000, 0x7ffd00006000},
						   {0x7ffcffffa000, 0x7ffd00000000},
						   {0x3000, 0x9000},
						   {0xffffe000, 0x100003000}};
	static const uint64_t lengths[] = {0,
					   1,
					   0x1000,
					   0x3000,
					   0x6000,
					   0x100000,
					   0xfffff000,
					   0x100000000,
					   0x100001000,
					   0x7fff00000000,
					   UINT64_MAX - 0xfff,
					   UINT64_MAX};
	static const int64_t nears[] = {0, 0x1000, 0x3000, 0x100000, 0xfffff000, 0x100000000, 0x100001000, 0x300000000};
	static const int calls[] = {SYS_mmap, SYS_munmap, SYS_mprotect, SYS_madvise};
	unsigned apart = 0, touched = 0, count;
	struct sock_filter *all;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(ranges); i++) {
		const struct sysc_range *r = &ranges[i];
		struct sock_filter *f;
		unsigned n;

		assert_int_equal(sysc_filter(OWN_IP, OWN_WORD, r, &f, &n), 0);
		for (unsigned k = 0; k < 4 * ARRAY_SIZE(nears) * ARRAY_SIZE(lengths); k++) {
			uint64_t near = (uint64_t)nears[k / 4 % ARRAY_SIZE(nears)],
				 len = lengths[k / 4 / ARRAY_SIZE(nears)];
			uint64_t addr = (k & 1 ? r->start : r->end) + (k & 2 ? near : -near), args[6] = {addr, len};
			bool touches = sysc_touches(SYS_munmap, args, r);

			assert_int_equal(touches, addr < r->end &&
						      (addr > r->start || (unsigned __int128)addr + len > r->start));
			for (unsigned c = 0; c < ARRAY_SIZE(calls); c++) {
				bool asked = is_asked(f, n, calls[c], addr, len);
				bool easy = len < 1ULL << 32 && addr >> 32 == (addr + len) >> 32;

				if (touches ? !asked : asked && easy)
					fail_msg("%s(%#" PRIx64 ", %#" PRIx64 ")", sysc_name((unsigned)calls[c]), addr,
						 len);
			}
			touched += touches;
			apart += !touches;
		}
		free(f);
	}
	assert_true(touched > 100 && apart > 100);
	/* Far away, and where nothing is kept. */
	assert_false(is_asked(filter, filter_len, SYS_munmap, 0x7f1200000000, 0xfffff000));
	assert_false(is_asked(filter, filter_len, SYS_mmap, 0, 0x10000));
	assert_int_equal(sysc_filter(OWN_IP, OWN_WORD, &nothing, &all, &count), 0);
	assert_false(is_asked(all, count, SYS_munmap, kept.start, 0x1000));
	free(all);
}

/* At the agent's own instruction, and nowhere near it, native_if rows pass; others are asked there too. */
static void own_instruction(void **state)
{
	static const uint64_t elsewhere[] = {OWN_IP - 1, OWN_IP + 1, (uint32_t)OWN_IP, OWN_IP ^ (1ULL << 40), 0};
	struct seccomp_data d = {.nr = SYS_mmap, .arch = AUDIT_ARCH_X86_64, .args = {0, 4096, 1, 2, 3, 0}};
	bool args;

	(void)state;
	d.instruction_pointer = OWN_IP;
	assert_int_equal(interpret(filter, filter_len, &d, &args), SECCOMP_RET_ALLOW);
	for (unsigned i = 0; i < ARRAY_SIZE(elsewhere); i++) {
		d.instruction_pointer = elsewhere[i];
		assert_int_equal(interpret(filter, filter_len, &d, &args), SECCOMP_RET_USER_NOTIF);
	}
	d.instruction_pointer = OWN_IP;
	d.args[0] = kept.start;
	assert_int_equal(interpret(filter, filter_len, &d, &args), SECCOMP_RET_ALLOW);
	d.nr = SYS_clock_gettime; /* what the stub itself calls there */
	assert_int_equal(interpret(filter, filter_len, &d, &args), SECCOMP_RET_USER_NOTIF);
}

/* A process that nobody looks after cannot be made, not even at that instruction. */
static void own_word(void **state)
{
	static const uint64_t words[] = {OWN_WORD, OWN_WORD + 1, OWN_WORD ^ (1ULL << 40), (uint32_t)OWN_WORD, 0};
	struct seccomp_data d = {.nr = SYS_clone, .arch = AUDIT_ARCH_X86_64};
	bool args;

	(void)state;
	for (unsigned i = 0; i < ARRAY_SIZE(words); i++) {
		d.args[5] = words[i];
		d.instruction_pointer = OWN_IP;
		assert_int_equal(interpret(filter, filter_len, &d, &args),
				 i ? SECCOMP_RET_USER_NOTIF : SECCOMP_RET_ALLOW);
		d.instruction_pointer = OWN_IP + 2;
		assert_int_equal(interpret(filter, filter_len, &d, &args), SECCOMP_RET_USER_NOTIF);
	}
}

static void other_architectures(void **state)
{
	struct seccomp_data d = {.nr = SYS_getpid, .arch = AUDIT_ARCH_I386};
	bool args;

	(void)state;
	assert_int_equal(interpret(filter, filter_len, &d, &args), SECCOMP_RET_KILL_PROCESS);
}

#define NOT_YET (-1)
#define FAILED (-2)

/* Shared by both processes; so is the table of descriptors, in which the parent finds the listener. */
static _Atomic int *listener_of_child;

static void announce(int listener)
{
	atomic_store(listener_of_child, listener);
	/* futex is native: nobody has to answer it. */
	(void)syscall(SYS_futex, listener_of_child, FUTEX_WAKE, 1, NULL, NULL, 0);
}

static int wait_for_listener(void)
{
	const struct timespec limit = {DEADLINE_MS / 1000, 0};

	while (atomic_load(listener_of_child) == NOT_YET) {
		if (syscall(SYS_futex, listener_of_child, FUTEX_WAIT, NOT_YET, &limit, NULL, 0) < 0 &&
		    errno == ETIMEDOUT)
			return FAILED;
	}
	return atomic_load(listener_of_child);
}

static int install(void)
{
	struct sock_fprog prog = {(unsigned short)filter_len, filter};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return FAILED;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &prog);
}

/* The child. Its exit status names the step that went wrong. */
static int guest(pid_t self, int file)
{
	int listener = install();
	void *p;

	announce(listener < 0 ? FAILED : listener);
	if (listener < 0)
		return 2;
	if (getpid() != self)
		return 3;
	if (syscall(SYS_getppid) != 123456)
		return 4;
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return 5;
	if (mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, file, 0) != MAP_FAILED || errno != EXDEV)
		return 6;
	if (mprotect(p, 4096, PROT_READ) < 0 || munmap(p, 8192) < 0)
		return 7;
	return 0;
}

/* Answers until the child has ended (true) or nothing came before the deadline; notes which numbers asked. */
static bool serve(int listener, unsigned *getppids, unsigned *mmaps, unsigned *natives)
{
	for (;;) {
		struct seccomp_notif req;
		struct seccomp_notif_resp resp;
		struct pollfd p = {listener, POLLIN, 0};
		int nr;

		if (poll(&p, 1, DEADLINE_MS) != 1)
			return false;
		if (!(p.revents & POLLIN))
			return true;
		memset(&req, 0, sizeof(req));
		memset(&resp, 0, sizeof(resp));
		if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &req) < 0)
			continue;
		resp.id = req.id;
		nr = req.data.nr;
		if (nr == SYS_getppid)
			resp.val = 123456;
		else if (nr == SYS_mmap)
			resp.error = -EXDEV;
		else
			resp.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
		*getppids += nr == SYS_getppid;
		*mmaps += nr == SYS_mmap;
		*natives += sysc_row((unsigned)nr) && sysc_row((unsigned)nr)->cls == SYSC_NATIVE;
		(void)ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &resp);
	}
}

static void under_the_kernel(void **state)
{
	unsigned getppids = 0, mmaps = 0, natives = 0;
	int file = open("/dev/zero", O_RDONLY | O_CLOEXEC), listener, status;
	pid_t pid;

	(void)state;
	assert_true(file >= 0);
	listener_of_child = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(listener_of_child != MAP_FAILED);
	atomic_store(listener_of_child, NOT_YET);
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, 0, 0, 0, 0);
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(guest((pid_t)syscall(SYS_getpid), file));
	listener = wait_for_listener();
	if (listener < 0 || !serve(listener, &getppids, &mmaps, &natives))
		(void)kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(listener >= 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(getppids, 1);
	assert_int_equal(mmaps, 1);
	assert_int_equal(natives, 0);
	close(listener);
	close(file);
	(void)munmap(listener_of_child, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_number),     cmocka_unit_test(argument_tests), cmocka_unit_test(kept_range),
	    cmocka_unit_test(own_instruction),  cmocka_unit_test(own_word),       cmocka_unit_test(other_architectures),
	    cmocka_unit_test(under_the_kernel),
	};

	return cmocka_run_group_tests(tests, make_filter, free_filter);
}
