/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The published formulas, in integers.
 * Promise: the same result on every machine and with every compiler. Must not: use floating point.
 */
#include "internal.h"

#define Q 32 /* fixed point: bits behind the point */
#define Q_ONE (1ULL << Q)
#define LN2_Q 2977044472ULL /* ln 2 */
#define EULER_Q 2479122403ULL /* 0.5772... */

uint32_t policy_load(uint64_t runnable_milli, uint32_t cpus_milli, uint32_t speed)
{
	uint64_t v;

	if (runnable_milli > RAW_MAX)
		runnable_milli = RAW_MAX;
	if (!cpus_milli)
		cpus_milli = 1;
	if (!speed)
		speed = 1;
	/* 1e8 * 1e7 fits 64 bits; one division keeps the rounding in one place */
	v = runnable_milli * 1000 * POLICY_SPEED_STANDARD / ((uint64_t)cpus_milli * speed);
	return v < POLICY_LOAD_MAX ? (uint32_t)v : POLICY_LOAD_MAX;
}

uint64_t policy_decay_local(uint64_t m, uint64_t r)
{
	return r > m ? (5 * m + 3 * r) / 8 : r;
}

uint64_t policy_decay_export(uint64_t u, uint64_t r)
{
	return r >= u ? r : (7 * u + r) / 8;
}

/* Time that a unit of CPU work takes, in milli of what it takes alone on a standard CPU, among raw_milli runnable. */
uint64_t policy_slowdown(uint64_t raw_milli, uint32_t cpus_milli, uint32_t speed)
{
	uint64_t v = 1000;

	if (raw_milli > cpus_milli)
		v = raw_milli * 1000 / cpus_milli;
	if (speed != POLICY_SPEED_STANDARD)
		v = v * POLICY_SPEED_STANDARD / speed;
	return v < SLOW_MAX ? v : SLOW_MAX;
}

/* In Q32, for n >= 1. The bits come one by one from squaring the mantissa. */
uint64_t policy_log2(uint32_t n)
{
	unsigned whole = 31 - (unsigned)__builtin_clz(n), i;
	uint64_t m = (uint64_t)n << (31 - whole); /* in [1, 2), Q31 */
	uint64_t log2 = (uint64_t)whole << Q;

	for (i = 1; i <= Q; i++) {
		m = (m * m) >> 31;
		if (m >> 32) {
			m >>= 1;
			log2 |= 1ULL << (Q - i);
		}
	}
	return log2;
}

/* ln(n) for n >= 1, in Q32. */
static uint64_t ln_q(uint32_t n)
{
	return (uint64_t)(((unsigned __int128)policy_log2(n) * LN2_Q) >> Q);
}

/* -ln(1 - 1/k) for k >= 2, in Q32, by its series: no digits are lost for large k. */
static uint64_t ln_miss_q(uint32_t k)
{
	uint64_t power = Q_ONE / k, sum = 0;
	unsigned i;

	for (i = 1; power; i++) {
		sum += power / i;
		power /= k;
	}
	return sum ? sum : 1; /* k beyond the digits that there are */
}

/* Beyond a million nodes the fixed point has too few digits. */
static void bound(uint32_t *n, uint32_t *w)
{
	if (*n > 1000000)
		*n = 1000000;
	if (*w > *n - 1)
		*w = *n - 1;
	if (!*w)
		*w = 1;
}

uint64_t policy_gossip_max_age(uint32_t n, uint32_t w)
{
	if (n < 2)
		return 0;
	if (n == 2) /* the other one sends to nobody else */
		return 1000;
	bound(&n, &w);
	return (ln_q(n) + EULER_Q) * 1000 / (w * ln_miss_q(n - 1));
}

uint64_t policy_gossip_avg_age(uint32_t n, uint32_t w)
{
	uint64_t t, in_window, miss = Q_ONE, ln_top, ln_left;
	uint32_t i;

	if (n < 2)
		return 0;
	if (n == 2)
		return 1000;
	bound(&n, &w);
	ln_top = ln_q(n - 1);
	ln_left = ln_q(n - w);
	/* age of the oldest entry in the window */
	t = (ln_q(w) + ln_top - ln_left) / n * (n - 1);
	/* average age in the window; never below 0 but for rounding */
	in_window = (ln_top - ln_left) / w * (n - 1);
	in_window = t > in_window ? t - in_window : 0;
	for (i = 0; i < w; i++)
		miss -= miss / (n - 1);
	return ((uint64_t)(((unsigned __int128)Q_ONE << Q) / (Q_ONE - miss)) + in_window) * 1000 >> Q;
}

uint32_t policy_gossip_window(uint32_t n, uint64_t want_avg, uint64_t want_max)
{
	uint32_t low = 1, high = POLICY_WINDOW_MAX;

	if (n > 1 && high > n - 1)
		high = n - 1;
	while (low < high) { /* both ages fall as the window grows */
		uint32_t w = low + (high - low) / 2;

		if ((want_avg && policy_gossip_avg_age(n, w) > want_avg) ||
		    (want_max && policy_gossip_max_age(n, w) > want_max))
			low = w + 1;
		else
			high = w;
	}
	return low;
}
