/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Permissions are changed by name, by descriptor and beside a directory, and the special bits stay.
 * Proves: chmod fchmod fchmodat fchmodat2
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

#define NR_fchmodat2 452

static void show(const char *how, long r)
{
	struct stat st;

	must(stat("f", &st) == 0);
	say_result(how, r);
	say("  %04o", st.st_mode & 07777);
}

static void round_(void)
{
	int fd = open("f", O_CREAT | O_EXCL | O_WRONLY, 0600), dir = open(".", O_PATH);

	must(fd >= 0 && dir >= 0);
	show("chmod", chmod("f", 04755));
	show("fchmod", fchmod(fd, 0400));
	show("fchmodat", fchmodat(dir, "f", 01777, 0));
	show("fchmodat2", syscall(NR_fchmodat2, dir, "f", 02750, 0));
	show("unknown flags", syscall(NR_fchmodat2, dir, "f", 0, 0x40000));
	say_result("by O_PATH", fchmod(dir, 0700));
	say_result("no such", chmod("none", 0));
	must(close(fd) == 0 && close(dir) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
