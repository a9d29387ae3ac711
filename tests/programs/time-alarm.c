/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: alarm tells what was left of the one before, and is one timer with ITIMER_REAL.
 * Proves: alarm getitimer setitimer pause
 */
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_alarm(int sig)
{
	(void)sig;
	heard++;
}

static void round_(void)
{
	struct itimerval it = {.it_value = {.tv_sec = 500, .tv_usec = 1}}, now;
	unsigned left;

	heard = 0;
	must(signal(SIGALRM, on_alarm) != SIG_ERR);
	say("none before %u", alarm(100));
	left = alarm(200);
	say("left of 100: %d", left > 90 && left <= 100);
	must(getitimer(ITIMER_REAL, &now) == 0 && now.it_value.tv_sec > 190);
	must(setitimer(ITIMER_REAL, &it, &now) == 0 && now.it_value.tv_sec > 190);
	left = alarm(0);
	say("left of 500: %d", left > 490 && left <= 501);
	it = (struct itimerval){.it_value = {.tv_usec = 9000}, .it_interval = {.tv_usec = 9000}};
	must(setitimer(ITIMER_REAL, &it, NULL) == 0);
	say_result("pause", pause());
	must(alarm(0) <= 1 && heard >= 1 && getitimer(ITIMER_REAL, &now) == 0);
	say("off %ld", (long)now.it_value.tv_sec + (long)now.it_value.tv_usec);
	say_result("no timer", syscall(SYS_getitimer, 9, &now));
}

int main(void)
{
	return promise_run(round_);
}
