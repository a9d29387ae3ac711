/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A pipe that shall not block says EAGAIN when it is empty or full, and takes what fits.
 * Proves: pipe2 fcntl read write
 */
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char block[PIPE_BUF], big[200000];
	int p[2];
	long n = 0;

	must(pipe2(p, O_NONBLOCK) == 0);
	say_result("empty", read(p[0], block, 1));
	while (write(p[1], block, sizeof(block)) == sizeof(block))
		n++;
	say_result("full", -1);
	say("after %ld pages", n);
	must(read(p[0], block, sizeof(block)) == sizeof(block));
	say_result("a big one", write(p[1], big, sizeof(big)));
	/* Not more than PIPE_BUF is written whole or not at all. */
	must(read(p[0], block, 100) == 100);
	say_result("a whole one", write(p[1], block, sizeof(block)));
	must(fcntl(p[0], F_SETFL, 0) == 0 && close(p[1]) == 0);
	n = 0;
	while (read(p[0], big, sizeof(big)) > 0)
		n++;
	say("emptied %d", n > 0);
	must(close(p[0]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
