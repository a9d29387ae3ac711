/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a system call costs, where this process is just now.
 *
 * bench-calls FILE [filtered|tested]: reads lines "NAME MS [BYTES]", repeats that call for at least so many ms, and
 * answers "NAME NS", the ns of one, or "NAME failed: REASON". BYTES is for read and write, which use FILE. filtered:
 * under a seccomp filter that allows everything, the least that any filter costs on this kernel; tested: under one that
 * looks at an argument of each call first, the least for a call that is not always allowed. Promise: each call's result
 * is looked at; between two commands the process sleeps, so that something else can be measured in turn. Must not: use
 * the clock within a measurement, for on a host it is answered by the agent.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <linux/filter.h>
#include <linux/futex.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define BYTES_MAX (1U << 20)
#define FILE_BYTES (16U << 20)
#define COUNT_MAX (1UL << 40)

struct calls {
	int fd;
	size_t bytes;
	char data[BYTES_MAX];
};

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

/* Each of them makes n calls and says whether all results were right. */
static bool do_getpid(struct calls *c, uint64_t n)
{
	bool ok = true;

	while (n--)
		ok &= syscall(SYS_getpid) > 0;
	return ok;
}

static bool do_getppid(struct calls *c, uint64_t n)
{
	bool ok = true;

	while (n--)
		ok &= syscall(SYS_getppid) >= 0;
	return ok;
}

static bool do_yield(struct calls *c, uint64_t n)
{
	bool ok = true;

	while (n--)
		ok &= sched_yield() == 0;
	return ok;
}

static bool do_mmap(struct calls *c, uint64_t n)
{
	bool ok = true;

	while (n--) {
		void *p = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		ok &= p != MAP_FAILED && munmap(p, 65536) == 0;
	}
	return ok;
}

static bool do_futex(struct calls *c, uint64_t n)
{
	static uint32_t word;
	bool ok = true;

	while (n--)
		ok &= syscall(SYS_futex, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1, NULL, NULL, 0) == 0;
	return ok;
}

/* Until a point that has passed. */
static bool wait_until(int realtime, uint64_t n)
{
	static uint32_t word;
	const struct timespec past = {.tv_sec = 1};
	bool ok = true;

	while (n--)
		ok &= syscall(SYS_futex, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG | realtime, 0, &past, NULL,
			      FUTEX_BITSET_MATCH_ANY) < 0 &&
		      errno == ETIMEDOUT;
	return ok;
}

static bool do_until(struct calls *c, uint64_t n)
{
	return wait_until(FUTEX_CLOCK_REALTIME, n);
}

static bool do_until_monotonic(struct calls *c, uint64_t n)
{
	return wait_until(0, n);
}

static bool do_mprotect(struct calls *c, uint64_t n)
{
	static _Alignas(4096) char own[4096];
	bool ok = true;

	while (n--)
		ok &= mprotect(own, 4096, PROT_READ | PROT_WRITE) == 0;
	return ok;
}

/* Two calls: up by a page, and down again. */
static bool do_brk(struct calls *c, uint64_t n)
{
	long at = syscall(SYS_brk, 0);
	bool ok = true;

	while (n--)
		ok &= syscall(SYS_brk, at + 4096) == at + 4096 && syscall(SYS_brk, at) == at;
	return ok;
}

static bool do_clock(struct calls *c, uint64_t n)
{
	struct timespec t;
	bool ok = true;

	while (n--)
		ok &= clock_gettime(CLOCK_MONOTONIC, &t) == 0;
	return ok;
}

static bool do_read(struct calls *c, uint64_t n)
{
	bool ok = true;

	for (uint64_t at = 0; n--; at = (at + c->bytes) % FILE_BYTES)
		ok &= pread(c->fd, c->data, c->bytes, (off_t)at) == (ssize_t)c->bytes;
	return ok;
}

static bool do_write(struct calls *c, uint64_t n)
{
	bool ok = true;

	for (uint64_t at = 0; n--; at = (at + c->bytes) % FILE_BYTES)
		ok &= pwrite(c->fd, c->data, c->bytes, (off_t)at) == (ssize_t)c->bytes;
	return ok;
}

static bool ended_well(pid_t pid)
{
	int status;

	return pid > 0 && waitpid(pid, &status, 0) == pid && status == 0;
}

/* A child that does nothing; and one that executes a program, made by vfork(). */
static bool do_fork(struct calls *c, uint64_t n)
{
	bool ok = true;

	while (n--) {
		pid_t pid = fork();

		if (pid == 0)
			_exit(0);
		ok &= ended_well(pid);
	}
	return ok;
}

static bool do_spawn(struct calls *c, uint64_t n)
{
	char name[] = "true", *argv[] = {name, NULL};
	bool ok = true;

	while (n--) {
		pid_t pid = -1;

		ok &= posix_spawn(&pid, "/bin/true", NULL, NULL, argv, NULL) == 0 && ended_well(pid);
	}
	return ok;
}

