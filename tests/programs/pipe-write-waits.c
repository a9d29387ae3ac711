/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Who writes to a full pipe waits until there is room, and all of it arrives in order.
 * Proves: write read
 */
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

#define TOTAL 200000

static void round_(void)
{
	static unsigned char all[TOTAL];
	int p[2], status;
	size_t got = 0;
	pid_t pid;

	for (size_t i = 0; i < TOTAL; i++)
		all[i] = (unsigned char)(i * 31 / 7);
	must(pipe(p) == 0);
	pid = promise_fork();
	if (pid == 0) {
		/* More than any pipe holds; a move may cut it short, as a stop would. */
		while (got < TOTAL) {
			ssize_t n = write(p[1], all + got, TOTAL - got);

			must(n > 0);
			got += (size_t)n;
		}
		_exit(0);
	}
	must(close(p[1]) == 0);
	memset(all, 0, TOTAL);
	while (got < TOTAL) {
		ssize_t n = read(p[0], all + got, 30000);

		must(n > 0);
		got += (size_t)n;
	}
	must(waitpid(pid, &status, 0) == pid && status == 0 && close(p[0]) == 0);
	say("%zu bytes, %016llx", got, (unsigned long long)hash(0, all, TOTAL));
}

int main(void)
{
	return promise_run(round_);
}
