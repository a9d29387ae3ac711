/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fast one CPU of this node is, in the unit of the policy: 10000 is the standard machine.
 * Promise: CPU time is measured, not the clock on the wall, and the best of several runs counts, so that neither a
 * quota nor other programs change the result; it is rounded, so that nodes of one model say the same. Must not: take
 * longer than a tenth of a second on any machine that is in use.
 *
 * The work is what ordinary programs do most: integer arithmetic that depends on what came before, branches that are
 * guessed well and badly, and loads that hit the first level of the cache.
 */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "base/file.h"
#include "node.h"

#define RUNS 5
#define ITERATIONS 1000000U /* of a run: some milliseconds */
#define STANDARD_PER_SECOND                                                                      \
	256000000ULL /* iterations that the standard machine, a server of 2023, does in a second \
		      */
#define ROUND_TO 250
#define SPEED_LEAST 250
#define SPEED_GREATEST 1000000
#define TABLE 1024 /* words: 8 KiB */

static uint64_t cpu_time_ns(void)
{
	struct timespec ts = {0};

	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* The result depends on every step, so that no compiler leaves one out. */
static uint64_t work(uint64_t *table, uint32_t iterations)
{
	uint64_t x = 88172645463325252ULL, sum = 0;
	uint32_t i;

	for (i = 0; i < iterations; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		sum += table[x % TABLE];
		if (x & 64)
			table[sum % TABLE] += x;
		else
			sum = sum * 31 + i;
	}
	return sum;
}

uint32_t speed_of(uint64_t iterations, uint64_t ns)
{
	unsigned __int128 v = (unsigned __int128)iterations * NSEC_PER_SEC * POLICY_SPEED_STANDARD /
			      STANDARD_PER_SECOND;

	v = (v / (ns ? ns : 1) + ROUND_TO / 2) / ROUND_TO * ROUND_TO;
	return v < SPEED_LEAST ? SPEED_LEAST : v > SPEED_GREATEST ? SPEED_GREATEST : (uint32_t)v;
}

uint32_t speed_measure(void)
{
	uint64_t table[TABLE], best = UINT64_MAX, begin, took;
	volatile uint64_t sink = 0;
	unsigned i;

	for (i = 0; i < TABLE; i++)
		table[i] = i * 2654435761U;
	for (i = 0; i < RUNS; i++) {
		begin = cpu_time_ns();
		sink += work(table, ITERATIONS);
		took = cpu_time_ns() - begin;
		if (took < best)
			best = took;
	}
	(void)sink; /* it is written so that the work is done */
	return speed_of(ITERATIONS, best);
}

void speed_cpu_model(char *buf, size_t cap)
{
	static const char key[] = "model name";
	char text[4096], *line;

	buf[0] = '\0';
	if (file_read_small("/proc/cpuinfo", text, sizeof(text)) < 0)
		return;
	line = strstr(text, key);
	line = line ? strchr(line, ':') : NULL;
	if (!line)
		return;
	line += 1 + strspn(line + 1, " \t");
	line[strcspn(line, "\n")] = '\0';
	(void)snprintf(buf, cap, "%s", line);
}
