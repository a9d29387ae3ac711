/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: WNOHANG never waits: 0 while the child lives, its pid when it has ended, ECHILD afterwards.
 * Proves: wait4
 */
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int p[2], status;
	long looks = 0;
	pid_t pid, r;

	must(pipe(p) == 0);
	pid = promise_fork();
	if (pid == 0) {
		char c;

		must(close(p[1]) == 0 && read(p[0], &c, 1) == 0);
		_exit(8);
	}
	for (int i = 0; i < 5; i++)
		must(waitpid(pid, &status, WNOHANG) == 0);
	must(close(p[0]) == 0 && close(p[1]) == 0);
	do {
		r = waitpid(-1, &status, WNOHANG);
		looks++;
	} while (r == 0);
	must(r == pid && looks > 0);
	say("ended with %d", WEXITSTATUS(status));
	say_result("afterwards", waitpid(pid, &status, WNOHANG));
}

int main(void)
{
	return promise_run(round_);
}
