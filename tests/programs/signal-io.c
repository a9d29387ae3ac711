/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A descriptor that tells by a signal that it is ready tells which it is and for what.
 * Proves: fcntl rt_sigtimedwait
 */
#include <fcntl.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct f_owner_ex owner = {F_OWNER_PID, getpid()}, told = {0};
	sigset_t set;
	siginfo_t si;
	int p[2];

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGRTMIN + 5);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && pipe(p) == 0);
	must(fcntl(p[0], F_SETOWN_EX, &owner) == 0 && fcntl(p[0], F_GETOWN_EX, &told) == 0 && told.pid == getpid());
	must(fcntl(p[0], F_SETSIG, SIGRTMIN + 5) == 0 && fcntl(p[0], F_SETFL, O_ASYNC) == 0);
	for (int i = 0; i < 2; i++) {
		must(i == 0 ? write(p[1], "x", 1) == 1 : close(p[1]) == 0);
		must(sigwaitinfo(&set, &si) == SIGRTMIN + 5);
		say("this one %d, code %d band %lx", si.si_fd == p[0], si.si_code, (unsigned long)si.si_band);
	}
	must(close(p[0]) == 0);
	while (sigtimedwait(&set, &si, &(struct timespec){0}) > 0)
		;
	must(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

int main(void)
{
	return promise_run(round_);
}
