/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A file lives as long as a name or a descriptor of it: links are counted, and an unlinked file is still
 * read.
 * Proves: link linkat unlink newfstatat
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static int links(int fd)
{
	struct stat st;

	must(fstat(fd, &st) == 0);
	return (int)st.st_nlink;
}

static void round_(void)
{
	char text[10] = "";
	int fd = open("one", O_RDWR | O_CREAT | O_EXCL, 0600);

	must(fd >= 0 && write(fd, "still here", 10) == 10);
	must(link("one", "two") == 0 && linkat(AT_FDCWD, "two", AT_FDCWD, "three", 0) == 0);
	say("%d names", links(fd));
	say_result("a name that is taken", link("one", "two"));
	say_result("a directory", link(".", "dot"));
	must(unlink("one") == 0 && unlink("two") == 0);
	say("%d names", links(fd));
	must(unlink("three") == 0);
	say("%d names", links(fd));
	say_result("gone", unlink("three"));
	must(pread(fd, text, sizeof(text), 0) == 10);
	say("%.10s", text);
	must(close(fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
