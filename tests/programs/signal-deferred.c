/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A signal that comes while its own handler runs waits for the end of that, and then runs it once more.
 * Proves: rt_sigaction kill rt_sigreturn
 */
#include <signal.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t runs, nested, inside;

static void on_usr1(int sig)
{
	nested += inside;
	inside = 1;
	if (runs++ < 1)
		for (int i = 0; i < 4; i++)
			must(kill(getpid(), sig) == 0); /* four are one */
	inside = 0;
}

static void round_(void)
{
	struct sigaction sa = {.sa_handler = on_usr1};

	runs = nested = inside = 0;
	must(sigaction(SIGUSR1, &sa, NULL) == 0 && raise(SIGUSR1) == 0);
	say("runs %d, nested %d", runs, nested);
}

int main(void)
{
	return promise_run(round_);
}
