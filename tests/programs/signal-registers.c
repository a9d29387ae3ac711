/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A handler sees the registers of the interrupted program, may change them, and they hold after its return.
 * Proves: rt_sigaction rt_sigreturn
 */
#include <signal.h>
#include <ucontext.h>

#include "promise.h"

static volatile int heard;

static void on_trap(int sig, siginfo_t *si, void *context)
{
	ucontext_t *u = context;

	(void)sig;
	(void)si;
	heard++;
	u->uc_mcontext.gregs[REG_R12] += 1000;
	u->uc_mcontext.gregs[REG_R13] = u->uc_mcontext.gregs[REG_RBX] * 2;
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	uint64_t b = 21, r12 = 7, r13 = 0;

	heard = 0;
	must(sigaction(SIGTRAP, &sa, NULL) == 0);
	__asm__ volatile("movq %3, %%rbx\n\t"
			 "movq %0, %%r12\n\t"
			 "xorl %%r13d, %%r13d\n\t"
			 "int3\n\t"
			 "movq %%r12, %0\n\t"
			 "movq %%r13, %1\n\t"
			 "movq %%rbx, %2"
			 : "+m"(r12), "=m"(r13), "=m"(b)
			 : "m"(b)
			 : "rbx", "r12", "r13", "memory");
	say("heard %d: %llu %llu %llu", heard, (unsigned long long)r12, (unsigned long long)r13, (unsigned long long)b);
	must(signal(SIGTRAP, SIG_DFL) != SIG_ERR);
}

int main(void)
{
	return promise_run(round_);
}
