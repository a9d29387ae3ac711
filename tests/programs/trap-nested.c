/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The handler of a fault may fault itself, by another signal or, with SA_NODEFER, by the same; with
 * SA_RESETHAND, or without SA_NODEFER, the second fault ends the process. Proves: rt_sigaction rt_sigreturn wait4
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

#include "promise.h"

#define DEPTH 5

static volatile int depth, order[3 * DEPTH], n;

static void fail_as(int sig)
{
	if (sig == SIGFPE)
		__asm__ volatile("xorl %%ecx, %%ecx\n\txorl %%edx, %%edx\n\tdivl %%ecx" : : : "eax", "ecx", "edx");
	else if (sig == SIGILL)
		__asm__ volatile("ud2");
	else
		__asm__ volatile("xorl %%eax, %%eax\n\tmovb (%%rax), %%cl" : : : "rax", "rcx");
}

static void on_fault(int sig, siginfo_t *si, void *context)
{
	ucontext_t *u = context;

	(void)si;
	order[n++] = sig;
	if (++depth < DEPTH)
		fail_as(depth % 2 ? SIGFPE : SIGSEGV);
	order[n++] = -sig;
	u->uc_mcontext.gregs[REG_RIP] += 2; /* the length of each of these instructions */
}

static void set(int sig, int flags)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | flags};

	must(sigaction(sig, &sa, NULL) == 0);
}

static void dies(const char *what, int flags)
{
	struct rlimit none = {0, 0};
	int status;

	if (promise_fork() == 0) {
		depth = flags & SA_RESETHAND ? DEPTH : 1; /* fails again after the handler, or in it */
		must(setrlimit(RLIMIT_CORE, &none) == 0);
		set(SIGSEGV, flags);
		set(SIGFPE, flags);
		fail_as(SIGSEGV);
		fail_as(SIGSEGV);
		_exit(0);
	}
	must(wait(&status) > 0);
	say("%s: %#x", what, status & 0xff7f);
}

static void round_(void)
{
	set(SIGSEGV, SA_NODEFER);
	set(SIGFPE, SA_NODEFER);
	set(SIGILL, 0);
	depth = n = 0;
	fail_as(SIGSEGV);
	fail_as(SIGILL);
	for (int i = 0; i < n; i++)
		say("%d", order[i]);
	dies("reset", SA_RESETHAND);
	dies("blocked", 0);
}

int main(void)
{
	return promise_run(round_);
}
