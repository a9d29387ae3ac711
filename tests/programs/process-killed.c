/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A process that waits or computes anywhere ends at once by SIGKILL.
 * Proves: kill wait4 pause
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int p[2], status;
	char c;

	must(pipe(p) == 0);
	for (int i = 0; i < 4; i++) {
		pid_t pid = promise_fork();

		if (pid == 0) {
			uint64_t s = 3;

			must(write(p[1], "r", 1) == 1);
			if (i == 0)
				(void)pause();
			if (i == 1)
				must(read(p[0], &c, 1) == 1);
			for (;;)
				xorshift(&s);
		}
		must(i == 1 || read(p[0], &c, 1) == 1);
		burn_ms(3);
		must(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
		say("%#x", status);
		if (i == 1) /* it may have read its own byte, or not come that far */
			must(fcntl(p[0], F_SETFL, O_NONBLOCK) == 0 && read(p[0], &c, 1) <= 1 &&
			     fcntl(p[0], F_SETFL, 0) == 0);
	}
	must(close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
