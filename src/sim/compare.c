/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * All strategies on many scenarios drawn from one file.
 * Promise: in each scenario all strategies see the same nodes and jobs. Must not: leave a scenario out; one that does
 * not end in time is an error.
 */
#include <errno.h>
#include <math.h>
#include "internal.h"

enum purpose { FOR_COMPARISON = 21 };

static int one(const struct sim_scenario *s, uint64_t seed, struct sim_comparison *c, struct err *e)
{
	double slowdown[SIM_STRATEGIES_MAX], least = INFINITY;
	struct sim_result r;
	unsigned k;

	for (k = 0; k < c->n; k++) {
		if (sim_run(s, c->how[k], seed, &r, e) < 0)
			return e->code;
		slowdown[k] = r.mean_slowdown;
		c->slowdown[k] += r.mean_slowdown;
		c->moves[k] += r.moves;
		if (!c->how[k]->one_machine)
			least = fmin(least, r.mean_slowdown);
		if (k == 0) {
			c->jobs += (unsigned)r.jobs;
			c->bound += r.bound_slowdown;
		}
		sim_result_release(&r);
		if (r.unfinished > 0 || r.jobs <= 0)
			return err_set(e, -ETIME, "with seed %llu and strategy %s, %s", (unsigned long long)seed,
				       c->how[k]->name, r.jobs > 0 ? "jobs did not end in time" : "no job arrives");
	}
	for (k = 0; k < c->n; k++)
		c->best[k] += slowdown[k] <= least;
	return 0;
}

int sim_compare(const struct sim_scenario *s, unsigned scenarios, uint64_t seed, FILE *progress,
		struct sim_comparison *ret, struct err *e)
{
	struct luck l = luck_of(seed, FOR_COMPARISON);
	unsigned i, k;

	*ret = (struct sim_comparison){.scenarios = scenarios};
	while (ret->n < SIM_STRATEGIES_MAX && (ret->how[ret->n] = sim_strategy_at(ret->n)))
		ret->n++;
	for (i = 0; i < scenarios; i++) {
		if (one(s, luck_next(&l) >> 12, ret, e) < 0)
			return err_prefix(e, "scenario %u", i + 1);
		if (progress && (i + 1) % 100 == 0)
			(void)fprintf(progress, "%u of %u scenarios\n", i + 1, scenarios);
	}
	for (k = 0; k < ret->n; k++) {
		ret->slowdown[k] /= scenarios;
		ret->moves[k] /= scenarios;
	}
	ret->bound /= scenarios;
	return 0;
}
