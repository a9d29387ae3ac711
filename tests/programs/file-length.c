/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: truncate and ftruncate make a file shorter and longer; what is new is zero and what was cut off is gone.
 * Proves: truncate ftruncate
 */
#include <fcntl.h>
#include <unistd.h>

#include "promise.h"

static void length(int fd)
{
	char all[32];
	ssize_t n = pread(fd, all, sizeof(all), 0);

	say("%zd bytes, %016llx", n, (unsigned long long)hash(0, all, (size_t)n));
}

static void round_(void)
{
	int fd = open("text", O_RDWR | O_CREAT | O_TRUNC, 0600), reader;

	must(fd >= 0 && write(fd, "0123456789abcdef", 16) == 16);
	length(fd);
	must(ftruncate(fd, 10) == 0);
	length(fd);
	must(truncate("text", 20) == 0);
	length(fd);
	must(write(fd, "tail", 4) == 4);
	length(fd);
	reader = open("text", O_RDONLY);
	say_result("a descriptor for reading", ftruncate(reader, 0));
	say_result("negative", ftruncate(fd, -1));
	say_result("a directory", truncate(".", 0));
	say_result("no file", truncate("none", 0));
	must(close(fd) == 0 && close(reader) == 0 && unlink("text") == 0);
}

int main(void)
{
	return promise_run(round_);
}
