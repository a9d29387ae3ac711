/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A child that is made in a handler returns from it as well, with its own copy of what was interrupted.
 * Proves: clone rt_sigreturn wait4
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static volatile pid_t child = -1;

static void on_usr1(int sig)
{
	(void)sig;
	child = promise_fork();
}

static void round_(void)
{
	struct sigaction sa = {.sa_handler = on_usr1};
	int status;

	must(sigaction(SIGUSR1, &sa, NULL) == 0);
	for (int i = 0; i < 3; i++) {
		volatile int local = i;

		must(raise(SIGUSR1) == 0);
		if (child == 0)
			_exit(local * 10 + 1);
		must(child > 0 && waitpid(child, &status, 0) == child);
		say("%d", WEXITSTATUS(status));
	}
}

int main(void)
{
	return promise_run(round_);
}
