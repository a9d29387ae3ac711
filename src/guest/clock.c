/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Home's clocks, without a round trip.
 * Promise: never ahead of home's true time, and CLOCK_MONOTONIC never steps back, also across moves (design: time).
 * Must not: answer clocks that only home knows (CPU time of the process; the raw, TAI and
 * coarse clocks, which differ from the others by what only home's kernel knows).
 */
#include "agent.h"

#include <errno.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>

#include "../base/clock.h"

static int64_t now(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (int64_t)ts.tv_sec * (int64_t)NSEC_PER_SEC + ts.tv_nsec;
}

static void take(int64_t *offset, bool known, uint64_t home, clockid_t id)
{
	int64_t o = (int64_t)home - now(id);

	/* 100 us in a second: more than clocks drift apart, less than the way varies. A sample is due each second. */
	*offset -= 100 * (int64_t)NSEC_PER_USEC;
	if (!known || o > *offset)
		*offset = o;
}

void agent_clock_sample(struct agent *a, uint64_t mono, uint64_t real, uint64_t boot)
{
	take(&a->clock.mono, a->clock.known, mono, CLOCK_MONOTONIC);
	take(&a->clock.boot, a->clock.known, boot, CLOCK_BOOTTIME);
	/* The wall clock may be set: a jump of more than 100 ms is taken as it is. */
	if (a->clock.known && (int64_t)real - now(CLOCK_REALTIME) < a->clock.real - 100 * (int64_t)NSEC_PER_MSEC) {
		a->clock.real = (int64_t)real - now(CLOCK_REALTIME);
		a->clock.last_real = 0;
	} else {
		take(&a->clock.real, a->clock.known, real, CLOCK_REALTIME);
	}
	a->clock.known = true;
}

/* A later sample may take the offset back by what "take" gives up in a second. */
static int64_t never_back(int64_t v, int64_t *last)
{
	if (v < *last)
		v = *last;
	*last = v;
	return v;
}

static int64_t monotonic(struct agent *a)
{
	return never_back(now(CLOCK_MONOTONIC) + a->clock.mono, &a->clock.last_mono);
}

static int read_clock(struct agent *a, uint64_t id, int64_t *ret)
{
	switch (id) {
	case CLOCK_REALTIME:
		*ret = never_back(now(CLOCK_REALTIME) + a->clock.real, &a->clock.last_real);
		return 0;
	case CLOCK_MONOTONIC:
		*ret = monotonic(a);
		return 0;
	case CLOCK_BOOTTIME:
		*ret = never_back(now(CLOCK_BOOTTIME) + a->clock.boot, &a->clock.last_boot);
		return 0;
	default:
		return -ENOSYS;
	}
}

int agent_clock_call(struct agent *a, unsigned nr, const uint64_t args[6], int64_t *ret)
{
	uint64_t id = nr == SYS_clock_gettime ? args[0] & 0xffffffff : CLOCK_REALTIME;
	uint64_t at = nr == SYS_clock_gettime ? args[1] : args[0];
	int64_t v, pair[2], zone[1] = {0};
	int r = read_clock(a, id, &v);

	if (r < 0)
		return r;
	pair[0] = v / (int64_t)NSEC_PER_SEC;
	pair[1] = v % (int64_t)NSEC_PER_SEC;
	*ret = 0;
	switch (nr) {
	case SYS_clock_gettime:
		if (agent_mem_write(a, at, pair, sizeof(pair)) < 0)
			*ret = -EFAULT;
		return 0;
	case SYS_gettimeofday:
		pair[1] /= 1000;
		if ((at && agent_mem_write(a, at, pair, sizeof(pair)) < 0) ||
		    (args[1] && agent_mem_write(a, args[1], zone, sizeof(zone)) < 0))
			*ret = -EFAULT;
		return 0;
	case SYS_time:
		*ret = pair[0];
		if (at && agent_mem_write(a, at, pair, sizeof(pair[0])) < 0)
			*ret = -EFAULT;
		return 0;
	default:
		return -ENOSYS;
	}
}

void agent_clock_told(struct agent *a, const uint64_t args[6])
{
	int64_t pair[2];

	if ((args[0] & 0xffffffff) == CLOCK_MONOTONIC_COARSE && agent_mem_read(a, args[1], pair, sizeof(pair)) == 0)
		(void)never_back(pair[0] * (int64_t)NSEC_PER_SEC + pair[1], &a->clock.last_mono);
}
