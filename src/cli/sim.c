/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit sim: a cluster in virtual time. Promise: results go to stdout, talk to stderr; the seed is always shown.
 * Must not: need a daemon or root.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cli.h"
#include "sim/sim.h"

static const char usual[] = "none,round-robin,least-loaded,policy-place,policy-move,policy,economic,one-machine";

/* Fills columns[] with the strategies of "A,B,..."; their number or -EINVAL. */
static int strategies(const char *list, struct sim_column columns[SIM_STRATEGIES_MAX], struct err *e)
{
	_cleanup_free_ char *copy = strdup(list);
	char *name, *rest = copy;
	int n = 0;

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	while ((name = strsep(&rest, ","))) {
		if (n == SIM_STRATEGIES_MAX)
			return err_set(e, -EINVAL, "more than %d strategies", SIM_STRATEGIES_MAX);
		columns[n].how = sim_strategy_find(name);
		if (!columns[n++].how)
			return err_set(e, -EINVAL, "there is no strategy %.40s: it is one of %s", name, usual);
	}
	return n;
}

typedef void printer(FILE *f, const struct sim_column *columns, unsigned n, uint64_t seed);

static void svg(FILE *f, const struct sim_column *columns, unsigned n, uint64_t seed)
{
	(void)seed;
	sim_print_svg(f, columns, n);
}

static int into_file(const char *path, printer *print, const struct sim_column *columns, unsigned n, uint64_t seed,
		     struct err *e)
{
	FILE *f;
	int bad;

	if (!path)
		return 0;
	f = fopen(path, "we");
	if (!f)
		return err_set(e, -EIO, "%.200s cannot be written: %s", path, strerror(errno));
	print(f, columns, n, seed);
	bad = ferror(f);
	if (fclose(f) != 0 || bad)
		return err_set(e, -EIO, "%.200s could not be written", path);
	return 0;
}

static int run_all(struct cli *cx, const struct sim_scenario *s, uint64_t seed, struct err *e)
{
	struct sim_column columns[SIM_STRATEGIES_MAX] = {{.how = NULL}};
	const char *list = cli_value(cx, "strategy");
	int n = strategies(list ? list : usual, columns, e), i, r = n < 0 ? n : 0;

	for (i = 0; i < n && r == 0; i++)
		r = sim_run(s, columns[i].how, seed, &columns[i].result, e);
	if (r == 0 && cli_given(cx, "json"))
		sim_print_json(stdout, columns, (unsigned)n, seed);
	else if (r == 0) {
		printf("seed %llu\n", (unsigned long long)seed);
		sim_print_table(stdout, columns, (unsigned)n);
	}
	if (r == 0)
		r = into_file(cli_value(cx, "csv"), sim_print_csv, columns, (unsigned)n, seed, e);
	if (r == 0)
		r = into_file(cli_value(cx, "plot"), svg, columns, (unsigned)n, seed, e);
	for (i = 0; i < n; i++)
		sim_result_release(&columns[i].result);
	return r;
}

static int compare(struct cli *cx, const struct sim_scenario *s, uint64_t seed, struct err *e)
{
	double scenarios = s->run.scenarios.p[0].low;
	const char *given = cli_value(cx, "scenarios");
	struct sim_comparison c;
	int r;

	if (given && cli_number(given, "scenarios", 1, 1e6, &scenarios, e) < 0)
		return e->code;
	r = sim_compare(s, (unsigned)scenarios, seed, cli_given(cx, "json") ? NULL : stderr, &c, e);
	if (r < 0)
		return r;
	if (cli_given(cx, "json"))
		sim_print_comparison_json(stdout, &c, seed);
	else
		sim_print_comparison(stdout, &c, seed);
	return 0;
}

static int replay(struct cli *cx)
{
	struct sim_replay r;
	struct err e = {0};

	if (cli_given(cx, "rewrite"))
		return sim_rewrite_file(cx->argv[0], cli_value(cx, "rewrite"), &e) < 0 ? cli_fail(&e) : CLI_OK;
	if (sim_replay_file(cx->argv[0], &r, &e) < 0)
		return cli_fail(&e);
	printf("the same: %llu steps of %.0f s, %llu actions, %llu moves%s\n", (unsigned long long)r.steps, r.seconds,
	       (unsigned long long)r.actions, (unsigned long long)r.moves, r.cut ? "; the last record is cut off" : "");
	return CLI_OK;
}

static int simulate(struct cli *cx)
{
	const char *set = cli_value(cx, "set"), *given = cli_value(cx, "seed");
	_cleanup_free_ struct sim_scenario *s = malloc(sizeof(*s));
	struct err e = {0};
	double seed;
	int r;

	if (!s)
		return cli_fail((err_set(&e, -ENOMEM, "out of memory"), &e));
	r = sim_scenario_read(cx->argv[0], s, &e);
	if (r == 0 && set)
		r = sim_scenario_set(s, set, &e);
	if (r == 0) {
		seed = s->run.seed.p[0].low;
		if (given)
			r = cli_number(given, "seed", 0, 1e15, &seed, &e);
	}
	if (r == 0)
		r = cli_given(cx, "compare") ? compare(cx, s, (uint64_t)seed, &e) : run_all(cx, s, (uint64_t)seed, &e);
	return r < 0 ? cli_fail(&e) : CLI_OK;
}

int verb_sim(struct cli *cx)
{
	return cli_given(cx, "replay") || cli_given(cx, "rewrite") ? replay(cx) : simulate(cx);
}
