/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A file keeps its content and its inode under a new name; RENAME_NOREPLACE and RENAME_EXCHANGE hold.
 * Proves: rename renameat renameat2 newfstatat
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void content(const char *name)
{
	char text[8] = "";
	int fd = open(name, O_RDONLY);

	if (fd >= 0)
		must(read(fd, text, 7) >= 0 && close(fd) == 0);
	say("%s: %s", name, fd < 0 ? "none" : text);
}

static void make(const char *name)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0 && write(fd, name, strlen(name)) == (ssize_t)strlen(name) && close(fd) == 0);
}

static void round_(void)
{
	struct stat before, after;

	make("a");
	make("b");
	must(stat("a", &before) == 0 && rename("a", "c") == 0 && stat("c", &after) == 0);
	say("the same file %d", before.st_ino == after.st_ino);
	content("a");
	content("c");
	say_result("not over another", renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_NOREPLACE));
	must(renameat2(AT_FDCWD, "b", AT_FDCWD, "c", RENAME_EXCHANGE) == 0);
	content("b");
	content("c");
	must(renameat(AT_FDCWD, "b", AT_FDCWD, "c") == 0);
	content("b");
	content("c");
	say_result("from nothing", rename("none", "c"));
	must(mkdir("d", 0700) == 0);
	say_result("a file over a directory", rename("c", "d"));
	say_result("a directory over a file", rename("d", "c"));
	say_result("below itself", rename("d", "d/e"));
	must(rename("c", "d/c") == 0 && rename("d/c", "c") == 0 && unlink("c") == 0 && rmdir("d") == 0);
}

int main(void)
{
	return promise_run(round_);
}
