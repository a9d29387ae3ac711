/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: An ignored signal is gone, also when it was pending, and stays ignored over exec while handlers do not.
 * Proves: rt_sigaction rt_sigpending execve
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void handler(int sig)
{
	(void)sig;
}

static void round_(void)
{
	sigset_t set, now;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGUSR1) == 0);
	must(signal(SIGUSR1, SIG_IGN) != SIG_ERR && sigpending(&now) == 0);
	say("pending %d", sigismember(&now, SIGUSR1));
	must(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0 && raise(SIGUSR1) == 0);
	must(signal(SIGUSR2, handler) != SIG_ERR && raise(SIGWINCH) == 0 && raise(SIGCHLD) == 0);
	say("ignored");
}

int main(int argc, char **argv)
{
	struct sigaction sa;

	if (argc > 1) {
		int code = 0;

		must(sigaction(SIGUSR1, NULL, &sa) == 0);
		code += sa.sa_handler == SIG_IGN;
		must(sigaction(SIGUSR2, NULL, &sa) == 0);
		code += 2 * (sa.sa_handler == SIG_DFL);
		_exit(code);
	}
	must(promise_run(round_) == 0);
	if (promise_fork() == 0) {
		(void)execl("/proc/self/exe", argv[0], "after", (char *)NULL);
		_exit(99);
	}
	must(wait(&argc) > 0);
	(void)printf("after exec %d\n", WEXITSTATUS(argc));
	return 0;
}
