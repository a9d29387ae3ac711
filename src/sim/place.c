/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a job begins, by each strategy; and what no strategy can beat.
 * Promise: the static strategies see every node as it is at that moment, for nothing: what they are beaten by is not
 * their lack of news. Must not: cost O(nodes) for a job.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

static const struct sim_strategy strategies[] = {
    {.name = "none", .help = "every job stays where it was started", .place = SIM_AT_HOME},
    {.name = "round-robin", .help = "each job begins on the next node, and stays", .place = SIM_ROUND_ROBIN},
    {.name = "least-loaded",
     .help = "each job begins where it would be fastest at that moment, and stays",
     .place = SIM_LEAST_LOADED},
    {.name = "policy-place", .help = "the daemon's policy chooses where a job begins", .place = SIM_BY_POLICY},
    {.name = "policy-move", .help = "jobs begin at home, the daemon's policy moves them", .moves = true},
    {.name = "policy", .help = "the daemon's policy does both", .place = SIM_BY_POLICY, .moves = true},
    {.name = "economic",
     .help = "as policy, with its algorithm of opportunity cost",
     .place = SIM_BY_POLICY,
     .moves = true,
     .set = "policy.algorithm=1"},
    {.name = "one-machine",
     .help = "the whole cluster shared by all as one machine: perfect balance at no cost",
     .place = SIM_AT_HOME,
     .one_machine = true},
};

const struct sim_strategy *sim_strategy_at(unsigned i)
{
	return i < ARRAY_SIZE(strategies) ? &strategies[i] : NULL;
}

const struct sim_strategy *sim_strategy_find(const char *name)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(strategies); i++)
		if (strcmp(strategies[i].name, name) == 0)
			return &strategies[i];
	return NULL;
}

/* ---- the least loaded node: a tournament ----------------------------------------------------------------------- */

/* Time that a unit of work would take there, with one job more; between equals the one with fewer for each CPU. */
static double key_of(const struct sim *s, uint32_t i)
{
	const struct node *n = &s->nodes[i];
	double per_cpu = (n->n_jobs + n->expected + 1) / n->cap, key = fmax(1 / n->one, per_cpu);

	if (!n->up)
		return INFINITY;
	if (n->mem_used > n->mem_total)
		key += number(&s->sc.model.thrash) * ((double)n->mem_used / (double)n->mem_total - 1);
	return key + 1e-6 * per_cpu;
}

int tree_make(struct sim *s)
{
	uint32_t i;

	for (s->leaves = 1; s->leaves < s->n;)
		s->leaves *= 2;
	s->tree = malloc(2 * (size_t)s->leaves * sizeof(*s->tree));
	if (!s->tree)
		return -ENOMEM;
	for (i = 0; i < 2 * s->leaves; i++)
		s->tree[i] = INFINITY;
	for (i = 0; i < s->n; i++)
		tree_update(s, i);
	return 0;
}

void tree_update(struct sim *s, uint32_t node)
{
	uint32_t i = s->leaves + node;

	s->tree[i] = key_of(s, node);
	for (i /= 2; i; i /= 2)
		s->tree[i] = fmin(s->tree[2 * i], s->tree[2 * i + 1]);
}

uint32_t tree_least(const struct sim *s)
{
	uint32_t i = 1;

	while (i < s->leaves)
		i = s->tree[2 * i] <= s->tree[2 * i + 1] ? 2 * i : 2 * i + 1;
	return i - s->leaves;
}

/* ---- arrival ------------------------------------------------------------------------------------------------- */

static uint32_t next_round(struct sim *s)
{
	uint32_t i;

	do {
		i = s->next_round;
		s->next_round = (s->next_round + 1) % s->n;
	} while (!s->nodes[i].up);
	return i;
}

