/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Names and descriptors that cannot be used are refused with home's errors.
 * Proves: openat read write newfstatat mkdir rmdir unlink
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char longest[5000];
	struct stat st;
	int fd = open("f", O_CREAT | O_RDONLY, 0600);
	char c;

	must(fd >= 0);
	memset(longest, 'n', sizeof(longest) - 1);
	say_result("none", open("none", O_RDONLY));
	say_result("none/below", open("none/below", O_RDONLY));
	say_result("a file as a directory", stat("f/x", &st));
	say_result("a long path", stat(longest, &st));
	longest[300] = '\0';
	say_result("a long name", stat(longest, &st));
	say_result("an empty name", stat("", &st));
	say_result("a bad address", stat((const char *)8, &st));
	say_result("a bad buffer", stat("f", (struct stat *)16));
	say_result("writing what is for reading", write(fd, "x", 1));
	say_result("reading a directory", read(open(".", O_RDONLY), &c, 1));
	say_result("no descriptor", read(-1, &c, 1));
	say_result("exists", mkdir("f", 0700));
	say_result("no directory", rmdir("f"));
	say_result("a directory", unlink("."));
	say_result("itself", rmdir("."));
	say_result("O_DIRECTORY", open("f", O_RDONLY | O_DIRECTORY));
	must(close(fd) == 0 && close(fd + 1) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
