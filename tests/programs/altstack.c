/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: handlers run on the alternate stack that was set before a move, also when the stack itself is at its end.
 * Proves: rt_sigaction sigaltstack rt_sigreturn tgkill mmap munmap clock_gettime
 */
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

#define SIZE 65536

static char *room;
static sigjmp_buf out;
static volatile sig_atomic_t on_alt, overflows;

static bool inside(const void *p)
{
	return (const char *)p >= room && (const char *)p < room + SIZE;
}

static void on_usr1(int sig)
{
	stack_t now;

	(void)sig;
	if (sigaltstack(NULL, &now) == 0 && now.ss_flags == SS_ONSTACK && inside(&now))
		on_alt++;
}

static void on_segv(int sig)
{
	char here;

	(void)sig;
	overflows += inside(&here);
	siglongjmp(out, 1);
}

static int endless(int n)
{
	volatile char frame[8000];

	frame[0] = (char)n;
	return endless(n + 1) + frame[0];
}

static void round_(void)
{
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = SA_ONSTACK};
	stack_t ss = {.ss_size = SIZE}, seen;

	room = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(room != MAP_FAILED);
	ss.ss_sp = room;
	on_alt = overflows = 0;
	must(sigaltstack(&ss, NULL) == 0 && sigaction(SIGUSR1, &sa, NULL) == 0);
	sa.sa_handler = on_segv;
	must(sigaction(SIGSEGV, &sa, NULL) == 0);
	for (int i = 0; i < 10; i++) {
		burn_ms(1);
		must(sigaltstack(NULL, &seen) == 0 && seen.ss_sp == room && seen.ss_size == SIZE && seen.ss_flags == 0);
		must(raise(SIGUSR1) == 0);
	}
	if (sigsetjmp(out, 1) == 0)
		must(endless(0) == 0);
	ss.ss_flags = SS_DISABLE;
	must(sigaltstack(&ss, NULL) == 0 && munmap(room, SIZE) == 0);
	say("on the alternate stack %d, overflows %d", on_alt, overflows);
}

int main(void)
{
	return promise_run(round_);
}
