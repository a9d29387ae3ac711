/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Queued real-time signals come all, in the order of their numbers and then of their sending, with their
 * values.
 * Proves: rt_sigqueueinfo rt_sigprocmask
 */
#include <signal.h>
#include <unistd.h>

#include "promise.h"

static int values[40];
static volatile int at;

static void handler(int sig, siginfo_t *si, void *context)
{
	(void)context;
	values[at++] = (sig - SIGRTMIN) * 100 + si->si_value.sival_int;
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO};
	sigset_t set;

	at = 0;
	(void)sigfillset(&sa.sa_mask);
	(void)sigemptyset(&set);
	for (int i = 0; i < 3; i++) {
		must(sigaction(SIGRTMIN + i, &sa, NULL) == 0);
		(void)sigaddset(&set, SIGRTMIN + i);
	}
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	for (int i = 0; i < 12; i++)
		must(sigqueue(getpid(), SIGRTMIN + 2 - i % 3, (union sigval){.sival_int = i}) == 0);
	must(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
	for (int i = 0; i < at; i += 4)
		say("%d %d %d %d", values[i], values[i + 1], values[i + 2], values[i + 3]);
}

int main(void)
{
	return promise_run(round_);
}
