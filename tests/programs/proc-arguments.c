/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: /proc/self/cmdline and environ are what the process was started with, or has written there.
 * Proves: openat
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[4096];
	int fd = open("/proc/self/cmdline", O_RDONLY);
	ssize_t n;

	must(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	must(n > 0 && close(fd) == 0);
	text[n] = '\0';
	say("%s", strrchr(text, '/') ? strrchr(text, '/') + 1 : text);
	must(strcmp(program_invocation_name, text) == 0);
	fd = open("/proc/self/environ", O_RDONLY);
	must(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	must(n > 0 && close(fd) == 0);
	text[n] = '\0';
	say("has a path %d", memmem(text, (size_t)n, "PATH=", 5) != NULL);
}

int main(void)
{
	return promise_run(round_);
}
