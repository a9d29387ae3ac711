/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: no clock that a program reads ever goes back, by the vdso or by the call, and they agree with each other.
 * Proves: time clock_gettime gettimeofday
 */
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define NS 1000000000LL
/* Between two readings the process may be frozen and moved. */
#define MOVED (20 * NS)

static int64_t last[8];

static int64_t vdso(clockid_t id)
{
	struct timespec ts;

	must(clock_gettime(id, &ts) == 0 && ts.tv_nsec >= 0 && ts.tv_nsec < NS);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static int64_t raw(clockid_t id)
{
	struct timespec ts;

	must(syscall(SYS_clock_gettime, id, &ts) == 0 && ts.tv_nsec >= 0 && ts.tv_nsec < NS);
	return ts.tv_sec * NS + ts.tv_nsec;
}

static int64_t day(void)
{
	struct timeval tv;

	must(gettimeofday(&tv, NULL) == 0);
	return tv.tv_sec * NS + tv.tv_usec * 1000;
}

/* 0 monotonic, 1 boot, 2 real, 3 coarse, 4 gettimeofday, 5 raw, 6 time */
static void step(int which, int64_t v)
{
	if (v < last[which] || (last[which] && v - last[which] > MOVED))
		say("clock %d from %lld by %lld ns", which, (long long)last[which], (long long)(v - last[which]));
	last[which] = v;
}

static void round_(void)
{
	for (int i = 0; i < 3000; i++) {
		int64_t a = i & 1 ? vdso(CLOCK_MONOTONIC) : raw(CLOCK_MONOTONIC);
		int64_t t = (int64_t)time(NULL), d = day();

		/* The vdso's and the call's readings are of one clock. */
		step(0, a);
		step(1, i & 1 ? vdso(CLOCK_BOOTTIME) : raw(CLOCK_BOOTTIME));
		step(2, i & 1 ? vdso(CLOCK_REALTIME) : raw(CLOCK_REALTIME));
		step(3, vdso(CLOCK_MONOTONIC_COARSE));
		step(4, d);
		step(5, vdso(CLOCK_MONOTONIC_RAW));
		step(6, (int64_t)syscall(SYS_time, NULL) * NS);
		must(last[3] <= vdso(CLOCK_MONOTONIC));
		must(d / NS + 1 >= t && t + MOVED / NS >= d / NS);
	}
	say("clocks go forward");
}

int main(void)
{
	return promise_run(round_);
}
