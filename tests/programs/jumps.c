/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: setjmp, sigsetjmp with the mask, and contexts lead back to where they were taken on another node.
 * Proves: rt_sigaction rt_sigprocmask tgkill clock_gettime
 */
#include <setjmp.h>
#include <signal.h>
#include <ucontext.h>

#include "promise.h"

static jmp_buf plain;
static sigjmp_buf masked;
static ucontext_t main_context, other;
static char other_stack[65536];
static volatile int turns;

static void descend(int n)
{
	if (n == 0) {
		burn_ms(1);
		longjmp(plain, turns + 1);
	}
	descend(n - 1);
}

static void on_usr1(int sig)
{
	(void)sig;
	siglongjmp(masked, 1);
}

static void coroutine(void)
{
	for (;;) {
		turns++;
		burn_ms(1);
		must(swapcontext(&other, &main_context) == 0);
	}
}

static void round_(void)
{
	sigset_t set;
	volatile int jumps = 0;

	turns = 0;
	if (setjmp(plain) < 10) {
		turns++;
		descend(50);
	}
	say("longjmp %d", turns);
	(void)signal(SIGUSR1, on_usr1);
	for (volatile int i = 0; i < 10; i++) {
		if (sigsetjmp(masked, 1) == 0)
			must(raise(SIGUSR1) == 0);
		else
			jumps++;
		must(sigprocmask(SIG_BLOCK, NULL, &set) == 0 && !sigismember(&set, SIGUSR1));
	}
	say("siglongjmp %d", jumps);
	turns = 0;
	must(getcontext(&other) == 0);
	other.uc_stack.ss_sp = other_stack;
	other.uc_stack.ss_size = sizeof(other_stack);
	makecontext(&other, coroutine, 0);
	for (int i = 0; i < 20; i++)
		must(swapcontext(&main_context, &other) == 0);
	say("contexts %d", turns);
}

int main(void)
{
	return promise_run(round_);
}
