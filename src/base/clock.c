/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clocks of this machine; see clock.h. */
#include "clock.h"

#include <limits.h>
#include <time.h>

static uint64_t read_ns(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t clock_mono_ns(void)
{
	return read_ns(CLOCK_MONOTONIC);
}

uint64_t clock_real_ns(void)
{
	return read_ns(CLOCK_REALTIME);
}

int clock_ms_until(uint64_t deadline_ns)
{
	uint64_t now = clock_mono_ns(), ms;

	if (deadline_ns <= now)
		return 0;
	ms = (deadline_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}
