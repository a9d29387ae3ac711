/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: waitid tells ends, stops and continuations as asked, and leaves the zombie with WNOWAIT.
 * Proves: waitid
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void show(const char *what, idtype_t type, id_t id, int options)
{
	siginfo_t si = {0};
	int r = waitid(type, id, &si, options);

	if (r < 0)
		say_result(what, r);
	else
		say("%s: signal %d code %d status %d", what, si.si_signo, si.si_code, si.si_status);
}

static void round_(void)
{
	pid_t pid = promise_fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	show("nothing yet", P_PID, (id_t)pid, WEXITED | WNOHANG);
	must(kill(pid, SIGSTOP) == 0);
	show("stopped", P_PID, (id_t)pid, WSTOPPED);
	must(kill(pid, SIGCONT) == 0);
	show("continued", P_ALL, 0, WCONTINUED);
	must(kill(pid, SIGKILL) == 0);
	show("looked at", P_PID, (id_t)pid, WEXITED | WNOWAIT);
	show("looked at again", P_PGID, (id_t)getpgrp(), WEXITED | WNOWAIT);
	show("taken", P_ALL, 0, WEXITED);
	show("gone", P_PID, (id_t)pid, WEXITED);
	show("nothing asked for", P_ALL, 0, 0);
}

int main(void)
{
	return promise_run(round_);
}
