/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A stopped process stands until it is continued; SIGCONT is heard, stop signals may be handled, SIGSTOP
 * not.
 * Proves: kill wait4 rt_sigaction
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_signal(int sig)
{
	heard += sig == SIGCONT ? 1 : 10;
}

static int p[2];

static void child(void)
{
	char c;

	must(signal(SIGCONT, on_signal) != SIG_ERR && signal(SIGTSTP, on_signal) != SIG_ERR);
	must(raise(SIGTSTP) == 0);
	must(raise(SIGSTOP) == 0 && read(p[0], &c, 1) == 1);
	must(raise(SIGSTOP) == 0 && read(p[0], &c, 1) == 1);
	_exit(heard);
}

static void round_(void)
{
	int status;
	pid_t pid;

	must(pipe(p) == 0);
	pid = promise_fork();
	if (pid == 0)
		child();
	for (int i = 0; i < 2; i++) {
		must(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
		say("stopped by %d", WSTOPSIG(status));
		must(waitpid(pid, &status, WUNTRACED | WNOHANG) == 0);
		must(kill(pid, SIGCONT) == 0 && waitpid(pid, &status, WCONTINUED) == pid);
		say("continued %d", WIFCONTINUED(status));
		must(write(p[1], "x", 1) == 1); /* before that it must not stop again */
	}
	must(waitpid(pid, &status, 0) == pid);
	say("heard %d", WEXITSTATUS(status));
	must(close(p[0]) == 0 && close(p[1]) == 0);
	say_result("SIGSTOP cannot be handled", signal(SIGSTOP, on_signal) == SIG_ERR ? -1 : 0);
}

int main(void)
{
	return promise_run(round_);
}
