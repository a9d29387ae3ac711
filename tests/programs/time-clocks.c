/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Each clock advances with the others, is not before the one that lags behind it, and has its resolution.
 * Proves: clock_gettime clock_getres gettimeofday time
 */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static uint64_t ns(clockid_t id)
{
	struct timespec ts = {0};

	must(syscall(SYS_clock_gettime, id, &ts) == 0 && ts.tv_nsec < 1000000000);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

static void round_(void)
{
	const clockid_t ids[] = {CLOCK_REALTIME, CLOCK_MONOTONIC,       CLOCK_BOOTTIME,        CLOCK_MONOTONIC_RAW,
				 CLOCK_TAI,      CLOCK_REALTIME_COARSE, CLOCK_MONOTONIC_COARSE};
	struct timeval tv;
	struct timespec res;
	uint64_t t, u;

	for (int i = 0; i < 7; i++) {
		t = ns(ids[i]);
		burn_ms(i < 5 ? 1 : 12); /* the coarse ones advance by ticks */
		must(ns(ids[i]) > t && clock_getres(ids[i], &res) == 0 && res.tv_sec == 0);
	}
	t = ns(CLOCK_MONOTONIC);
	u = ns(CLOCK_BOOTTIME);
	must(u + 1000000 >= t);
	t = ns(CLOCK_REALTIME_COARSE);
	must(syscall(SYS_gettimeofday, &tv, NULL) == 0);
	must((uint64_t)tv.tv_sec * 1000000000 + (uint64_t)tv.tv_usec * 1000 + 1000 > t);
	must((uint64_t)syscall(SYS_time, NULL) + 1 >= t / 1000000000);
	say("all advance");
	say_result("no clock", clock_getres(77, &res));
	say_result("no clock to read", syscall(SYS_clock_gettime, 77, &res));
}

int main(void)
{
	return promise_run(round_);
}
