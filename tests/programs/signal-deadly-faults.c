/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A fault whose signal is blocked, ignored or has nowhere to run its handler ends the process by that
 * signal.
 * Proves: rt_sigprocmask rt_sigaction wait4
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void handler(int sig)
{
	(void)sig;
}

static int endless(int n)
{
	volatile char frame[4000];

	frame[0] = (char)n;
	return endless(n + 1) + frame[0];
}

static void child(int way)
{
	struct rlimit none = {0, 0}, small = {1 << 20, 1 << 20};
	volatile uintptr_t nowhere = 16;
	sigset_t set;

	must(setrlimit(RLIMIT_CORE, &none) == 0 && setrlimit(RLIMIT_STACK, &small) == 0);
	(void)sigfillset(&set);
	if (way == 0)
		must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	if (way == 1)
		must(signal(SIGSEGV, SIG_IGN) != SIG_ERR);
	if (way == 2) {
		must(signal(SIGSEGV, handler) != SIG_ERR);
		_exit(endless(0)); /* and no stack for the handler */
	}
	*(volatile int *)nowhere = 1;
}

static void round_(void)
{
	int status;

	for (int i = 0; i < 4; i++) {
		if (promise_fork() == 0)
			child(i);
		must(wait(&status) > 0);
		say("%d: %#x", i, status & 0xff7f);
	}
}

int main(void)
{
	return promise_run(round_);
}
