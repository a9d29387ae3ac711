/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A reader sees the end when the last descriptor for writing is closed, in whichever process it was.
 * Proves: close dup read
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int p[2], twin, status;
	char c;
	pid_t pid;

	must(pipe(p) == 0 && fcntl(p[0], F_SETFL, O_NONBLOCK) == 0);
	twin = dup(p[1]);
	must(close(p[1]) == 0);
	say_result("a copy is open", read(p[0], &c, 1));
	must(fcntl(p[0], F_SETFL, 0) == 0);
	pid = promise_fork();
	if (pid == 0) {
		burn_ms(10);
		_exit(0); /* which closes the last one */
	}
	must(close(twin) == 0);
	say_result("the end", read(p[0], &c, 1));
	must(waitpid(pid, &status, 0) == pid && status == 0 && close(p[0]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
