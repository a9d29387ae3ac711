/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The parent of a vfork stands until its child has executed a program or ended, and sees what it has
 * written.
 * Proves: vfork
 */
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	volatile int written = 0;
	int status;
	pid_t pid = vfork();

	if (pid == 0) {
		written = 7;
		_exit(3);
	}
	must(waitpid(pid, &status, 0) == pid);
	say("written %d, ended with %d", written, WEXITSTATUS(status));
	pid = vfork();
	if (pid == 0) {
		(void)execl("/bin/sh", "sh", "-c", "exit 5", (char *)NULL);
		_exit(99);
	}
	must(waitpid(pid, &status, 0) == pid);
	say("executed: %d", WEXITSTATUS(status));
}

int main(void)
{
	return promise_run(round_);
}
