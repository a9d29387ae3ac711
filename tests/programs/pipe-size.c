/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A pipe's room is told, made larger and smaller, and never below what is in it.
 * Proves: fcntl ioctl
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char block[40000];
	int p[2], n = -1;

	must(pipe(p) == 0);
	say("room %d", fcntl(p[0], F_GETPIPE_SZ));
	say("larger %d", fcntl(p[1], F_SETPIPE_SZ, 200000));
	must(write(p[1], block, sizeof(block)) == sizeof(block) && ioctl(p[0], FIONREAD, &n) == 0);
	say("holds %d", n);
	say_result("too small", fcntl(p[1], F_SETPIPE_SZ, 4096));
	must(read(p[0], block, sizeof(block)) == sizeof(block));
	say("smaller %d", fcntl(p[1], F_SETPIPE_SZ, 1));
	say_result("negative", fcntl(p[1], F_SETPIPE_SZ, -1));
	must(close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
