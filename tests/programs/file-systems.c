/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What is told of a file system is the same by name and by descriptor.
 * Proves: statfs fstatfs ustat
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct statfs a, b;
	struct stat st;
	char u[64];
	int fd = open(".", O_RDONLY);

	must(fd >= 0 && statfs(".", &a) == 0 && fstatfs(fd, &b) == 0);
	say("the same %d", a.f_type == b.f_type && a.f_blocks == b.f_blocks && a.f_bsize == b.f_bsize);
	must(statfs("/proc", &a) == 0);
	say("proc %lx", (unsigned long)a.f_type);
	say_result("no such", statfs("none", &a));
	say_result("no descriptor", fstatfs(-1, &a));
	must(stat(".", &st) == 0);
	must(syscall(SYS_ustat, st.st_dev, u) == 0 || errno == EINVAL);
	say_result("no device", syscall(SYS_ustat, 0x7fff, u));
	must(close(fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
