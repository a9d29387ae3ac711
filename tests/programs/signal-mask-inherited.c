/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A child inherits the mask and the handlers, not what is pending; exec keeps the mask and what is pending.
 * Proves: rt_sigprocmask rt_sigpending execve clone
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void handler(int sig)
{
	(void)sig;
}

static int look(void)
{
	sigset_t mask, pending;
	struct sigaction sa;

	must(sigprocmask(SIG_BLOCK, NULL, &mask) == 0 && sigpending(&pending) == 0 &&
	     sigaction(SIGUSR1, NULL, &sa) == 0);
	return sigismember(&mask, SIGUSR1) + 2 * sigismember(&pending, SIGUSR1) + 4 * (sa.sa_handler != SIG_DFL);
}

static void round_(void)
{
	sigset_t set;
	int status;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && signal(SIGUSR1, handler) != SIG_ERR && raise(SIGUSR1) == 0);
	say("we %d", look());
	for (int i = 0; i < 2; i++) {
		if (promise_fork() == 0) {
			if (!i)
				_exit(look());
			must(raise(SIGUSR1) == 0);
			(void)execl("/proc/self/exe", "me", "after", (char *)NULL);
			_exit(99);
		}
		must(wait(&status) > 0);
		say("%s %d", i ? "after exec" : "the child", WEXITSTATUS(status));
	}
	must(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

int main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1)
		_exit(look());
	return promise_run(round_);
}
