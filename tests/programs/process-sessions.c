/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: setsid makes a session and a group of one, once; a leader cannot.
 * Proves: setsid getsid setpgid
 */
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[300] = "";
	int p[2], status;
	ssize_t n;
	pid_t pid, session = getsid(0);

	must(pipe(p) == 0);
	pid = promise_fork();
	if (pid == 0) {
		must(getsid(0) == session);
		say("new one %d", setsid() == getpid());
		say("session %d, group %d", getsid(0) == getpid(), getpgrp() == getpid());
		say_result("again", setsid());
		say_result("the leader leaves its group", setpgid(0, getppid()));
		promise_tell(p[1]);
		_exit(0);
	}
	must(waitpid(pid, &status, WNOHANG) >= 0 && close(p[1]) == 0);
	n = read(p[0], text, sizeof(text));
	say("%.*sparent %d", (int)n, text, getsid(0) == session);
	say_result("no process", getsid(0x3fffff));
	while (waitpid(-1, &status, 0) > 0)
		must(status == 0);
	must(close(p[0]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
