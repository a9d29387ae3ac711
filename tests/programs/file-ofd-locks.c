/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: An open file description's lock excludes the process's own other openings and ends with the last
 * descriptor.
 * Proves: fcntl
 */
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "promise.h"

static int range(int fd, int cmd, short type, off_t at, off_t n)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = n};
	int r = fcntl(fd, cmd, &l);

	if (cmd == F_OFD_GETLK && r == 0)
		say("  type %d from %ld for %ld, pid %d", l.l_type, (long)l.l_start, (long)l.l_len, l.l_pid);
	return r;
}

static void round_(void)
{
	int a = open("f", O_CREAT | O_RDWR, 0600), b = open("f", O_RDWR), twin;

	must(a >= 0 && b >= 0);
	say_result("first", range(a, F_OFD_SETLK, F_WRLCK, 0, 10));
	say_result("beside", range(b, F_OFD_SETLK, F_WRLCK, 10, 10));
	say_result("the same", range(b, F_OFD_SETLK, F_RDLCK, 5, 1));
	say_result("asked", range(b, F_OFD_GETLK, F_WRLCK, 0, 0));
	twin = dup(a);
	must(close(a) == 0);
	say_result("held by its twin", range(b, F_OFD_SETLK, F_WRLCK, 0, 1));
	must(close(twin) == 0);
	say_result("free", range(b, F_OFD_SETLKW, F_WRLCK, 0, 1));
	must(close(b) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
