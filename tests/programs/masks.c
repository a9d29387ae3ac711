/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: blocked signals stay pending across moves, ordinary ones once, and come when they are let in.
 * Proves: rt_sigaction tgkill rt_sigtimedwait rt_sigprocmask rt_sigreturn kill rt_sigpending getpid clock_gettime
 */
#include <errno.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t runs[65], nested;

static void on_signal(int sig)
{
	sigset_t now;

	runs[sig]++;
	(void)sigprocmask(SIG_BLOCK, NULL, &now);
	nested += !sigismember(&now, SIGUSR2) || !sigismember(&now, sig);
}

static void round_(void)
{
	struct sigaction sa = {.sa_handler = on_signal};
	struct timespec soon = {.tv_nsec = 20000000};
	sigset_t set, old, pending;
	siginfo_t si;

	runs[SIGUSR1] = runs[SIGUSR2] = runs[SIGHUP] = nested = 0;
	(void)sigemptyset(&sa.sa_mask);
	(void)sigaddset(&sa.sa_mask, SIGUSR2);
	must(sigaction(SIGUSR1, &sa, NULL) == 0 && sigaction(SIGUSR2, &sa, NULL) == 0 &&
	     sigaction(SIGHUP, &sa, NULL) == 0);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGUSR2);
	(void)sigaddset(&set, SIGHUP);
	must(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	for (int i = 0; i < 3; i++)
		must(kill(getpid(), SIGUSR1) == 0 && kill(getpid(), SIGUSR2) == 0);
	must(raise(SIGHUP) == 0);
	burn_ms(15);
	must(sigpending(&pending) == 0);
	say("pending %d %d %d", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2),
	    sigismember(&pending, SIGHUP));
	(void)sigemptyset(&pending);
	(void)sigaddset(&pending, SIGHUP);
	say("taken %d", sigtimedwait(&pending, &si, &soon) == SIGHUP);
	must(sigtimedwait(&pending, &si, &soon) == -1 && errno == EAGAIN);
	must(runs[SIGUSR1] + runs[SIGUSR2] + runs[SIGHUP] == 0);
	must(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	say("runs %d %d %d nested %d", runs[SIGUSR1], runs[SIGUSR2], runs[SIGHUP], nested);
}

int main(void)
{
	return promise_run(round_);
}
