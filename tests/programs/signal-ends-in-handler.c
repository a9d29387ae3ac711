/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A process may end, or execute a program, in a handler: with its signals as they are then.
 * Proves: exit_group execve rt_sigprocmask
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void ends(int sig)
{
	_exit(sig);
}

static void executes(int sig)
{
	(void)sig;
	(void)execl("/proc/self/exe", "me", "after", (char *)NULL);
	_exit(99);
}

static void round_(void)
{
	int status;

	for (int i = 0; i < 2; i++) {
		if (promise_fork() == 0) {
			must(signal(SIGUSR1, i ? executes : ends) != SIG_ERR && raise(SIGUSR1) == 0);
			_exit(98);
		}
		must(wait(&status) > 0);
		say("%#x", status);
	}
}

int main(int argc, char **argv)
{
	sigset_t set;

	(void)argv;
	if (argc == 1)
		return promise_run(round_);
	/* exec keeps the mask of the handler. */
	must(sigprocmask(SIG_BLOCK, NULL, &set) == 0);
	_exit(20 + sigismember(&set, SIGUSR1));
}
