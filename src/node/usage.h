/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process has used lately.
 * Promise: averages over the time since they were cleared, in which a second counts the less the older it is: after 27
 * seconds half as much. Pure: totals and time come in. Must not: be asked about a process of which nothing is known.
 *
 * The decay is MOSIX's slow one, which keeps 975/1000 each second. Before the average is old enough to have forgotten
 * its beginning, it is that of the time that there was.
 */
#ifndef GODWIT_NODE_USAGE_H
#define GODWIT_NODE_USAGE_H

#include <stdint.h>

/* Counted from whenever; a counter that has become smaller began anew at 0. */
struct usage_totals {
	uint64_t cpu_us, calls; /* calls: forwarded to home */
	uint64_t sent, received; /* bytes of their arguments to home, and from there */
};

struct usage {
	struct usage_totals seen;
	uint64_t seen_ns; /* 0: never */
	/* a second, times weight */
	double cpu_us, calls, sent, received;
	double weight; /* of the time since it was cleared; comes near to 1 */
};

void usage_add(struct usage *u, const struct usage_totals *now, uint64_t now_ns);
void usage_clear(struct usage *u); /* another program has begun */
/* A second's worth of one of the four. */
double usage_rate(const struct usage *u, double what);

#endif
