/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What was registered to run at the end runs in a process that ends away, last first, and the buffers are
 * written.
 * Proves: exit_group write
 */
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void last(void)
{
	(void)printf("last ");
}

static void first(void)
{
	(void)printf("first ");
	burn_ms(1);
}

static void round_(void)
{
	char text[64] = "";
	int p[2], status;
	ssize_t n, at = 0;
	pid_t pid;

	must(pipe(p) == 0 && fflush(stdout) == 0);
	pid = promise_fork();
	if (pid == 0) {
		must(dup2(p[1], 1) == 1 && atexit(last) == 0 && atexit(first) == 0);
		(void)printf("buffered ");
		exit(3);
	}
	must(close(p[1]) == 0);
	while ((n = read(p[0], text + at, sizeof(text) - (size_t)at)) > 0)
		at += n;
	must(waitpid(pid, &status, 0) == pid && close(p[0]) == 0);
	say("%s%d", text, WEXITSTATUS(status));
}

int main(void)
{
	return promise_run(round_);
}
