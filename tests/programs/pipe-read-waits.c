/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Who reads an empty pipe waits until something is written, and gets what is there, not more.
 * Proves: read write pipe2
 */
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int p[2], status;
	char text[32] = "";
	pid_t pid;

	must(pipe2(p, O_CLOEXEC) == 0);
	pid = promise_fork();
	if (pid == 0) {
		burn_ms(15);
		must(write(p[1], "late", 4) == 4);
		_exit(0);
	}
	say_result("read", read(p[0], text, sizeof(text)));
	say("%s", text);
	must(waitpid(pid, &status, 0) == pid && status == 0 && write(p[1], "more", 4) == 4);
	say_result("a part", read(p[0], text, 3));
	say_result("the rest", read(p[0], text, sizeof(text)));
	must(close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
