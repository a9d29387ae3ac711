/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a timer that ticks all the time spoils no call: each returns what it returns without the signals.
 * Proves: write getppid pipe2 rt_sigreturn rt_sigaction setitimer read getitimer
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t ticks;

static void on_tick(int sig)
{
	int e = errno;

	(void)sig;
	ticks++;
	/* A handler makes calls too. */
	if (getppid() < 0)
		_exit(9);
	errno = e;
}

static void round_(void)
{
	struct sigaction sa = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
	struct itimerval every = {.it_value = {.tv_usec = 3000}, .it_interval = {.tv_usec = 3000}}, off = {0}, now;
	pid_t parent = getppid();
	char c[8];
	int p[2];

	must(sigaction(SIGALRM, &sa, NULL) == 0 && pipe(p) == 0);
	must(setitimer(ITIMER_REAL, &every, NULL) == 0);
	for (int i = 0; i < 400; i++) {
		ssize_t n;

		memset(&now, 0, sizeof(now));
		must(getitimer(ITIMER_REAL, &now) == 0);
		must(now.it_interval.tv_usec == 3000);
		must(getppid() == parent);
		n = write(p[1], "abcdef", 6);
		must(n == 6);
		n = read(p[0], c, sizeof(c));
		must(n == 6 && memcmp(c, "abcdef", 6) == 0);
	}
	must(setitimer(ITIMER_REAL, &off, NULL) == 0);
	must(close(p[0]) == 0 && close(p[1]) == 0);
	say("all calls have their own results");
}

int main(void)
{
	return promise_run(round_);
}
