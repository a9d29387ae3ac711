/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The newest calls for the attributes of a file answer as home's kernel does, be it that it does not have
 * them.
 * Proves: listxattrat removexattrat file_getattr file_setattr fchmodat2 cachestat
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "promise.h"

#define NR_cachestat 451
#define NR_fchmodat2 452
#define NR_listxattrat 465
#define NR_removexattrat 466
#define NR_file_getattr 468
#define NR_file_setattr 469

static void round_(void)
{
	uint64_t attr[3] = {0}, range[2] = {0}, cached[5];
	char list[100];
	int fd = open("f", O_CREAT | O_RDWR, 0600);
	long n;

	must(fd >= 0 && fsetxattr(fd, "user.one", "1", 1, 0) == 0 && fsetxattr(fd, "user.two", "2", 1, 0) == 0);
	n = syscall(NR_listxattrat, AT_FDCWD, "f", 0, list, sizeof(list));
	say("%s", n < 0 ? strerrorname_np(errno) : n >= 18 ? "listed" : "too few");
	say_result("removed", syscall(NR_removexattrat, AT_FDCWD, "f", 0, "user.one"));
	say_result("removed again", syscall(NR_removexattrat, AT_FDCWD, "f", 0, "user.one"));
	say_result("told", syscall(NR_file_getattr, AT_FDCWD, "f", attr, sizeof(attr), 0));
	say_result("set", syscall(NR_file_setattr, AT_FDCWD, "f", attr, sizeof(attr), 0));
	say_result("too short", syscall(NR_file_getattr, AT_FDCWD, "f", attr, 4L, 0));
	say_result("mode", syscall(NR_fchmodat2, AT_FDCWD, "f", 0640, AT_SYMLINK_NOFOLLOW));
	say_result("in memory", syscall(NR_cachestat, fd, range, cached, 0));
	must(close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
