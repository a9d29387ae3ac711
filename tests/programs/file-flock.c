/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: flock belongs to the opening, not to the process: a child may let it go, another opening waits for it.
 * Proves: flock
 */
#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int a = open("f", O_CREAT | O_RDWR, 0600), b = open("f", O_RDWR), done[2], status;
	char c;
	pid_t pid;

	must(a >= 0 && b >= 0 && pipe(done) == 0);
	say_result("shared", flock(a, LOCK_SH));
	say_result("shared twice", flock(b, LOCK_SH | LOCK_NB));
	say_result("exclusive beside it", flock(b, LOCK_EX | LOCK_NB));
	must(flock(b, LOCK_UN) == 0 && flock(a, LOCK_EX) == 0);
	pid = promise_fork();
	if (pid == 0) {
		/* Waits until the parent has let it go. */
		must(write(done[1], "w", 1) == 1 && flock(b, LOCK_EX) == 0 && write(done[1], "h", 1) == 1);
		_exit(0);
	}
	must(read(done[0], &c, 1) == 1);
	burn_ms(5);
	must(flock(a, LOCK_UN) == 0 && read(done[0], &c, 1) == 1);
	say("the child got it: %c", c);
	must(waitpid(pid, &status, 0) == pid && status == 0);
	/* b is the same opening: it is still locked although the child has ended. */
	say_result("through the other opening", flock(a, LOCK_EX | LOCK_NB));
	must(close(b) == 0);
	say_result("after its last close", flock(a, LOCK_EX | LOCK_NB));
	must(close(a) == 0 && close(done[0]) == 0 && close(done[1]) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
