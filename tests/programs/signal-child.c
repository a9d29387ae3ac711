/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: SIGCHLD tells of each child's end, stop and continuation with its pid and status, or not when told not
 * to.
 * Proves: rt_sigaction kill wait4
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static siginfo_t seen[8];
static volatile int n;

static void on_child(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	if (n < 8)
		seen[n] = *si;
	n++;
}

static void until(int count)
{
	sigset_t block, old;

	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGCHLD);
	must(sigprocmask(SIG_BLOCK, &block, &old) == 0);
	while (n < count)
		must(sigsuspend(&old) == -1);
	must(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	say("code %d status %d", seen[count - 1].si_code, seen[count - 1].si_status);
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO};
	int status;
	pid_t pid;

	n = 0;
	must(sigaction(SIGCHLD, &sa, NULL) == 0);
	pid = promise_fork();
	if (pid == 0)
		for (;;)
			(void)pause();
	must(kill(pid, SIGSTOP) == 0);
	until(1);
	must(kill(pid, SIGCONT) == 0);
	until(2);
	must(kill(pid, SIGTERM) == 0);
	until(3);
	must(seen[0].si_pid == pid && seen[2].si_pid == pid && waitpid(pid, &status, 0) == pid);
	sa.sa_flags |= SA_NOCLDWAIT | SA_RESTART;
	must(sigaction(SIGCHLD, &sa, NULL) == 0);
	pid = promise_fork();
	if (pid == 0)
		_exit(3);
	say_result("without zombies", waitpid(pid, &status, 0));
	must(signal(SIGCHLD, SIG_DFL) != SIG_ERR);
}

int main(void)
{
	return promise_run(round_);
}
