/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: fork and vfork as system calls of their own make a child as clone does.
 * Proves: fork vfork wait4 getpgrp
 */
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int status;
	long pid = syscall(SYS_fork);

	if (pid == 0)
		_exit(syscall(SYS_getpgrp) == getpgid(0) ? 4 : 5);
	must(pid > 0 && wait4((pid_t)pid, &status, 0, NULL) == pid);
	say("fork %d", WEXITSTATUS(status));
	pid = vfork();
	if (pid == 0)
		_exit(6);
	must(pid > 0 && wait4((pid_t)pid, &status, 0, NULL) == pid);
	say("vfork %d", WEXITSTATUS(status));
	say("group %d", syscall(SYS_getpgrp) == getpgid(0));
}

int main(void)
{
	return promise_run(round_);
}
