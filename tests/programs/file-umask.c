/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The mask takes permissions from what is made, is told by its successor, and is inherited.
 * Proves: umask mkdir mknodat
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static int mode_of(const char *name)
{
	struct stat st;

	must(stat(name, &st) == 0);
	return st.st_mode & 07777;
}

static void round_(void)
{
	mode_t old = umask(0137);
	int fd, status;
	pid_t pid;

	say("was %03o", umask(0027));
	fd = open("f", O_CREAT | O_EXCL | O_WRONLY, 0777);
	must(fd >= 0 && close(fd) == 0 && mkdir("d", 0777) == 0 && mknod("p", S_IFIFO | 0666, 0) == 0);
	say("%03o %03o %03o", mode_of("f"), mode_of("d"), mode_of("p"));
	pid = promise_fork();
	if (pid == 0)
		_exit((int)umask(0));
	must(waitpid(pid, &status, 0) == pid);
	say("the child has %03o, we %03o", WEXITSTATUS(status), umask(old));
	must(unlink("f") == 0 && rmdir("d") == 0 && unlink("p") == 0);
}

int main(void)
{
	return promise_run(round_);
}
