/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A signal whose handler finds no stack ends a process that has no handler for SIGSEGV, or whose handler has
 * no stack either, or is blocked. Proves: setitimer
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void on_signal(int sig)
{
	(void)sig;
}

/* Waits with a stack pointer that leads nowhere. */
static void lose_stack(bool handler, bool blocked)
{
	struct sigaction act = {.sa_handler = on_signal};
	struct itimerval soon = {.it_value = {.tv_usec = 20000}};
	sigset_t set;

	must(setrlimit(RLIMIT_CORE, &(struct rlimit){0}) == 0);
	must(sigaction(SIGALRM, &act, NULL) == 0 && (!handler || sigaction(SIGSEGV, &act, NULL) == 0));
	must(sigemptyset(&set) == 0 && sigaddset(&set, SIGSEGV) == 0);
	must(!blocked || sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	must(setitimer(ITIMER_REAL, &soon, NULL) == 0);
	__asm__ volatile("mov $0x10000, %%rsp\n1:\tpause\n\tjmp 1b" ::: "memory");
}

static void round_(void)
{
	for (int kind = 0; kind < 3; kind++) {
		int status;
		pid_t pid = fork();

		must(pid >= 0);
		if (pid == 0) {
			lose_stack(kind > 0, kind > 1);
			_exit(1);
		}
		must(waitpid(pid, &status, 0) == pid);
		say("ended by signal %d", WIFSIGNALED(status) ? WTERMSIG(status) : 0);
	}
}

int main(void)
{
	return promise_run(round_);
}
