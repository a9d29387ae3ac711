/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: splice moves bytes between a file and a pipe, at a place or the position, and waits or refuses as told.
 * Proves: splice
 */
#include <fcntl.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[32] = "";
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600), p[2];
	off_t at = 6;

	must(fd >= 0 && pipe(p) == 0 && write(fd, "Hello splice, world", 19) == 19);
	say_result("an empty pipe", splice(p[0], NULL, fd, NULL, 10, SPLICE_F_NONBLOCK));
	say_result("into the pipe", splice(fd, &at, p[1], NULL, 6, 0));
	say("at %ld", (long)at);
	must(read(p[0], text, sizeof(text)) == 6);
	say("%s", text);
	must(write(p[1], "0123456789", 10) == 10);
	at = 15;
	say_result("out of the pipe", splice(p[0], NULL, fd, &at, 4, SPLICE_F_MOVE));
	must(lseek(fd, 0, SEEK_SET) == 0);
	say_result("the rest", splice(p[0], NULL, fd, NULL, 100, 0));
	must(pread(fd, text, sizeof(text), 0) == 19);
	say("%s", text);
	say_result("two files", splice(fd, NULL, fd, NULL, 1, 0));
	must(close(p[1]) == 0);
	say_result("its end", splice(p[0], NULL, fd, NULL, 1, 0));
	must(close(p[0]) == 0 && close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
