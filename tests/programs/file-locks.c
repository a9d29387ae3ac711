/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A lock on a range of a file belongs to the process: a child sees it, does not have it, waits for it.
 * Proves: fcntl
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static int range(int fd, int cmd, short type, off_t at, off_t n)
{
	struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = at, .l_len = n};
	int r = fcntl(fd, cmd, &l);

	if (cmd == F_GETLK && r == 0)
		say("  type %d from %ld for %ld by the parent %d", l.l_type, (long)l.l_start, (long)l.l_len,
		    l.l_pid == getppid());
	return r;
}

static void child(int fd, int ready)
{
	say_result("asked", range(fd, F_GETLK, F_WRLCK, 0, 100));
	say_result("in between", range(fd, F_SETLK, F_WRLCK, 30, 5));
	say_result("reading it", range(fd, F_SETLK, F_RDLCK, 12, 2));
	must(write(ready, "r", 1) == 1);
	say_result("waited", range(fd, F_SETLKW, F_WRLCK, 10, 10));
}

static void round_(void)
{
	int fd = open("f", O_CREAT | O_RDWR, 0600), p[2], status;
	char c, text[300];
	ssize_t n;
	pid_t pid;

	must(fd >= 0 && pipe(p) == 0);
	must(range(fd, F_SETLK, F_WRLCK, 10, 10) == 0 && range(fd, F_SETLK, F_RDLCK, 50, 10) == 0);
	pid = promise_fork();
	if (pid == 0) {
		child(fd, p[1]);
		promise_tell(p[1]);
		_exit(0);
	}
	must(read(p[0], &c, 1) == 1);
	burn_ms(5);
	must(range(fd, F_SETLK, F_UNLCK, 10, 10) == 0 && waitpid(pid, &status, 0) == pid && status == 0);
	n = read(p[0], text, sizeof(text));
	say("%.*s", (int)n, text);
	must(close(fd) == 0 && close(p[0]) == 0 && close(p[1]) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
