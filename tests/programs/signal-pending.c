/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Blocked signals are pending, are told by sigpending, and come when they are let in, lowest number first.
 * Proves: rt_sigpending rt_sigprocmask kill
 */
#include <signal.h>
#include <unistd.h>

#include "promise.h"

static char order[16];
static volatile int at;

static void handler(int sig)
{
	order[at++] = sig == SIGUSR1 ? '1' : sig == SIGUSR2 ? '2' : sig == SIGHUP ? 'h' : 'w';
}

static void round_(void)
{
	struct sigaction sa = {.sa_handler = handler};
	sigset_t set, now;
	const int signals[] = {SIGUSR2, SIGUSR1, SIGWINCH, SIGHUP};

	at = 0;
	(void)sigfillset(&sa.sa_mask);
	(void)sigemptyset(&set);
	for (int i = 0; i < 4; i++) {
		must(sigaction(signals[i], &sa, NULL) == 0);
		(void)sigaddset(&set, signals[i]);
	}
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	for (int i = 0; i < 4; i++)
		must(kill(getpid(), signals[i]) == 0 && kill(getpid(), signals[i]) == 0);
	must(sigpending(&now) == 0);
	for (int i = 0; i < 4; i++)
		say("pending %d", sigismember(&now, signals[i]));
	must(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && sigpending(&now) == 0);
	say("%.4s, still pending %d", order, sigismember(&now, SIGUSR1));
}

int main(void)
{
	return promise_run(round_);
}
