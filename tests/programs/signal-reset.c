/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: With SA_RESETHAND the handler runs once and the default is back.
 * Proves: rt_sigaction
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t runs;

static void on_usr1(int sig)
{
	(void)sig;
	runs++;
}

static void round_(void)
{
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = (int)SA_RESETHAND}, now;
	int status;
	pid_t pid;

	runs = 0;
	must(sigaction(SIGUSR1, &sa, NULL) == 0 && raise(SIGUSR1) == 0 && sigaction(SIGUSR1, NULL, &now) == 0);
	say("runs %d, default %d", runs, now.sa_handler == SIG_DFL);
	pid = promise_fork();
	if (pid == 0) {
		must(sigaction(SIGUSR1, &sa, NULL) == 0);
		must(raise(SIGUSR1) == 0 && raise(SIGUSR1) == 0);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	say("the second ends it %d", WIFSIGNALED(status) && WTERMSIG(status) == SIGUSR1);
}

int main(void)
{
	return promise_run(round_);
}
