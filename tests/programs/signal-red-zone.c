/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The 128 bytes below the stack pointer are the program's, also while handlers run; the flags are kept, and
 * clear in them.
 * Proves: rt_sigreturn setitimer
 */
#include <signal.h>
#include <sys/time.h>

#include "promise.h"

static volatile sig_atomic_t ticks;
static volatile uint64_t inside;

static void on_alarm(int sig)
{
	uint64_t flags;

	(void)sig;
	__asm__ volatile("pushfq\n\tpopq %0" : "=r"(flags));
	inside |= flags & 0x400;
	ticks++;
}

static void round_(void)
{
	struct itimerval it = {.it_value = {.tv_usec = 4000}, .it_interval = {.tv_usec = 4000}}, off = {0};
	uint64_t bad = 0;

	ticks = 0;
	must(signal(SIGALRM, on_alarm) != SIG_ERR && setitimer(ITIMER_REAL, &it, NULL) == 0);
	/* Fills the zone, waits for five ticks with the direction flag set, and looks at it. */
	__asm__ volatile(
	    "movl $16, %%ecx\n"
	    "1:\tmovq %%rcx, %%rdx\n\tnegq %%rdx\n\tmovq %%rcx, (%%rsp,%%rdx,8)\n\tdecl %%ecx\n\tjnz 1b\n\t"
	    "std\n"
	    "2:\tcmpl $5, %1\n\tjl 2b\n\t"
	    "cld\n\t"
	    "movl $16, %%ecx\n"
	    "3:\tmovq %%rcx, %%rdx\n\tnegq %%rdx\n\tcmpq %%rcx, (%%rsp,%%rdx,8)\n\tje 4f\n\tincq %0\n"
	    "4:\tdecl %%ecx\n\tjnz 3b"
	    : "+r"(bad)
	    : "m"(ticks)
	    : "rcx", "rdx", "memory", "cc");
	must(setitimer(ITIMER_REAL, &off, NULL) == 0);
	say("spoilt %llu, direction in the handler %llx", (unsigned long long)bad, (unsigned long long)inside);
}

int main(void)
{
	return promise_run(round_);
}
