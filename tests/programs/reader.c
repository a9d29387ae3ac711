/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a process that does nothing but read clocks may be stopped anywhere in doing so: no clock goes back, by
 * the vdso or by the call, nothing is written but the result, and no value that it keeps meanwhile is lost.
 * Proves: gettimeofday clock_gettime
 */
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define NS 1000000000LL
#define TIMES 20000

static struct {
	uint64_t before;
	struct timespec ts;
	struct timeval tv;
	uint64_t after;
} box;

static const clockid_t clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_BOOTTIME};
static int64_t last[3];

static void not_back(int which, int64_t v)
{
	if (v < last[which])
		say("clock %d went back by %lld ns", which, (long long)(last[which] - v));
	last[which] = v;
}

static void read_one(unsigned i)
{
	int which = (int)(i % 3);

	memset(&box.ts, 0xff, sizeof(box.ts));
	if (i % 1024 == 1023)
		must(syscall(SYS_clock_gettime, clocks[which], &box.ts) == 0);
	else
		must(clock_gettime(clocks[which], &box.ts) == 0);
	must(box.ts.tv_nsec >= 0 && box.ts.tv_nsec < NS);
	not_back(which, box.ts.tv_sec * NS + box.ts.tv_nsec);
}

static void read_day(void)
{
	int64_t v;

	memset(&box.tv, 0xff, sizeof(box.tv));
	must(gettimeofday(&box.tv, NULL) == 0);
	must(box.tv.tv_usec >= 0 && box.tv.tv_usec < 1000000);
	v = box.tv.tv_sec * NS + box.tv.tv_usec * 1000;
	/* Cut off, not rounded. */
	must(v + 1000 > last[0]);
	read_one(0);
	must(v <= last[0]);
}

static void round_(void)
{
	uint64_t a = 1, b = 2, c = 3, d = 4, e = 5;

	box.before = box.after = 0x5a5a5a5a5a5a5a5a;
	for (unsigned i = 0; i < TIMES; i++) {
		xorshift(&a);
		read_one(i);
		b += a;
		read_day();
		c ^= b * 3;
		read_one(i + 1);
		d = d * 5 + c;
		read_one(i + 2);
		e += d >> 3;
		must(box.before == 0x5a5a5a5a5a5a5a5a && box.after == box.before);
	}
	say("%llx %llx %llx %llx %llx", (unsigned long long)a, (unsigned long long)b, (unsigned long long)c,
	    (unsigned long long)d, (unsigned long long)e);
}

int main(void)
{
	return promise_run(round_);
}
