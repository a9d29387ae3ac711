/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A sleep is never shorter than asked for; interrupted, it tells what is left, and the rest makes it whole.
 * Proves: clock_nanosleep setitimer
 */
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>

#include "promise.h"

static volatile sig_atomic_t ticks;

static void on_alarm(int sig)
{
	(void)sig;
	ticks++;
}

static void round_(void)
{
	struct itimerval it = {.it_value = {.tv_usec = 7000}, .it_interval = {.tv_usec = 7000}}, off = {0};
	struct timespec left = {.tv_nsec = 40000000}, bad = {.tv_nsec = 1000000000};
	struct sigaction sa = {.sa_handler = on_alarm};
	uint64_t t = now_ns();
	int interrupted = 0;

	ticks = 0;
	must(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &it, NULL) == 0);
	while (nanosleep(&left, &left) < 0) {
		must(errno == EINTR);
		interrupted++;
	}
	must(took_ms(t, 40, 60000));
	left = (struct timespec){.tv_nsec = 40000000};
	t = now_ns();
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &left, &left) == EINTR)
		;
	must(took_ms(t, 40, 60000) && setitimer(ITIMER_REAL, &off, NULL) == 0);
	say("whole, interrupted no more often than it ticked: %d", ticks >= interrupted);
	say_result("no time", nanosleep(&bad, NULL));
	say("no clock %d", clock_nanosleep(77, 0, &left, NULL) == EINVAL);
}

int main(void)
{
	return promise_run(round_);
}
