/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a process has used lately; see usage.h. */
#include "usage.h"

#include "base/clock.h"

#define KEPT 0.975 /* in a second */

/* What is kept of the past after so many seconds; exact for whole ones, and a straight line between them. */
static double kept(double seconds)
{
	double k = 1;

	for (; seconds >= 1 && k > 1e-6; seconds--)
		k *= KEPT;
	return seconds < 1 ? k * (1 - (1 - KEPT) * seconds) : 0;
}

static void add(double *average, uint64_t *seen, uint64_t now, double seconds, double keep)
{
	uint64_t more = now >= *seen ? now - *seen : now;

	*average = *average * keep + (double)more / seconds * (1 - keep);
	*seen = now;
}

void usage_add(struct usage *u, const struct usage_totals *now, uint64_t now_ns)
{
	double seconds = (double)(now_ns - u->seen_ns) / (double)NSEC_PER_SEC, keep;

	if (u->seen_ns && now_ns <= u->seen_ns)
		return;
	if (!u->seen_ns) {
		u->seen = *now;
		u->seen_ns = now_ns;
		return;
	}
	keep = kept(seconds);
	add(&u->cpu_us, &u->seen.cpu_us, now->cpu_us, seconds, keep);
	add(&u->calls, &u->seen.calls, now->calls, seconds, keep);
	add(&u->sent, &u->seen.sent, now->sent, seconds, keep);
	add(&u->received, &u->seen.received, now->received, seconds, keep);
	u->weight = u->weight * keep + (1 - keep);
	u->seen_ns = now_ns;
}

void usage_clear(struct usage *u)
{
	*u = (struct usage){.seen = u->seen, .seen_ns = u->seen_ns};
}

double usage_rate(const struct usage *u, double what)
{
	return u->weight > 0 ? what / u->weight : 0;
}
