/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The simulator: thousands of nodes in virtual time, each with a policy of its own, the same library as the daemon's.
 * Promise: the same scenario, strategy and seed give the same result, byte for byte. Must not: use the clock or decide
 * anything that the policy decides. docs/simulator.md tells what the model leaves out.
 */
#ifndef GODWIT_SIM_SIM_H
#define GODWIT_SIM_SIM_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"
#include "policy/policy.h"

/* ---- scenarios --------------------------------------------------------------------------------------------- */

enum sim_word { /* what a value begins with */
		SIM_NUMBER,
		SIM_FIXED,
		SIM_UNIFORM,
		SIM_EXPONENTIAL,
		SIM_PARETO,
		SIM_POISSON,
		SIM_LOAD,
		SIM_ONCE,
		SIM_EVERY,
		SIM_ANY,
		SIM_WORD__MAX
};

struct sim_range {
	double low, high; /* equal unless the file said "low..high": then one number is drawn for the whole run */
};

struct sim_value {
	enum sim_word word;
	unsigned n;
	struct sim_range p[3];
};

/* A section; which fields count is in keys.def. */
struct sim_section_run {
	struct sim_value seed, duration_s, limit_s, warmup_s, scenarios;
};
struct sim_section_nodes {
	struct sim_value count, cpus, speed, memory;
};
struct sim_section_jobs {
	struct sim_value arrive, home, from_s, until_s, user, work, memory, calls;
};
struct sim_section_event {
	struct sim_value at_s, die, join;
};
struct sim_section_network {
	struct sim_value delay_ms, loss_percent, silence_ms, answer;
};
struct sim_section_model {
	struct sim_value call_us, move_ms, bandwidth_mib, start_ms, refusable, thrash, known, processes, slow_percent,
	    slow_s;
};

#define SIM_USERS_MAX 64 /* who start jobs, from 1 on; 0: nobody's */
#define SIM_SECTIONS_MAX 64 /* of each kind that may stand several times */

struct sim_scenario {
	struct sim_section_run run;
	struct sim_section_network network;
	struct sim_section_model model;
	struct policy_params params;
	struct sim_section_nodes nodes[SIM_SECTIONS_MAX];
	struct sim_section_jobs jobs[SIM_SECTIONS_MAX];
	struct sim_section_event event[SIM_SECTIONS_MAX];
	unsigned n_nodes, n_jobs, n_event; /* sections */
};

/* Understands a scenario. name is for messages: "NAME:LINE: what is wrong". The result is checked as a whole, too. */
int sim_scenario_parse(const char *name, const char *text, struct sim_scenario *ret, struct err *e) _must_check_;
int sim_scenario_read(const char *path, struct sim_scenario *ret, struct err *e) _must_check_;
/* Changes keys: "SECTION.KEY=VALUE[,SECTION.KEY=VALUE...]"; not of sections that may stand several times. */
int sim_scenario_set(struct sim_scenario *s, const char *settings, struct err *e) _must_check_;

/* ---- strategies -------------------------------------------------------------------------------------------- */

enum sim_place { SIM_AT_HOME, SIM_ROUND_ROBIN, SIM_LEAST_LOADED, SIM_BY_POLICY };

struct sim_strategy {
	const char *name, *help;
	enum sim_place place;
	bool moves; /* the policies may move what runs */
	bool one_machine; /* the whole cluster is one machine */
	const char *set; /* policy parameters, as for sim_scenario_set(), or NULL */
};

const struct sim_strategy *sim_strategy_at(unsigned i); /* NULL behind the last */
const struct sim_strategy *sim_strategy_find(const char *name); /* NULL: there is none */
static inline bool sim_strategy_has_daemons(const struct sim_strategy *s)
{
	return s->place == SIM_BY_POLICY || s->moves;
}

/* ---- runs -------------------------------------------------------------------------------------------------- */

struct sim_result {
#define SIM_METRIC(name, decimals, unit, help) double name;
#include "metrics.def"
#undef SIM_METRIC
	double user_slowdown[SIM_USERS_MAX + 1]; /* mean of the jobs of each user that ended; NAN: he had none */
	double *slowdowns; /* of all jobs that ended, sorted; owned */
	unsigned n_slowdowns;
	struct sim_point {
		double time_s, busiest, average; /* jobs for each CPU of a standard machine */
	} * points; /* owned */
	unsigned n_points;
};

struct sim_metric {
	const char *name, *unit, *help;
	unsigned decimals;
	size_t offset; /* of the double in struct sim_result */
};

const struct sim_metric *sim_metric_at(unsigned i); /* NULL behind the last */
double sim_metric_of(const struct sim_result *r, const struct sim_metric *m); /* NAN: does not apply */

/* Runs it once. -ENOMEM; -EINVAL when the scenario, with its numbers drawn, makes no sense. */
int sim_run(const struct sim_scenario *s, const struct sim_strategy *how, uint64_t seed, struct sim_result *ret,
	    struct err *e) _must_check_;
void sim_result_release(struct sim_result *r);

/* ---- comparing and showing --------------------------------------------------------------------------------- */

struct sim_column {
	const struct sim_strategy *how;
	struct sim_result result;
};

void sim_print_table(FILE *f, const struct sim_column *columns, unsigned n);
void sim_print_csv(FILE *f, const struct sim_column *columns, unsigned n, uint64_t seed);
void sim_print_json(FILE *f, const struct sim_column *columns, unsigned n, uint64_t seed);
void sim_print_svg(FILE *f, const struct sim_column *columns, unsigned n);

/* Means over many scenarios drawn from one file; the strategies see the same jobs. */
#define SIM_STRATEGIES_MAX 16
struct sim_comparison {
	unsigned scenarios, jobs;
	unsigned n; /* strategies */
	const struct sim_strategy *how[SIM_STRATEGIES_MAX];
	double slowdown[SIM_STRATEGIES_MAX]; /* mean over the scenarios of the mean over the jobs */
	double moves[SIM_STRATEGIES_MAX]; /* a job */
	unsigned best[SIM_STRATEGIES_MAX]; /* scenarios in which none but one-machine was better */
	double bound;
};

int sim_compare(const struct sim_scenario *s, unsigned scenarios, uint64_t seed, FILE *progress,
		struct sim_comparison *ret, struct err *e) _must_check_;
void sim_print_comparison(FILE *f, const struct sim_comparison *c, uint64_t seed);
void sim_print_comparison_json(FILE *f, const struct sim_comparison *c, uint64_t seed);

/* ---- replay ------------------------------------------------------------------------------------------------ */

struct sim_replay {
	uint64_t starts, steps, actions, moves;
	double seconds;
	bool cut; /* the last record is not whole: the daemon was killed */
};

/* Feeds a recording (godwitd --record) to a fresh policy. -EILSEQ: it answers otherwise, e says where first;
 * -EBADMSG, -EPROTONOSUPPORT: no good recording. */
int sim_replay(const uint8_t *bytes, size_t n, struct sim_replay *ret, struct err *e) _must_check_;
int sim_replay_file(const char *path, struct sim_replay *ret, struct err *e) _must_check_;
/* Writes the same events with what is answered now: for a policy that was changed on purpose. */
int sim_rewrite_file(const char *path, const char *to, struct err *e) _must_check_;

#endif
