/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A descriptor that was opened with O_PATH names a file and cannot be read; what works on names works on
 * it.
 * Proves: openat newfstatat fchdir readlinkat
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char c, text[8] = "";
	struct stat st;
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600), path, dir, link_;

	must(fd >= 0 && write(fd, "text", 4) == 4 && close(fd) == 0 && symlink("f", "l") == 0);
	path = open("f", O_PATH);
	must(path >= 0 && fstat(path, &st) == 0);
	say("size %ld", (long)st.st_size);
	say_result("read", read(path, &c, 1));
	say_result("fchmod", fchmod(path, 0));
	say_result("ioctl", ioctl(path, FIONREAD, text));
	dir = open(".", O_PATH | O_DIRECTORY);
	must(dir >= 0 && fchdir(dir) == 0);
	fd = openat(dir, "f", O_RDONLY);
	must(fd >= 0 && read(fd, text, sizeof(text)) == 4 && close(fd) == 0);
	link_ = open("l", O_PATH | O_NOFOLLOW);
	must(link_ >= 0 && fstat(link_, &st) == 0 && readlinkat(link_, "", text + 5, 2) == 1);
	say("%s, a link %d to %s", text, S_ISLNK(st.st_mode), text + 5);
	say("flags %d", (fcntl(path, F_GETFL) & O_PATH) != 0);
	must(close(path) == 0 && close(dir) == 0 && close(link_) == 0 && unlink("f") == 0 && unlink("l") == 0);
}

int main(void)
{
	return promise_run(round_);
}
