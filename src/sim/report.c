/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Results as text, CSV and JSON.
 * Promise: the same result gives the same bytes; what does not apply is "-", an empty cell, null. Must not: compute.
 */
#include <math.h>
#include <string.h>
#include "sim.h"

static void cell(FILE *f, int width, double v, unsigned decimals)
{
	if (isnan(v))
		(void)fprintf(f, " %*s", width, "-");
	else
		(void)fprintf(f, " %*.*f", width, (int)decimals, v);
}

static int width_of(const struct sim_column *c)
{
	int n = (int)strlen(c->how->name);

	return n > 10 ? n : 10;
}

static void print_users(FILE *f, const struct sim_column *columns, unsigned n)
{
	unsigned u, k;
	bool any;

	for (u = 1; u <= SIM_USERS_MAX; u++) {
		for (any = false, k = 0; k < n; k++)
			any = any || !isnan(columns[k].result.user_slowdown[u]);
		if (!any)
			continue;
		(void)fprintf(f, "user %-16u %-15s", u, "mean slowdown");
		for (k = 0; k < n; k++)
			cell(f, width_of(&columns[k]), columns[k].result.user_slowdown[u], 3);
		(void)fputc('\n', f);
	}
}

void sim_print_table(FILE *f, const struct sim_column *columns, unsigned n)
{
	const struct sim_metric *m;
	bool any;
	unsigned i, k;

	(void)fprintf(f, "%-21s %-15s", "", "");
	for (k = 0; k < n; k++)
		(void)fprintf(f, " %*s", width_of(&columns[k]), columns[k].how->name);
	(void)fputc('\n', f);
	for (i = 0; (m = sim_metric_at(i)); i++) {
		for (any = false, k = 0; k < n; k++)
			any = any || !isnan(sim_metric_of(&columns[k].result, m));
		if (!any)
			continue;
		(void)fprintf(f, "%-21s %-15s", m->name, m->unit);
		for (k = 0; k < n; k++)
			cell(f, width_of(&columns[k]), sim_metric_of(&columns[k].result, m), m->decimals);
		(void)fputc('\n', f);
	}
	print_users(f, columns, n);
}

void sim_print_csv(FILE *f, const struct sim_column *columns, unsigned n, uint64_t seed)
{
	const struct sim_metric *m;
	unsigned i, k;

	(void)fputs("strategy,seed", f);
	for (i = 0; (m = sim_metric_at(i)); i++)
		(void)fprintf(f, ",%s", m->name);
	(void)fputc('\n', f);
	for (k = 0; k < n; k++) {
		(void)fprintf(f, "%s,%llu", columns[k].how->name, (unsigned long long)seed);
		for (i = 0; (m = sim_metric_at(i)); i++) {
			double v = sim_metric_of(&columns[k].result, m);

			(void)fputc(',', f);
			if (!isnan(v))
				(void)fprintf(f, "%.6g", v);
		}
		(void)fputc('\n', f);
	}
}

void sim_print_json(FILE *f, const struct sim_column *columns, unsigned n, uint64_t seed)
{
	const struct sim_metric *m;
	unsigned i, k;

	(void)fprintf(f, "{\n  \"seed\": %llu,\n  \"strategies\": [", (unsigned long long)seed);
	for (k = 0; k < n; k++) {
		(void)fprintf(f, "%s\n    {\n      \"strategy\": \"%s\"", k ? "," : "", columns[k].how->name);
		for (i = 0; (m = sim_metric_at(i)); i++) {
			double v = sim_metric_of(&columns[k].result, m);

			if (isnan(v))
				(void)fprintf(f, ",\n      \"%s\": null", m->name);
			else
				(void)fprintf(f, ",\n      \"%s\": %.9g", m->name, v);
		}
		(void)fputs("\n    }", f);
	}
	(void)fputs("\n  ]\n}\n", f);
}

/* ---- comparisons ----------------------------------------------------------------------------------------------- */

/* What has been published of the like: means over 3000 simulated scenarios (Amir, Awerbuch, Barak, Borgstrom, Keren,
 * 2000). */
static const struct {
	const char *what, *strategy;
	double slowdown; /* as a part of that of MOSIX */
} published[] = {
    {"MOSIX (preemptive)", "policy", 1},
    {"enhanced PVM (placement by opportunity cost)", NULL, 9.795 / 8.557},
    {"PVM (round robin)", "round-robin", 1.68},
};

static double base_of(const struct sim_comparison *c)
{
	unsigned k;

	for (k = 0; k < c->n; k++)
		if (strcmp(c->how[k]->name, "policy") == 0)
			return c->slowdown[k];
	return NAN;
}

void sim_print_comparison(FILE *f, const struct sim_comparison *c, uint64_t seed)
{
	double base = base_of(c);
	unsigned k;
	size_t i;

	(void)fprintf(f, "%u scenarios from seed %llu, %u jobs\n\n%-14s %14s %10s %10s %10s\n", c->scenarios,
		      (unsigned long long)seed, c->jobs, "", "mean slowdown", "to policy", "moves/job", "best in");
	for (k = 0; k < c->n; k++) {
		(void)fprintf(f, "%-14s %14.3f %10.3f", c->how[k]->name, c->slowdown[k], c->slowdown[k] / base);
		cell(f, 10, c->moves[k], 3);
		if (c->how[k]->one_machine)
			(void)fprintf(f, " %10s\n", "-");
		else
			(void)fprintf(f, " %8.1f %%\n", 100.0 * c->best[k] / c->scenarios);
	}
	(void)fprintf(f, "%-14s %14.3f %10.3f\n\npublished, as parts of MOSIX:\n", "bound", c->bound, c->bound / base);
	for (i = 0; i < ARRAY_SIZE(published); i++) {
		double ours = NAN;

		for (k = 0; published[i].strategy && k < c->n; k++)
			if (strcmp(c->how[k]->name, published[i].strategy) == 0)
				ours = c->slowdown[k] / base;
		(void)fprintf(f, "%-46s %6.3f   here:", published[i].what, published[i].slowdown);
		cell(f, 6, ours, 3);
		(void)fputc('\n', f);
	}
}

void sim_print_comparison_json(FILE *f, const struct sim_comparison *c, uint64_t seed)
{
	unsigned k;

	(void)fprintf(f, "{\n  \"seed\": %llu,\n  \"scenarios\": %u,\n  \"jobs\": %u,\n  \"bound_slowdown\": %.9g,\n",
		      (unsigned long long)seed, c->scenarios, c->jobs, c->bound);
	(void)fputs("  \"strategies\": [", f);
	for (k = 0; k < c->n; k++) {
		(void)fprintf(f, "%s\n    {\"strategy\": \"%s\", \"mean_slowdown\": %.9g, \"best\": %u, \"moves\": ",
			      k ? "," : "", c->how[k]->name, c->slowdown[k], c->best[k]);
		if (isnan(c->moves[k]))
			(void)fputs("null}", f);
		else
			(void)fprintf(f, "%.9g}", c->moves[k]);
	}
	(void)fputs("\n  ]\n}\n", f);
}
