/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Symbolic links are read, followed and not followed as asked; a circle ends with ELOOP.
 * Proves: symlink symlinkat readlink readlinkat newfstatat
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[16];
	struct stat st;
	ssize_t n;
	int fd = open("target", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && write(fd, "12345", 5) == 5 && close(fd) == 0);
	must(symlink("target", "soft") == 0 && symlinkat("soft", AT_FDCWD, "softer") == 0);
	n = readlink("softer", text, sizeof(text));
	say("softer -> %.*s", (int)n, text);
	n = readlinkat(AT_FDCWD, "soft", text, 3);
	say("cut to %.*s", (int)n, text);
	must(lstat("softer", &st) == 0);
	say("itself: link %d size %ld", S_ISLNK(st.st_mode), (long)st.st_size);
	must(stat("softer", &st) == 0);
	say("what it leads to: file %d size %ld", S_ISREG(st.st_mode), (long)st.st_size);
	say_result("O_NOFOLLOW", open("soft", O_RDONLY | O_NOFOLLOW));
	must(unlink("target") == 0);
	say_result("into nothing", open("softer", O_RDONLY));
	must(symlink("circle", "circle") == 0);
	say_result("a circle", open("circle", O_RDONLY));
	say_result("no link", readlink(".", text, sizeof(text)));
	must(unlink("soft") == 0 && unlink("softer") == 0 && unlink("circle") == 0);
}

int main(void)
{
	return promise_run(round_);
}
