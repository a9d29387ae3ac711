/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Division by zero, bad instructions, traps and pages beyond the end of a file are signals with their own
 * codes.
 * Proves: rt_sigaction mmap rt_sigreturn
 */
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

static sigjmp_buf back;
static volatile int code;
static char *volatile mapped;

static void on_fault(int sig, siginfo_t *si, void *context)
{
	(void)context;
	code = si->si_code;
	siglongjmp(back, sig);
}

static void expect(const char *what, void (*fault)(void))
{
	int sig = sigsetjmp(back, 1);

	if (sig == 0) {
		fault();
		must(!"a fault");
	}
	say("%s: signal %d code %d", what, sig, code);
}

static void divide(void)
{
	__asm__ volatile("xorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\tmovl $1, %%eax\n\tidivl %%ecx" ::
			     : "eax", "ecx", "edx");
}

static void illegal(void)
{
	__asm__ volatile("ud2");
}

static void trap(void)
{
	__asm__ volatile("int3");
}

static void privileged(void)
{
	__asm__ volatile("hlt");
}

static void nothing(void)
{
	volatile uintptr_t address = 24;

	*(volatile int *)address = 1;
}

static void beyond(void)
{
	int fd = open("short", O_CREAT | O_RDWR, 0600);
	volatile char *p = mmap(NULL, 8192, PROT_READ, MAP_PRIVATE, fd, 0);

	must(fd >= 0 && p != MAP_FAILED && close(fd) == 0 && unlink("short") == 0);
	mapped = (char *)p;
	(void)p[4096];
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	const int signals[] = {SIGFPE, SIGILL, SIGTRAP, SIGSEGV, SIGBUS};

	for (int i = 0; i < 5; i++)
		must(sigaction(signals[i], &sa, NULL) == 0);
	expect("division", divide);
	expect("bad instruction", illegal);
	expect("trap", trap);
	expect("privileged", privileged);
	expect("no address", nothing);
	expect("beyond the file", beyond);
	must(munmap(mapped, 8192) == 0);
}

int main(void)
{
	return promise_run(round_);
}
