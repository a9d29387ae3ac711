/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Luck: a stream of numbers from a seed, and the laws that a scenario may name.
 * Promise: streams of different purposes do not disturb each other. Must not: use rand().
 */
#include <math.h>
#include "internal.h"

uint64_t luck_next(struct luck *l)
{
	uint64_t z;

	l->state += 0x9e3779b97f4a7c15ULL; /* splitmix64 */
	z = (l->state ^ (l->state >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

struct luck luck_of(uint64_t seed, uint64_t purpose)
{
	struct luck l = {seed ^ purpose * 0xda942042e4dd58b5ULL};

	(void)luck_next(&l);
	return (struct luck){luck_next(&l)};
}

double luck_part(struct luck *l)
{
	return (double)(luck_next(l) >> 11) * 0x1p-53;
}

uint32_t luck_below(struct luck *l, uint32_t n)
{
	return (uint32_t)(((luck_next(l) >> 32) * n) >> 32);
}

double luck_exponential(struct luck *l, double mean)
{
	return -log1p(-luck_part(l)) * mean;
}

/* A number of the law v, whose ranges are drawn already. */
double luck_draw(struct luck *l, const struct sim_value *v)
{
	double a = v->p[0].low, b = v->p[1].low, c = v->p[2].low;

	switch (v->word) {
	case SIM_UNIFORM:
		return a + (b - a) * luck_part(l);
	case SIM_EXPONENTIAL:
		return luck_exponential(l, a);
	case SIM_PARETO:
		return b / pow(1 - luck_part(l) * (1 - pow(b / c, a)), 1 / a);
	default:
		return a;
	}
}

double law_mean(const struct sim_value *v)
{
	double a = v->p[0].low, b = v->p[1].low, c = v->p[2].low;

	switch (v->word) {
	case SIM_UNIFORM:
		return (a + b) / 2;
	case SIM_PARETO:
		if (c <= b)
			return b;
		if (fabs(a - 1) < 1e-9)
			return b * c / (c - b) * log(c / b);
		return pow(b, a) / (1 - pow(b / c, a)) * a / (a - 1) * (pow(b, 1 - a) - pow(c, 1 - a));
	default:
		return a;
	}
}

void range_draw(struct luck *l, struct sim_value *v)
{
	unsigned i;

	for (i = 0; i < v->n; i++) {
		struct sim_range *r = &v->p[i];

		if (r->low < r->high)
			r->low = r->high = r->low + (r->high - r->low) * luck_part(l);
	}
}
