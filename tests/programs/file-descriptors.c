/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Descriptors are the lowest free numbers, are copied to chosen numbers, and are closed one by one and in
 * ranges.
 * Proves: dup dup2 dup3 close close_range fcntl
 */
#include <fcntl.h>
#include <unistd.h>

#include "promise.h"

static int flags(int fd)
{
	return fcntl(fd, F_GETFD);
}

static void round_(void)
{
	int a = open("/dev/null", O_RDWR), b, c;

	must(a >= 0);
	b = dup(a);
	say("the next %d", b - a);
	must(close(a) == 0);
	c = open("/dev/null", O_RDONLY | O_CLOEXEC);
	say("the lowest %d, close on exec %d", c == a, flags(c));
	must(dup2(c, 50) == 50 && dup3(c, 51, O_CLOEXEC) == 51 && fcntl(c, F_DUPFD, 60) == 60);
	must(fcntl(c, F_DUPFD_CLOEXEC, 60) == 61);
	say("%d %d %d %d", flags(50), flags(51), flags(60), flags(61));
	must(fcntl(50, F_SETFD, FD_CLOEXEC) == 0 && flags(50) == 1);
	say_result("onto itself", dup2(c, c) == c ? 0 : -1);
	say_result("onto itself by dup3", dup3(c, c, 0));
	say_result("from nothing", dup2(77, 50));
	say_result("too high", dup2(c, 1 << 30));
	must(close_range(55, 61, 0) == 0);
	say("%d %d %d", flags(50), flags(60), flags(61));
	must(close_range(50, 51, CLOSE_RANGE_CLOEXEC) == 0 && flags(50) == 1);
	must(close_range(50, 51, 0) == 0 && close(b) == 0 && close(c) == 0);
	say_result("twice", close(c));
}

int main(void)
{
	return promise_run(round_);
}
