/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A script is run by its interpreter with its name and its arguments.
 * Proves: execve wait4
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static const char script[] = "#!/bin/sh\necho \"$# $0 $1\"\nexit 4\n";
	char text[64] = "";
	int fd = open("script", O_CREAT | O_TRUNC | O_WRONLY, 0700), p[2], status;
	pid_t pid;

	must(fd >= 0 && write(fd, script, sizeof(script) - 1) == sizeof(script) - 1 && close(fd) == 0 && pipe(p) == 0);
	pid = promise_fork();
	if (pid == 0) {
		must(dup2(p[1], 1) == 1);
		(void)execl("./script", "ignored", "an argument", "another", (char *)NULL);
		_exit(99);
	}
	must(close(p[1]) == 0 && waitpid(pid, &status, 0) == pid && read(p[0], text, sizeof(text) - 1) > 0);
	say("%s%d", text, WEXITSTATUS(status));
	must(close(p[0]) == 0 && unlink("script") == 0);
}

int main(void)
{
	return promise_run(round_);
}
