/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A child whose parent has ended is adopted by the nearest subreaper, which waits for it.
 * Proves: prctl wait4 getppid
 */
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int p[2], status, value = -1;
	pid_t pid, orphan, me = getpid();
	char c;

	must(prctl(PR_SET_CHILD_SUBREAPER, 1) == 0 && prctl(PR_GET_CHILD_SUBREAPER, &value) == 0 && pipe(p) == 0);
	say("subreaper %d", value);
	pid = promise_fork();
	if (pid == 0) {
		orphan = promise_fork();
		if (orphan == 0) {
			must(close(p[1]) == 0 && read(p[0], &c, 1) == 0);
			_exit(getppid() == me ? 5 : 6);
		}
		_exit(1);
	}
	must(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 1 && close(p[0]) == 0 && close(p[1]) == 0);
	orphan = wait(&status);
	must(orphan > 0 && orphan != pid);
	say("adopted, ended with %d", WEXITSTATUS(status));
	must(prctl(PR_SET_CHILD_SUBREAPER, 0) == 0);
}

int main(void)
{
	return promise_run(round_);
}
