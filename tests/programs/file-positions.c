/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Reading and writing move the position, pread and pwrite do not, and dup and fork share it.
 * Proves: read write lseek pread64 pwrite64 dup
 */
#include <fcntl.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char c[8] = "";
	int fd = open("alphabet", O_RDWR | O_CREAT | O_TRUNC, 0600), twin, other, status;
	pid_t pid;

	must(fd >= 0 && write(fd, "abcdefghijklmnopqrstuvwxyz", 26) == 26);
	twin = dup(fd);
	other = open("alphabet", O_RDONLY);
	must(lseek(fd, 3, SEEK_SET) == 3);
	must(read(twin, c, 2) == 2);
	say("the twin reads %s", c);
	must(pread(fd, c, 2, 20) == 2);
	say("pread %s", c);
	must(pwrite(fd, "DE", 2, 3) == 2 && read(fd, c, 2) == 2);
	say("then %s", c);
	must(read(other, c, 2) == 2);
	say("another opening reads %s", c);
	pid = promise_fork();
	if (pid == 0) {
		must(read(fd, c, 4) == 4 && memcmp(c, "hijk", 4) == 0);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
	say("after the child at %ld", (long)lseek(fd, 0, SEEK_CUR));
	must(lseek(fd, -1, SEEK_END) == 25 && read(fd, c, 8) == 1 && read(fd, c, 8) == 0);
	must(close(fd) == 0 && close(twin) == 0 && close(other) == 0 && unlink("alphabet") == 0);
}

int main(void)
{
	return promise_run(round_);
}