static void begin_at(struct sim *s, uint32_t job, uint32_t node)
{
	struct job *j = &s->jobs[job];

	if (node == j->home) {
		job_put(s, job, node);
		return;
	}
	s->tally.placed++;
	j->placed++;
	j->node = node;
	s->nodes[node].expected++;
	if (s->tree)
		tree_update(s, node);
	put(s, s->now + ns_of(number(&s->sc.model.start_ms) * 1e-3), (struct event){.type = EV_BEGIN, .a = job});
}

void on_begin(struct sim *s, uint32_t job)
{
	struct node *n = &s->nodes[s->jobs[job].node];

	if (n->expected)
		n->expected--;
	if (s->jobs[job].state != JOB_TO_COME)
		return;
	if (n->up)
		job_put(s, job, s->jobs[job].node);
	else
		job_lost(s, job);
}

void on_arrive(struct sim *s, uint32_t job)
{
	struct job *j = &s->jobs[job];

	s->tally.arrived++;
	if (!s->nodes[j->home].up) {
		job_lost(s, job);
		return;
	}
	switch (s->how->place) {
	case SIM_AT_HOME:
		job_put(s, job, j->home);
		break;
	case SIM_ROUND_ROBIN:
		begin_at(s, job, next_round(s));
		break;
	case SIM_LEAST_LOADED:
		begin_at(s, job, tree_least(s));
		break;
	case SIM_BY_POLICY:
		job_put(s, job, j->home);
		(void)daemon_place(s, job);
		break;
	}
}

/* ---- the bound ----------------------------------------------------------------------------------------------- */

struct waiting {
	double work, left, begin;
};

static void heap_put(struct waiting *heap, uint32_t *n, struct waiting w)
{
	uint32_t i = (*n)++;

	for (; i && w.work < heap[(i - 1) / 2].work; i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = w;
}

static void heap_drop(struct waiting *heap, uint32_t *n)
{
	struct waiting last = heap[--*n];
	uint32_t i = 0, child;

	while ((child = 2 * i + 1) < *n) {
		if (child + 1 < *n && heap[child + 1].work < heap[child].work)
			child++;
		if (heap[child].work >= last.work)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
}

/*
 * A lower bound of the mean slowdown. Let the cluster be one machine that does C units of work a second, and let M be
 * the average time at which a job is worked at. Of all schedules the one that always works at the shortest job (by its
 * whole work x) makes the sum of M / x least: what is done of x at the time t adds t / x^2 to that sum, so that an
 * exchange of two pieces in the wrong order only lowers it; and the cluster itself is such a schedule. A job is worked
 * at at the speed v of the fastest CPU at most, so it ends no earlier than x / 2v after M. So the sum of the slowdowns
 * is at least that of (M - begin) / x + 1 / 2v; and besides, no slowdown is below 1 / v.
 */
double bound_slowdown(const struct sim *s)
{
	_cleanup_free_ struct waiting *heap = calloc(s->n_jobs ? s->n_jobs : 1, sizeof(*heap));
	double C = 0, fastest = 0, now = 0, sum = 0, until;
	uint32_t n = 0, i;

	for (i = 0; i < s->n; i++) {
		C += s->nodes[i].cap;
		fastest = fmax(fastest, s->nodes[i].one);
	}
	if (!heap || !s->n_jobs)
		return NAN;
	for (i = 0; i < s->n_jobs || n;) {
		until = i < s->n_jobs ? (double)(s->jobs[i].begin_ns - s->zero) * 1e-9 : INFINITY;
		while (n && now < until) {
			double t = fmin(until - now, heap[0].left / C);
			bool ends = heap[0].left / C <= until - now;

			/* (t C / x) of the job at the mean time now + t / 2 */
			sum += t * C / heap[0].work * (now + t / 2 - heap[0].begin) / heap[0].work;
			now += t;
			heap[0].left -= t * C;
			if (ends)
				heap_drop(heap, &n);
		}
		if (i < s->n_jobs) {
			now = fmax(now, until);
			heap_put(heap, &n, (struct waiting){s->jobs[i].work, s->jobs[i].work, until});
			i++;
		}
	}
	return fmax(1 / fastest, sum / s->n_jobs + 1 / (2 * fastest));
}
