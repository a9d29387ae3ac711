/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Children that have ended stay until they are waited for, and are told in whatever order is asked.
 * Proves: wait4 kill
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	pid_t pids[6];
	siginfo_t si;
	int status;

	for (int i = 0; i < 6; i++) {
		pids[i] = promise_fork();
		if (pids[i] == 0)
			_exit(10 + i);
	}
	for (int i = 0; i < 6; i++)
		must(waitid(P_PID, (id_t)pids[i], &si, WEXITED | WNOWAIT) == 0 && si.si_status == 10 + i);
	for (int i = 0; i < 6; i++)
		must(kill(pids[i], 0) == 0 && kill(pids[i], SIGKILL) == 0); /* a zombie takes it and is not changed */
	for (int i = 5; i >= 0; i--) {
		must(waitpid(pids[i], &status, 0) == pids[i]);
		say("%d", WEXITSTATUS(status));
	}
	say_result("gone", kill(pids[0], 0));
}

int main(void)
{
	return promise_run(round_);
}
