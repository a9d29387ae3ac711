/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A handler may change the mask and the vector registers of what it has interrupted in its frame, and they
 * hold.
 * Proves: rt_sigreturn rt_sigaction rt_sigprocmask
 */
#include <signal.h>
#include <ucontext.h>

#include "promise.h"

static volatile int extended;

static void on_trap(int sig, siginfo_t *si, void *context)
{
	ucontext_t *u = context;
	const uint32_t *reserved = (const uint32_t *)((const char *)u->uc_mcontext.fpregs + 464);

	(void)sig;
	(void)si;
	(void)sigaddset(&u->uc_sigmask, SIGUSR2);
	u->uc_mcontext.fpregs->_xmm[3].element[0] = 0x12345678;
	u->uc_mcontext.fpregs->mxcsr = 0x5f80;
	extended = reserved[0] == 0x46505853; /* FP_XSTATE_MAGIC1 */
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
	uint32_t mxcsr = 0, xmm = 0, usual = 0x1f80;
	sigset_t set;

	must(sigaction(SIGTRAP, &sa, NULL) == 0);
	__asm__ volatile("pxor %%xmm3, %%xmm3\n\tint3\n\tmovd %%xmm3, %0\n\tstmxcsr %1\n\tldmxcsr %2"
			 : "=&r"(xmm), "=m"(mxcsr)
			 : "m"(usual)
			 : "xmm3", "memory");
	must(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
	say("register %x, mode %x, blocked %d, extended state %d", xmm, mxcsr, sigismember(&set, SIGUSR2), extended);
	(void)sigemptyset(&set);
	must(sigprocmask(SIG_SETMASK, &set, NULL) == 0);
}

int main(void)
{
	return promise_run(round_);
}
