/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: wait4 waits for any child, for one, and for one of a group, and tells each end once.
 * Proves: wait4 setpgid
 */
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static pid_t born(int code, pid_t group)
{
	pid_t pid = promise_fork();

	if (pid == 0) {
		if (group >= 0)
			must(setpgid(0, group) == 0);
		burn_ms((unsigned)code);
		_exit(code);
	}
	if (group >= 0)
		(void)setpgid(pid, group);
	return pid;
}

static void round_(void)
{
	struct rusage ru;
	int status, sum = 0;
	pid_t a = born(1, -1), b = born(2, 0), c = born(3, b), d = born(4, -1);

	must(waitpid(d, &status, 0) == d);
	say("the last %d", WEXITSTATUS(status));
	for (int i = 0; i < 2; i++) {
		pid_t pid = waitpid(-b, &status, 0);

		must(pid == b || pid == c);
		sum += WEXITSTATUS(status);
	}
	say("of the group %d", sum);
	say_result("none of the group", waitpid(-b, &status, 0));
	must(wait4(-1, &status, 0, &ru) == a);
	say("the first %d", WEXITSTATUS(status));
	say_result("no child", waitpid(-1, &status, 0));
	say_result("not mine", waitpid(1, &status, 0));
	say_result("bad options", waitpid(-1, &status, 0x40));
}

int main(void)
{
	return promise_run(round_);
}
