/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A signal for a process group reaches all of it, and a signal for a process only that one.
 * Proves: kill setpgid getpgid
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_usr1(int sig)
{
	heard += sig == SIGUSR1;
}

static void round_(void)
{
	int p[2], q[2], status;
	pid_t first = 0, pid;
	char c;

	must(pipe(p) == 0 && pipe(q) == 0 && signal(SIGUSR1, on_usr1) != SIG_ERR);
	heard = 0;
	for (int i = 0; i < 3; i++) {
		pid = promise_fork();
		if (pid == 0) {
			must(setpgid(0, first) == 0 && write(p[1], "r", 1) == 1);
			/* The signal interrupts this, or has come before it: then the end of q does. */
			must(close(q[1]) == 0);
			must(read(q[0], &c, 1) <= 0);
			_exit(heard);
		}
		first = first ? first : pid;
		must(read(p[0], &c, 1) == 1 && getpgid(pid) == first);
	}
	must(kill(-first, SIGUSR1) == 0 && close(q[1]) == 0);
	for (int i = 0; i < 3; i++) {
		must(waitpid(-first, &status, 0) > 0);
		say("heard %d", WEXITSTATUS(status));
	}
	say("we %d", heard);
	say_result("nobody is left", kill(-first, 0));
	must(close(p[0]) == 0 && close(p[1]) == 0 && close(q[0]) == 0 && signal(SIGUSR1, SIG_DFL) != SIG_ERR);
}

int main(void)
{
	return promise_run(round_);
}
