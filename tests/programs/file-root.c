/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: After chroot names begin at the new root, for what is opened, told and executed.
 * Proves: chroot openat chdir getcwd
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void child(void)
{
	char text[64];
	int fd, up;

	up = open(".", O_RDONLY | O_DIRECTORY);
	must(chroot("new") == 0 && chdir("/") == 0);
	fd = open("/inside", O_RDONLY);
	must(fd >= 0 && close(fd) == 0);
	say_result("above", open("/../../new/inside", O_RDONLY) < 0 ? -1 : 0);
	must(getcwd(text, sizeof(text)));
	say("in %s", text);
	say_result("/proc", access("/proc/self", F_OK));
	say_result("/bin/sh", execl("/bin/sh", "sh", (char *)NULL));
	must(fchdir(up) == 0 && access("new/inside", F_OK) == 0);
	say("outside %d", syscall(SYS_getcwd, text, sizeof(text)) > 0 && strncmp(text, "(unreachable)", 13) == 0);
}

static void round_(void)
{
	char text[300];
	int fd, p[2], status;
	ssize_t n;

	must(mkdir("new", 0700) == 0 && pipe(p) == 0);
	fd = open("new/inside", O_CREAT | O_WRONLY, 0600);
	must(fd >= 0 && close(fd) == 0);
	if (promise_fork() == 0) {
		child();
		promise_tell(p[1]);
		_exit(0);
	}
	must(wait(&status) > 0 && status == 0);
	n = read(p[0], text, sizeof(text));
	say("%.*s", (int)n, text);
	must(close(p[0]) == 0 && close(p[1]) == 0 && unlink("new/inside") == 0 && rmdir("new") == 0);
}

int main(void)
{
	return promise_run(round_);
}
