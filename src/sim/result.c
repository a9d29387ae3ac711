/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is measured during a run, and what is told of it afterwards.
 * Promise: looks at the cluster from outside, never changes it. Must not: print.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

#define LOOKED_AT 16 /* nodes whose view is measured each second: enough for a mean, and not O(nodes^2) */
#define POINTS_MAX 4096

static const struct sim_metric metrics[] = {
#define SIM_METRIC(name, decimals, unit, help) {#name, unit, help, decimals, offsetof(struct sim_result, name)},
#include "metrics.def"
#undef SIM_METRIC
};

const struct sim_metric *sim_metric_at(unsigned i)
{
	return i < ARRAY_SIZE(metrics) ? &metrics[i] : NULL;
}

double sim_metric_of(const struct sim_result *r, const struct sim_metric *m)
{
	double v;

	memcpy(&v, (const char *)r + m->offset, sizeof(v));
	return v;
}

void sim_result_release(struct sim_result *r)
{
	free(take_ptr(r->slowdowns));
	free(take_ptr(r->points));
}

/* ---- during the run -------------------------------------------------------------------------------------------- */

static void look_at_loads(struct sim *s)
{
	struct sim_point p = {.time_s = (double)(s->now - s->zero) * 1e-9};
	double cap = 0, jobs = 0;
	uint32_t i;

	for (i = 0; i < s->n; i++) {
		const struct node *n = &s->nodes[i];

		if (!n->up)
			continue;
		cap += n->cap;
		jobs += n->n_jobs;
		p.busiest = fmax(p.busiest, n->n_jobs / n->cap);
	}
	p.average = jobs / cap;
	if (s->n_points == s->cap_points) {
		uint32_t more = s->cap_points ? 2 * s->cap_points : 256;
		struct sim_point *points = more <= POINTS_MAX ? realloc(s->points, more * sizeof(*points)) : NULL;

		if (!points)
			return; /* a picture needs no more */
		s->points = points;
		s->cap_points = more;
	}
	s->points[s->n_points++] = p;
}

/* Ages of what a node knows of those that are there. */
static void look_at_view(struct sim *s, uint32_t node)
{
	double step_us = s->sc.params.gossip_ms * 1000.0, since, sum = 0, greatest = 0;
	const struct node *n = &s->nodes[node];
	struct policy_node_view v;
	unsigned cursor = 0, count = 0;

	if (!n->up || !n->policy)
		return;
	since = (double)(s->now - n->stepped_ns) / 1000; /* the policy's own time is that of its last event */
	while (policy_node_next(n->policy, &cursor, &v)) {
		uint32_t about = node_of(s, v.node->name);

		if (v.health == POLICY_SELF || v.health == POLICY_DEAD || about == NOBODY || !s->nodes[about].up)
			continue;
		count++;
		sum += (double)v.age_us + since;
		greatest = fmax(greatest, (double)v.age_us + since);
	}
	if (!count)
		return;
	s->tally.looks++;
	s->tally.age_average += sum / count / step_us;
	s->tally.age_greatest += greatest / step_us;
}

void on_look(struct sim *s)
{
	unsigned i;

	put(s, s->now + SECOND, (struct event){.type = EV_LOOK});
	look_at_loads(s);
	s->tally.node_seconds += s->n_up;
	if (!sim_strategy_has_daemons(s->how) || 2 * (s->now - s->zero) < s->arrivals_end - s->zero)
		return; /* they have met only just now, so at first everything is fresh */
	for (i = 0; i < LOOKED_AT; i++)
		look_at_view(s, luck_below(&s->luck_look, s->n));
}

/* ---- afterwards ------------------------------------------------------------------------------------------------ */

