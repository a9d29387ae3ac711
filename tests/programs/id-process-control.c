/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The switches of prctl that a process has are told as they were set, and are inherited as prctl(2) says.
 * Proves: prctl
 */
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int status;

	say("dumpable %d, keepcaps %d", prctl(PR_GET_DUMPABLE), prctl(PR_GET_KEEPCAPS));
	must(prctl(PR_SET_KEEPCAPS, 1) == 0);
	say("keepcaps %d", prctl(PR_GET_KEEPCAPS));
	must(prctl(PR_SET_KEEPCAPS, 0) == 0);
	must(prctl(PR_SET_TIMERSLACK, 70000) == 0);
	say("slack %d", prctl(PR_GET_TIMERSLACK));
	must(prctl(PR_SET_TIMERSLACK, 0) == 0);
	say("slack %d", prctl(PR_GET_TIMERSLACK));
	say("secure bits %d, seccomp %d, timing %d", prctl(PR_GET_SECUREBITS), prctl(PR_GET_SECCOMP),
	    prctl(PR_GET_TIMING));
	if (promise_fork() == 0) {
		must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
		if (promise_fork() == 0)
			_exit(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
		must(wait(&status) > 0);
		_exit(WEXITSTATUS(status));
	}
	must(wait(&status) > 0);
	say("inherited %d, here %d", WEXITSTATUS(status), prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	say_result("no such", prctl(9999));
}

int main(void)
{
	return promise_run(round_);
}
