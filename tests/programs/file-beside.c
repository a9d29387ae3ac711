/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The calls that take a directory's descriptor begin there, whatever the working directory is.
 * Proves: openat mkdirat mknodat unlinkat linkat symlinkat renameat newfstatat
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct stat st;
	int a, b, fd;

	must(mkdir("a", 0700) == 0 && mkdir("b", 0700) == 0);
	a = open("a", O_RDONLY | O_DIRECTORY);
	b = open("b", O_PATH);
	must(a >= 0 && b >= 0 && chdir("/") == 0);
	fd = openat(a, "f", O_CREAT | O_EXCL | O_WRONLY, 0600);
	must(fd >= 0 && write(fd, "123", 3) == 3 && close(fd) == 0);
	must(mkdirat(b, "sub", 0700) == 0 && mknodat(b, "fifo", S_IFIFO | 0600, 0) == 0);
	must(linkat(a, "f", b, "hard", 0) == 0 && symlinkat("hard", b, "soft") == 0);
	must(fstatat(b, "soft", &st, 0) == 0);
	say("size %ld links %d", (long)st.st_size, (int)st.st_nlink);
	must(renameat(b, "hard", a, "moved") == 0);
	say_result("the link leads nowhere", fstatat(b, "soft", &st, 0));
	say_result("not a directory's", fstatat(1, "f", &st, 0));
	must(unlinkat(a, "f", 0) == 0 && unlinkat(a, "moved", 0) == 0 && unlinkat(b, "soft", 0) == 0);
	must(unlinkat(b, "fifo", 0) == 0);
	say_result("a directory without the flag", unlinkat(b, "sub", 0));
	must(unlinkat(b, "sub", AT_REMOVEDIR) == 0);
	must(fchdir(a) == 0 && chdir("..") == 0 && rmdir("a") == 0 && rmdir("b") == 0 && close(a) == 0 &&
	     close(b) == 0);
}

int main(void)
{
	return promise_run(round_);
}