static int by_size(const void *a, const void *b)
{
	const double *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static double quantile(const struct sim_result *r, double part)
{
	if (!r->n_slowdowns)
		return NAN;
	return r->slowdowns[(unsigned)ceil(part * r->n_slowdowns) - 1];
}

static int jobs_result(const struct sim *s, struct sim_result *r)
{
	double sum = 0, time = 0, work = 0, frozen = 0, cap = 0;
	uint32_t i;

	r->slowdowns = calloc(s->n_jobs ? s->n_jobs : 1, sizeof(*r->slowdowns));
	if (!r->slowdowns)
		return -ENOMEM;
	for (i = 0; i < s->n_jobs; i++) {
		const struct job *j = &s->jobs[i];
		double t = (double)(j->end_ns - j->begin_ns) * 1e-9;

		r->unfinished += j->state == JOB_RUNS || j->state == JOB_FROZEN;
		if (j->state != JOB_ENDED)
			continue;
		r->slowdowns[r->n_slowdowns++] = t / j->work;
		sum += t / j->work;
		time += t;
		work += j->work;
		frozen += (double)j->frozen_ns * 1e-9;
	}
	qsort(r->slowdowns, r->n_slowdowns, sizeof(*r->slowdowns), by_size);
	for (i = 0; i < s->n; i++)
		cap += s->nodes[i].cap;
	r->mean_slowdown = sum / r->n_slowdowns; /* of no jobs: not a number */
	r->median_slowdown = quantile(r, 0.5);
	r->p95_slowdown = quantile(r, 0.95);
	r->p99_slowdown = quantile(r, 0.99);
	r->mean_time_s = time / r->n_slowdowns;
	r->makespan_s = s->last_end ? (double)(s->last_end - s->jobs[0].begin_ns) * 1e-9 : NAN;
	r->utilisation = 100 * work / cap / r->makespan_s;
	r->frozen = 100 * frozen / time;
	r->bound_slowdown = s->tally.lost || r->unfinished > 0 ? NAN : bound_slowdown(s);
	return 0;
}

/* Users share the cluster fairly when their jobs are slowed alike. */
static void users_result(const struct sim *s, struct sim_result *r)
{
	double sum[SIM_USERS_MAX + 1] = {0}, jobs[SIM_USERS_MAX + 1] = {0}, least = NAN, greatest = NAN;
	uint32_t i, users = 0;

	for (i = 0; i < s->n_jobs; i++) {
		const struct job *j = &s->jobs[i];

		if (j->state != JOB_ENDED)
			continue;
		sum[j->user] += (double)(j->end_ns - j->begin_ns) * 1e-9 / j->work;
		jobs[j->user]++;
	}
	for (i = 0; i <= SIM_USERS_MAX; i++)
		r->user_slowdown[i] = i && jobs[i] > 0 ? sum[i] / jobs[i] : NAN;
	for (i = 1; i <= SIM_USERS_MAX; i++) {
		users += jobs[i] > 0;
		least = fmin(least, r->user_slowdown[i]);
		greatest = fmax(greatest, r->user_slowdown[i]);
	}
	r->unfairness = users > 1 ? greatest / least : NAN;
}

static void moves_result(const struct sim *s, struct sim_result *r)
{
	const struct tally *t = &s->tally;
	double jobs = t->arrived ? (double)t->arrived : NAN;

	r->placed = s->how->place == SIM_AT_HOME ? NAN : (double)t->placed / jobs;
	r->moves = r->wasted = r->refused = r->failed = NAN;
	if (!sim_strategy_has_daemons(s->how)) {
		r->frozen = NAN;
		return;
	}
	r->moves = (double)t->moves / jobs;
	r->wasted = 100 * (double)t->wasted / (double)t->moves;
	r->refused = (double)t->refused / jobs;
	r->failed = (double)t->failed / jobs;
}

static void nodes_result(const struct sim *s, struct sim_result *r)
{
	double joins = 0, sum = 0, worst = NAN;
	uint32_t i;

	for (i = 0; i < s->n; i++) {
		const struct node *n = &s->nodes[i];

		if (n->joined && n->worked_ns) {
			joins++;
			sum += (double)(n->worked_ns - n->joined_ns) * 1e-9;
		}
		if (n->died_ns)
			worst = fmax(worst, n->avoided_ns ? (double)(n->avoided_ns - n->died_ns) * 1e-9 : 0);
	}
	r->join_work_s = sum / joins;
	r->death_avoid_s = worst;
	r->death_first_s = s->tally.first_s / (double)s->tally.seen_dead; /* of no deaths: not a number */
	r->death_half_s = s->tally.half_s / (double)s->tally.seen_dead;
	r->death_all_s = s->tally.all_s / (double)s->tally.seen_dead;
	r->death_dead_s = s->tally.buried_s / (double)s->tally.seen_dead;
}

static void gossip_result(const struct sim *s, struct sim_result *r)
{
	const struct tally *t = &s->tally;
	uint32_t n = s->known + 1, w = s->sc.params.window;

	r->age_average = t->age_average / (double)t->looks;
	r->age_greatest = t->age_greatest / (double)t->looks;
	r->age_average_formula = (double)policy_gossip_avg_age(n, w) / 1000;
	r->age_greatest_formula = (double)policy_gossip_max_age(n, w) / 1000;
	r->gossip_bytes = (double)t->bytes / ((double)(s->now - STARTED) * 1e-9) / s->n;
	r->false_suspicions = (double)t->suspicions / t->node_seconds * 3600;
	r->false_suspicions_well = (double)t->well_suspected / t->node_seconds * 3600;
	r->false_deaths = (double)t->deaths / t->node_seconds * 3600;
}

int result_make(struct sim *s, struct sim_result *r)
{
	int k = jobs_result(s, r);

	if (k < 0)
		return k;
	r->jobs = (double)s->tally.arrived;
	r->ended = (double)s->tally.ended;
	r->lost = (double)s->tally.lost;
	users_result(s, r);
	moves_result(s, r);
	r->age_average = r->age_greatest = r->age_average_formula = r->age_greatest_formula = NAN;
	r->death_first_s = r->death_half_s = r->death_all_s = r->death_dead_s = r->false_suspicions_well = NAN;
	r->gossip_bytes = r->false_suspicions = r->false_deaths = r->join_work_s = r->death_avoid_s = NAN;
	if (sim_strategy_has_daemons(s->how)) {
		gossip_result(s, r);
		nodes_result(s, r);
	}
	r->simulated_s = (double)(s->now - STARTED) * 1e-9;
	r->points = take_ptr(s->points);
	r->n_points = s->n_points;
	return 0;
}
