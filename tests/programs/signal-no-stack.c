/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A signal whose handler finds no stack becomes a SIGSEGV, whose own stack its handler has.
 * Proves: rt_sigreturn
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>

#include "promise.h"

static char stack[65536];
static sigjmp_buf out;
static volatile sig_atomic_t overflows, ticks;

static void on_alarm(int sig)
{
	(void)sig;
	ticks++;
}

static void on_segv(int sig)
{
	char here;

	(void)sig;
	overflows += &here >= stack && &here < stack + sizeof(stack);
	siglongjmp(out, 1);
}

static void round_(void)
{
	struct sigaction alarm = {.sa_handler = on_alarm}, segv = {.sa_handler = on_segv, .sa_flags = SA_ONSTACK};
	struct itimerval soon = {.it_value = {.tv_usec = 20000}, .it_interval = {.tv_usec = 20000}}, off = {0};
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};

	overflows = ticks = 0;
	must(sigaltstack(&ss, NULL) == 0 && sigaction(SIGALRM, &alarm, NULL) == 0 &&
	     sigaction(SIGSEGV, &segv, NULL) == 0);
	if (sigsetjmp(out, 1) == 0) {
		must(setitimer(ITIMER_REAL, &soon, NULL) == 0);
		/* Waits with a stack pointer that leads nowhere. */
		__asm__ volatile("mov $0x10000, %%rsp\n1:\tpause\n\tjmp 1b" ::: "memory");
	}
	must(setitimer(ITIMER_REAL, &off, NULL) == 0);
	say("%d on its own stack", overflows);
}

int main(void)
{
	return promise_run(round_);
}
