/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The flags of an open file are told, changed and shared with its copies; the access mode cannot be
 * changed.
 * Proves: fcntl dup
 */
#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include "promise.h"

static void show(const char *what, int fd)
{
	int fl = fcntl(fd, F_GETFL);

	say("%s: mode %d append %d nonblock %d", what, fl & O_ACCMODE, (fl & O_APPEND) != 0, (fl & O_NONBLOCK) != 0);
}

static void round_(void)
{
	int fd = open("f", O_CREAT | O_RDWR, 0600), twin = dup(fd), other = open("f", O_WRONLY | O_APPEND);

	must(fd >= 0 && twin >= 0 && other >= 0);
	show("opened", fd);
	must(fcntl(fd, F_SETFL, O_APPEND | O_NONBLOCK | O_WRONLY) == 0);
	show("changed", fd);
	show("its copy", twin);
	show("another opening", other);
	must(fcntl(twin, F_SETFL, 0) == 0);
	show("changed by its copy", fd);
	must(fcntl(fd, F_SETOWN, getpid()) == 0 && fcntl(fd, F_GETOWN) == getpid());
	must(fcntl(fd, F_SETSIG, SIGUSR2) == 0 && fcntl(fd, F_GETSIG) == SIGUSR2);
	say_result("no such command", fcntl(fd, 999, 0));
	must(close(fd) == 0 && close(twin) == 0 && close(other) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
