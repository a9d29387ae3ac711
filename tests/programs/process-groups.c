/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Process groups are made, joined and told; what the rules forbid is refused.
 * Proves: setpgid getpgid getpgrp
 */
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int p[2], status;
	char c;
	pid_t pid;

	must(pipe(p) == 0);
	pid = promise_fork();
	if (pid == 0) {
		must(close(p[1]) == 0 && read(p[0], &c, 1) == 0);
		must(getpgrp() == getpid());
		_exit(0);
	}
	say("as the parent %d", getpgid(pid) == getpgrp());
	must(setpgid(pid, pid) == 0 && getpgid(pid) == pid);
	say_result("a group of another session", setpgid(pid, 1));
	say_result("no group", setpgid(pid, 0x3fffff));
	say_result("negative", setpgid(pid, -1));
	say_result("no child of mine", setpgid(1, 0));
	say_result("no process", getpgid(0x3fffff));
	must(close(p[0]) == 0 && close(p[1]) == 0 && waitpid(pid, &status, 0) == pid);
	say("ended with %d", status);
}

int main(void)
{
	return promise_run(round_);
}
