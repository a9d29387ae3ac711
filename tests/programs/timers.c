/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: interval timers and POSIX timers keep running while the process moves; no expiry is lost without being
 * counted.
 * Proves: rt_sigaction timer_settime rt_sigreturn timer_getoverrun timer_delete setitimer timer_create clock_gettime
 */
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t expiries, value;
static timer_t timer;

static void on_timer(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	value = si->si_value.sival_int;
	expiries += 1 + timer_getoverrun(timer);
}

static volatile sig_atomic_t alarms;

static void on_alarm(int sig)
{
	(void)sig;
	alarms++;
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 31};
	struct itimerspec it = {.it_value = {.tv_nsec = 15000000}, .it_interval = {.tv_nsec = 15000000}};
	struct itimerval every = {.it_value = {.tv_usec = 10000}, .it_interval = {.tv_usec = 10000}}, off = {0}, now;
	uint64_t t = now_ns(), passed;
	int n;

	expiries = value = alarms = 0;
	must(sigaction(SIGRTMIN + 1, &sa, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &ev, &timer) == 0);
	must(timer_settime(timer, 0, &it, NULL) == 0);
	while (expiries < 10)
		burn_ms(2);
	it.it_value.tv_nsec = it.it_interval.tv_nsec = 0;
	n = expiries;
	passed = now_ns() - t;
	must(timer_settime(timer, 0, &it, NULL) == 0);
	must(passed >= 149000000 && (uint64_t)n <= passed / 15000000 + 1);
	must(timer_delete(timer) == 0);
	say("timer value %d, in time", value);
	sa = (struct sigaction){.sa_handler = on_alarm, .sa_flags = SA_RESTART};
	must(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &every, NULL) == 0);
	while (alarms < 8)
		burn_ms(2);
	must(getitimer(ITIMER_REAL, &now) == 0 && now.it_interval.tv_usec == 10000);
	must(setitimer(ITIMER_REAL, &off, NULL) == 0);
	say("alarms came");
}

int main(void)
{
	return promise_run(round_);
}
