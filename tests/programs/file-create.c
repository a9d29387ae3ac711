/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: O_CREAT, O_EXCL, O_TRUNC and the mode do what open(2) says, and creat is the short form of them.
 * Proves: openat creat newfstatat
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void show(int fd, const char *what)
{
	struct stat st;

	say_result(what, fd < 0 ? fd : 0);
	if (fd < 0)
		return;
	must(fstat(fd, &st) == 0);
	say("  mode %o size %ld", st.st_mode, (long)st.st_size);
	must(close(fd) == 0);
}

static void round_(void)
{
	int fd;

	show(open("new", O_RDONLY), "without O_CREAT");
	show(open("new", O_WRONLY | O_CREAT | O_EXCL, 0640), "O_EXCL for the first time");
	show(open("new", O_WRONLY | O_CREAT | O_EXCL, 0600), "O_EXCL for the second time");
	fd = open("new", O_WRONLY);
	must(fd >= 0 && write(fd, "content", 7) == 7 && close(fd) == 0);
	show(open("new", O_WRONLY | O_CREAT, 0777), "kept");
	show(open("new", O_RDWR | O_TRUNC), "emptied");
	show(openat(AT_FDCWD, "other", O_RDWR | O_CREAT, 0604), "another mode");
	show(creat("third", 0444), "creat");
	show(open("third/below", O_RDWR | O_CREAT, 0600), "below a file");
	show(open(".", O_WRONLY), "a directory for writing");
	must(unlink("new") == 0 && unlink("other") == 0 && unlink("third") == 0);
}

int main(void)
{
	return promise_run(round_);
}
