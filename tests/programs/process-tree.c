/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A tree of processes, each of which waits for its own children, adds up to the same sum.
 * Proves: clone wait4 exit_group
 */
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static int grow(int depth)
{
	int status, sum = 1;

	if (!depth)
		return 1;
	for (int i = 0; i < 2; i++) {
		pid_t pid = promise_fork();

		must(pid >= 0);
		if (pid == 0)
			_exit(grow(depth - 1));
	}
	while (wait(&status) > 0) {
		must(WIFEXITED(status));
		sum += WEXITSTATUS(status);
	}
	return sum;
}

static void round_(void)
{
	say("%d processes", grow(4));
}

int main(void)
{
	return promise_run(round_);
}
