/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A sleep until a point in time ends at that point or later, on each clock, also when a handler interrupts
 * it.
 * Proves: clock_nanosleep clock_gettime
 */
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "promise.h"

static void on_alarm(int sig)
{
	(void)sig;
}

static void round_(void)
{
	struct itimerval it = {.it_value = {.tv_usec = 5000}, .it_interval = {.tv_usec = 5000}}, off = {0};
	const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
	struct sigaction sa = {.sa_handler = on_alarm};

	must(sigaction(SIGALRM, &sa, NULL) == 0);
	for (int i = 0; i < 6; i++) {
		struct timespec until, now;

		must(clock_gettime(ids[i / 2], &until) == 0);
		until.tv_nsec += 20000000;
		if (until.tv_nsec >= 1000000000) {
			until.tv_sec++;
			until.tv_nsec -= 1000000000;
		}
		must(setitimer(ITIMER_REAL, i % 2 ? &it : &off, NULL) == 0);
		while (clock_nanosleep(ids[i / 2], TIMER_ABSTIME, &until, NULL) == EINTR)
			;
		must(clock_gettime(ids[i / 2], &now) == 0);
		must(now.tv_sec > until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec >= until.tv_nsec));
		say("not before its time");
	}
	must(setitimer(ITIMER_REAL, &off, NULL) == 0);
}

int main(void)
{
	return promise_run(round_);
}
