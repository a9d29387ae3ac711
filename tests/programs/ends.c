/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a parent sees the exit codes, deaths by signal and resources of children that end away from home.
 * Proves: clone prlimit64 kill exit_group wait4 tgkill waitid setitimer getpid clock_gettime
 */
#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void die(int how)
{
	volatile int zero = 0;
	int *volatile nowhere = NULL;
	struct rlimit none = {0};
	struct itimerval soon = {.it_value = {.tv_usec = 40000}};

	must(setrlimit(RLIMIT_CORE, &none) == 0);
	burn_ms(8);
	switch (how) {
	case 0:
		exit(0);
	case 1:
		_exit(77);
	case 2:
		(void)raise(SIGTERM);
		break;
	case 3:
		*nowhere = 1;
		break;
	case 4:
		abort();
	case 5:
		_exit(1 / zero);
	case 6:
		__builtin_trap();
	case 7:
		(void)kill(getpid(), SIGKILL);
		break;
	case 8:
		must(setitimer(ITIMER_REAL, &soon, NULL) == 0);
		for (;;)
			burn_ms(50);
	default:
		_exit(300); /* only 8 bits of it are seen */
	}
	_exit(99);
}

static void round_(void)
{
	struct rusage ru;
	siginfo_t si;
	int status;

	for (int how = 0; how < 10; how++) {
		pid_t pid = promise_fork();

		must(pid >= 0);
		if (pid == 0)
			die(how);
		if (how == 2) {
			must(waitid(P_PID, (id_t)pid, &si, WEXITED) == 0 && si.si_pid == pid);
			say("%d: waitid code %d status %d", how, si.si_code, si.si_status);
			continue;
		}
		must(wait4(pid, &status, 0, &ru) == pid);
		say("%d: status %#x", how, status & 0xff7f);
	}
}

int main(void)
{
	return promise_run(round_);
}
