/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Writing to a pipe that nobody reads is EPIPE and SIGPIPE, and ends who does not handle it.
 * Proves: write read rt_sigaction
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_pipe(int sig)
{
	heard += sig == SIGPIPE;
}

static void round_(void)
{
	int p[2], status;
	char c;
	pid_t pid;

	heard = 0;
	must(pipe(p) == 0 && write(p[1], "x", 1) == 1 && close(p[0]) == 0);
	must(signal(SIGPIPE, on_pipe) != SIG_ERR);
	say_result("handled", write(p[1], "x", 1));
	must(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	say_result("ignored", write(p[1], "x", 1));
	must(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
	say("heard %d", heard);
	pid = promise_fork();
	if (pid == 0) {
		(void)!write(p[1], "x", 1);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid);
	say("the child ended by SIGPIPE %d", WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
	must(close(p[1]) == 0 && pipe(p) == 0 && close(p[1]) == 0);
	say_result("reading what nobody writes", read(p[0], &c, 1));
	must(close(p[0]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
