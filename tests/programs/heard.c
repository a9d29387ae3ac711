/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: each signal runs its handler once, and queued ones keep their order and their value, also when the way home
 * is a difficult one. "heard wait" waits in a call instead of computing; with "home" the handlers of plain ones have a
 * stack that disarms itself, so that they run at home only. What is sent, the driver decides.
 * Proves: rt_sigaction pause
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t usr, queued, wrong;

static void on_usr(int sig)
{
	(void)sig;
	usr++;
}

static void on_queued(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	if (si->si_code != SI_QUEUE || si->si_value.sival_int != queued)
		wrong++;
	queued++;
}

#ifndef SS_AUTODISARM
#define SS_AUTODISARM (1U << 31)
#endif

static char stack[65536];

static bool asked(int argc, char **argv, const char *what)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], what) == 0)
			return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	stack_t own = {.ss_sp = stack, .ss_flags = (int)SS_AUTODISARM, .ss_size = sizeof(stack)};
	struct sigaction plain = {.sa_handler = on_usr, .sa_flags = SA_RESTART};
	struct sigaction info = {.sa_sigaction = on_queued, .sa_flags = SA_SIGINFO | SA_RESTART};
	bool waits = asked(argc, argv, "wait");
	pid_t parent = getppid();

	promise_start();
	if (asked(argc, argv, "home")) {
		must(sigaltstack(&own, NULL) == 0);
		plain.sa_flags |= SA_ONSTACK;
	}
	must(sigaction(SIGUSR1, &plain, NULL) == 0 && sigaction(SIGUSR2, &plain, NULL) == 0);
	must(sigaction(SIGRTMIN, &info, NULL) == 0);
	must(dprintf(STDOUT_FILENO, "ready\n") > 0);
	while (!promise_done()) {
		struct timespec t = {.tv_nsec = 200000000};

		if (!waits)
			burn_ms(5);
		while (waits && nanosleep(&t, &t) < 0)
			must(errno == EINTR);
		must(getppid() == parent);
	}
	must(dprintf(STDOUT_FILENO, "%d plain, %d queued, %d wrong\n", usr, queued, wrong) > 0);
	return 0;
}
