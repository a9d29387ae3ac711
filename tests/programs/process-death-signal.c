/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A child that asked for it is told by a signal when its parent ends.
 * Proves: prctl rt_sigtimedwait
 */
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void grandchild(int ready, int result)
{
	sigset_t set;
	siginfo_t si;
	int sig = -1;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR2);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && prctl(PR_SET_PDEATHSIG, SIGUSR2) == 0);
	must(prctl(PR_GET_PDEATHSIG, &sig) == 0 && sig == SIGUSR2 && write(ready, "r", 1) == 1);
	must(sigwaitinfo(&set, &si) == SIGUSR2 && write(result, "t", 1) == 1);
	_exit(0);
}

static void round_(void)
{
	int ready[2], result[2], status;
	char c;
	pid_t pid;

	must(pipe(ready) == 0 && pipe(result) == 0 && prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
	pid = promise_fork();
	if (pid == 0) {
		if (promise_fork() == 0)
			grandchild(ready[1], result[1]);
		must(read(ready[0], &c, 1) == 1);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0 && read(result[0], &c, 1) == 1);
	must(wait(&status) > 0 && status == 0 && prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
	say("told by its signal: %c", c);
	must(close(ready[0]) == 0 && close(ready[1]) == 0 && close(result[0]) == 0 && close(result[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