static volatile uint64_t handled;

static void count_signal(int sig)
{
	handled++;
}

static bool do_signal(struct calls *c, uint64_t n)
{
	struct sigaction sa = {.sa_handler = count_signal};
	uint64_t before = handled, made = n;
	bool ok = sigaction(SIGUSR1, &sa, NULL) == 0;

	while (n--)
		ok &= kill(getpid(), SIGUSR1) == 0;
	return ok && handled == before + made;
}

static char *page;

/* As a garbage collector's write barrier does. */
static void open_page(int sig)
{
	handled += mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0;
}

static bool do_fault(struct calls *c, uint64_t n)
{
	struct sigaction sa = {.sa_handler = open_page};
	uint64_t before = handled, made = n;
	bool ok = sigaction(SIGSEGV, &sa, NULL) == 0;

	page = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ok &= page != MAP_FAILED;
	while (ok && n--) {
		*(volatile char *)page = 1;
		ok &= mprotect(page, 4096, PROT_NONE) == 0;
	}
	return ok && munmap(page, 4096) == 0 && handled == before + made;
}

static bool read_file(const char *path, uint64_t n)
{
	char text[8192];
	bool ok = true;

	while (n--) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		ok &= fd >= 0 && read(fd, text, sizeof(text)) > 0 && close(fd) == 0;
	}
	return ok;
}

static bool do_view(struct calls *c, uint64_t n)
{
	return read_file("/proc/self/stat", n);
}

static bool do_maps(struct calls *c, uint64_t n)
{
	return read_file("/proc/self/maps", n);
}

static bool do_plain(struct calls *c, uint64_t n)
{
	return read_file("/proc/uptime", n);
}

static const struct {
	const char *name;
	bool (*run)(struct calls *c, uint64_t n);
} measures[] = {
    {"fork", do_fork},         {"spawn", do_spawn},       {"getpid", do_getpid},
    {"getppid", do_getppid},   {"sched_yield", do_yield}, {"mmap", do_mmap},
    {"futex", do_futex},       {"brk", do_brk},           {"clock", do_clock},
    {"read", do_read},         {"write", do_write},       {"signal", do_signal},
    {"fault", do_fault},       {"stat", do_view},         {"maps", do_maps},
    {"plain", do_plain},       {"until", do_until},       {"until-monotonic", do_until_monotonic},
    {"mprotect", do_mprotect},
};

/* Doubles the count until it lasts long enough, so that reading the clock does not count. */
static void measure(struct calls *c, const char *name, uint64_t ms)
{
	size_t i = 0;

	while (i < sizeof(measures) / sizeof(*measures) && strcmp(measures[i].name, name) != 0)
		i++;
	if (i == sizeof(measures) / sizeof(*measures)) {
		(void)printf("%s failed: no such measure\n", name);
		return;
	}
	for (uint64_t n = 1; n < COUNT_MAX; n *= 2) {
		uint64_t begin = now_ns(), ns;

		if (!measures[i].run(c, n)) {
			(void)printf("%s failed: %s\n", name, strerror(errno));
			return;
		}
		ns = now_ns() - begin;
		if (ns >= ms * 1000000) {
			(void)printf("%s %.2f\n", name, (double)ns / (double)n);
			return;
		}
	}
}

static int fence(bool tested)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x7fedcba9, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	    BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog filter = {tested ? 4 : 1, tested ? code : code + 3};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return -1;
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
}

/* Under the filter that the command line names, if it does. */
static bool fenced(const char *how)
{
	bool tested = how && strcmp(how, "tested") == 0;

	return !how || ((tested || strcmp(how, "filtered") == 0) && fence(tested) == 0);
}

int main(int argc, char **argv)
{
	static struct calls c;
	char line[100], name[32];
	unsigned long ms;

	c.fd = argc >= 2 && argc <= 3 ? open(argv[1], O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	if (c.fd < 0 || ftruncate(c.fd, FILE_BYTES) < 0) {
		(void)fprintf(stderr, "usage: bench-calls FILE [filtered|tested]\n");
		return 2;
	}
	if (!fenced(argv[2])) {
		(void)fprintf(stderr, "bench-calls: no filter: %s\n", strerror(errno));
		return 1;
	}
	memset(c.data, 7, BYTES_MAX);
	(void)printf("ready\n");
	(void)fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		c.bytes = 4096;
		if (sscanf(line, "%31s %lu %zu", name, &ms, &c.bytes) < 2 || ms > 60000 || !c.bytes ||
		    c.bytes > BYTES_MAX)
			(void)printf("? %s", line);
		else
			measure(&c, name, ms);
		(void)fflush(stdout);
	}
	return 0;
}
