/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: job control works on processes that are away: stops, continues and what the parent hears of them.
 * Proves: setpgid clone close wait4 kill read pipe2 exit_group rt_sigaction getpid clock_gettime
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t continued;

static void on_cont(int sig)
{
	(void)sig;
	continued++;
}

static void child(int sig, int gate)
{
	char byte;

	struct sigaction sa = {.sa_handler = on_cont, .sa_flags = SA_RESTART};

	continued = 0;
	must(sigaction(SIGCONT, &sa, NULL) == 0);
	burn_ms(5);
	must(kill(getpid(), sig) == 0);
	/* The stop takes effect before kill() returns; the handler runs when it is over. */
	burn_ms(5);
	/* Its end would take the place of what the parent has not yet heard. */
	must(read(gate, &byte, 1) == 0);
	_exit(continued == 1 ? 40 : 41);
}

static void one(int sig, const char *name)
{
	int status, gate[2], r = pipe(gate);
	pid_t pid = promise_fork();

	must(pid >= 0 && r == 0);
	if (pid == 0) {
		(void)close(gate[1]);
		child(sig, gate[0]);
	}
	must(close(gate[0]) == 0);
	must(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
	say("%s stops it %d", name, WSTOPSIG(status) == sig);
	burn_ms(15);
	must(waitpid(pid, &status, WUNTRACED | WNOHANG) == 0);
	must(kill(pid, SIGCONT) == 0);
	must(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	must(close(gate[1]) == 0);
	must(waitpid(pid, &status, 0) == pid && WIFEXITED(status));
	say("continued, exit %d", WEXITSTATUS(status));
}

static void round_(void)
{
	one(SIGSTOP, "SIGSTOP");
	one(SIGTSTP, "SIGTSTP");
}

int main(void)
{
	/* SIGTSTP does not stop an orphaned group: this one has its driver above it, in the same session. */
	(void)setpgid(0, 0);
	return promise_run(round_);
}
