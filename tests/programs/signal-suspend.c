/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: sigsuspend waits with its own mask, returns when a handler has run, and puts the old mask back.
 * Proves: rt_sigsuspend setitimer
 */
#include <signal.h>
#include <sys/time.h>

#include "promise.h"

static volatile sig_atomic_t ticks;

static void on_alarm(int sig)
{
	(void)sig;
	ticks++;
}

static void round_(void)
{
	struct itimerval it = {.it_value = {.tv_usec = 8000}, .it_interval = {.tv_usec = 8000}}, off = {0};
	struct sigaction sa = {.sa_handler = on_alarm};
	sigset_t block, open_, now;

	ticks = 0;
	(void)sigemptyset(&open_);
	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGALRM);
	must(sigaction(SIGALRM, &sa, NULL) == 0 && sigprocmask(SIG_BLOCK, &block, NULL) == 0);
	must(setitimer(ITIMER_REAL, &it, NULL) == 0);
	for (int i = 1; i <= 4; i++) {
		must(ticks == i - 1);
		say_result("suspended", sigsuspend(&open_));
		must(ticks == i && sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGALRM) == 1);
	}
	must(setitimer(ITIMER_REAL, &off, NULL) == 0 && sigprocmask(SIG_UNBLOCK, &block, NULL) == 0);
}

int main(void)
{
	return promise_run(round_);
}
