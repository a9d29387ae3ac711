/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A process that its child stops stands in whatever call it is, is continued, and the call goes on.
 * Proves: kill read wait4
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void child(int out)
{
	pid_t parent = getppid();

	for (int i = 0; i < 3; i++) {
		must(kill(parent, SIGSTOP) == 0);
		/* Stopped, or stopped by who traces it. */
		while (state_of(parent) != 'T' && state_of(parent) != 't')
			burn_ms(1);
		must(kill(parent, SIGCONT) == 0 && write(out, "c", 1) == 1);
		burn_ms(3);
	}
	_exit(0);
}

static void round_(void)
{
	int p[2], status, n = 0;
	char c;

	must(pipe(p) == 0);
	if (promise_fork() == 0)
		child(p[1]);
	must(close(p[1]) == 0);
	while (read(p[0], &c, 1) == 1)
		n++;
	must(wait(&status) > 0 && status == 0 && close(p[0]) == 0);
	say("continued %d times", n);
}

int main(void)
{
	return promise_run(round_);
}
