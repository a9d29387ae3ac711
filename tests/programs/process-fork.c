/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A child has a copy of the memory, the same descriptors, and its own pid; what it changes stays its own.
 * Proves: clone getppid exit_group wait4
 */
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static int global = 1;

static void round_(void)
{
	int local = 2, status, *heap = malloc(sizeof(*heap));
	pid_t me = getpid(), pid;

	must(heap);
	*heap = 3;
	global = 1;
	pid = promise_fork();
	if (pid == 0) {
		must(getppid() == me && getpid() != me && global == 1 && local == 2 && *heap == 3);
		global = local = *heap = 9;
		_exit(global + local + *heap);
	}
	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	say("the child %d, we %d %d %d", WEXITSTATUS(status), global, local, *heap);
	free(heap);
}

int main(void)
{
	return promise_run(round_);
}
