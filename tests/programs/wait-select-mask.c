/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: pselect lets a blocked signal in for the time of its wait only, and leaves its timeout as it was.
 * Proves: pselect6
 */
#include <signal.h>
#include <sys/select.h>
#include <time.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_usr2(int sig)
{
	heard += sig == SIGUSR2;
}

static void round_(void)
{
	struct timespec minute = {.tv_sec = 60}, moment = {.tv_nsec = 1000000};
	struct sigaction sa = {.sa_handler = on_usr2, .sa_flags = SA_RESTART};
	sigset_t block, open_;
	fd_set r;

	heard = 0;
	must(sigaction(SIGUSR2, &sa, NULL) == 0);
	(void)sigemptyset(&open_);
	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGUSR2);
	must(sigprocmask(SIG_BLOCK, &block, NULL) == 0 && raise(SIGUSR2) == 0);
	FD_ZERO(&r);
	say_result("blocked", pselect(0, &r, NULL, NULL, &moment, NULL));
	say("heard %d, timeout %ld", heard, moment.tv_nsec);
	say_result("let in", pselect(0, NULL, NULL, NULL, &minute, &open_));
	say("heard %d, timeout %ld", heard, (long)minute.tv_sec);
	must(raise(SIGUSR2) == 0);
	say("again blocked: heard %d", heard);
	must(sigprocmask(SIG_UNBLOCK, &block, NULL) == 0);
	say("heard %d", heard);
}

int main(void)
{
	return promise_run(round_);
}
