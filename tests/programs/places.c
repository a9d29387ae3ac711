/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: what a process maps keeps its place and its content wherever it goes afterwards, also where its clocks
 * were. A place that the kernel may choose on one node must be free on all others.
 * Proves: write fcntl rt_sigaction mmap munmap getpid clock_gettime
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define BOUNDARIES_BY_HAND /* its driver counts them */
#include "promise.h"

#define PAGE 4096
#define PAGES 64

static unsigned char *vvar;
static size_t vvar_size;

/* Where the kernel keeps the data of the vdso. */
static void find_vvar(void)
{
	char line[512];
	FILE *f = fopen("/proc/self/maps", "re");

	must(f);
	while (fgets(line, sizeof(line), f)) {
		uintptr_t start, end;

		if (strstr(line, "[vvar]") && sscanf(line, "%" SCNxPTR "-%" SCNxPTR, &start, &end) == 2) {
			vvar = (unsigned char *)start;
			vvar_size = end - start;
		}
	}
	(void)fclose(f);
	must(vvar && vvar_size);
}

static void fill(unsigned char *p, size_t n, unsigned char with)
{
	for (size_t i = 0; i < n; i += 64)
		p[i] = (unsigned char)(with + i / 64);
}

static void check(const unsigned char *p, size_t n, unsigned char with)
{
	for (size_t i = 0; i < n; i += 64)
		must(p[i] == (unsigned char)(with + i / 64));
}

/* Single pages, which the kernel puts into the smallest holes. */
static void chosen(void)
{
	unsigned char *p[PAGES];

	boundary();
	for (unsigned i = 0; i < PAGES; i++) {
		int prot = PROT_READ | PROT_WRITE | (i & 1 ? PROT_EXEC : 0); /* each a mapping of its own */

		p[i] = mmap(NULL, PAGE, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(p[i] != MAP_FAILED);
		fill(p[i], PAGE, (unsigned char)i);
	}
	boundary();
	for (unsigned i = 0; i < PAGES; i++) {
		check(p[i], PAGE, (unsigned char)i);
		must(munmap(p[i], PAGE) == 0);
	}
	say("its pages are where they were");
}

static sigjmp_buf back;
static void *volatile fault_at;

static void on_fault(int sig, siginfo_t *info, void *context)
{
	(void)sig;
	(void)context;
	fault_at = info->si_addr;
	siglongjmp(back, 1);
}

/* The vdso has to store where nothing can be stored: its caller's fault, or an error if it was a call. */
static void nowhere_to_store(void)
{
	struct sigaction act = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO}, old;
	struct timespec *bad = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), good;

	must(bad != MAP_FAILED && sigaction(SIGSEGV, &act, &old) == 0);
	boundary();
	if (sigsetjmp(back, 1) == 0)
		must(clock_gettime(CLOCK_REALTIME, bad) == -1 && errno == EFAULT);
	else
		must(fault_at == bad);
	must(clock_gettime(CLOCK_REALTIME, &good) == 0 && good.tv_sec > 1000000);
	must(sigaction(SIGSEGV, &old, NULL) == 0 && munmap(bad, PAGE) == 0);
}

/* As boundary(), but it waits inside of code that it has written to p. */
static void boundary_in(unsigned char *p)
{
	static const unsigned char msgrcv_call[] = {0xb8, 70, 0, 0, 0, 0x49, 0x89, 0xca, 0x0f, 0x05, 0xc3};
	long (*wait_there)(int, long *, size_t, long, int), type;
	unsigned char *code = p + 32; /* between what fill() writes */
	pid_t pid = getpid();

	memcpy(code, msgrcv_call, sizeof(msgrcv_call));
	memcpy(&wait_there, &code, sizeof(code));
	if (fcntl(FD_AT, F_GETFD) < 0)
		return;
	must(write(FD_AT, &pid, sizeof(pid)) == sizeof(pid));
	must(wait_there(atoi(getenv("GODWIT_GO")), &type, 0, pid, 0) == 0);
}

/* After this it has no vdso that works, at home as elsewhere; it reads no clock any more. */
static void over_the_clocks(void)
{
	unsigned char *p;

	boundary();
	p = mmap(vvar, vvar_size, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	must(p == vvar);
	fill(p, vvar_size, 7);
	for (int i = 0; i < 3; i++) {
		boundary_in(p);
		check(p, vvar_size, (unsigned char)(7 + i));
		fill(p, vvar_size, (unsigned char)(8 + i));
	}
	must(munmap(p, vvar_size) == 0);
	say("the place of its clocks is its own");
}

static void round_(void)
{
	static bool over;

	chosen();
	if (!over)
		nowhere_to_store();
	over = true;
	say("a clock that cannot be stored harms nothing else");
	over_the_clocks();
}

int main(void)
{
	find_vvar();
	return promise_run(round_);
}
