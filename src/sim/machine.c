/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processors and memory of the nodes: processor sharing.
 * The n jobs of a node share its CPUs equally; none gets more than one. A unit of work (a second of a standard CPU)
 * takes S = max(1 / speed, R / (CPUs * speed)) seconds of running or waiting for a CPU, R being the average number of
 * jobs that do that, and besides w seconds of waiting for something else: w = calls * call_us when the job is away from
 * home, and w = thrash * overcommitted part of the memory. So the job advances by 1 / (S + w) and is runnable for S /
 * (S + w) of the time; R is the sum of these parts, which is solved for. Promise: between two changes of a node
 * everything is linear, so that only changes are events. Must not: decide.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "internal.h"

#define LEFT 1e-9 /* s of work: less counts as done */

void node_advance(struct sim *s, uint32_t node)
{
	struct node *n = &s->nodes[node];
	double dt = (double)(s->now - n->last_ns) * 1e-9;
	uint32_t i;

	n->last_ns = s->now;
	for (i = 0; i < n->n_jobs && dt > 0; i++) {
		struct job *j = &s->jobs[n->jobs[i]];

		if (j->state != JOB_RUNS)
			continue;
		j->left -= j->rate * dt;
		j->cpu_s += j->share * dt;
		j->run_area += j->part * dt;
		j->cpu_area += j->share * dt;
		j->work_area += j->rate * dt;
	}
}

/* Seconds that the job waits for something else than a CPU, for each second of work. */
static double waits(const struct sim *s, const struct node *n, const struct job *j)
{
	double w = 0;

	if (n->mem_used > n->mem_total)
		w = number(&s->sc.model.thrash) * ((double)n->mem_used / (double)n->mem_total - 1);
	if (j->home != (uint32_t)(n - s->nodes) && !s->how->one_machine)
		w += j->calls * number(&s->sc.model.call_us) * 1e-6;
	return w;
}

/* Work that all jobs of the node would do in a second if a unit took each S seconds besides its waits. */
static double demand(const struct sim *s, const struct node *n, double S)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < n->n_jobs; i++)
		if (s->jobs[n->jobs[i]].state == JOB_RUNS)
			sum += 1 / (S + waits(s, n, &s->jobs[n->jobs[i]]));
	return sum;
}

/* S as above: the work done fits the CPUs. */
static double unit_time(const struct sim *s, const struct node *n)
{
	double low = 1 / n->one, high = (double)n->n_jobs / n->cap;
	unsigned i;

	if (high <= low || demand(s, n, low) <= n->cap)
		return low;
	if (demand(s, n, high) >= n->cap * (1 - 1e-12))
		return high; /* nobody waits for anything else */
	for (i = 0; i < 50; i++) {
		double middle = (low + high) / 2;

		if (demand(s, n, middle) > n->cap)
			low = middle;
		else
			high = middle;
	}
	return high;
}

void node_rates(struct sim *s, uint32_t node)
{
	struct node *n = &s->nodes[node];
	double S = unit_time(s, n), first = INFINITY;
	uint32_t i;

	n->runnable = 0;
	n->generation++;
	for (i = 0; i < n->n_jobs; i++) {
		struct job *j = &s->jobs[n->jobs[i]];

		j->rate = j->state == JOB_RUNS ? 1 / (S + waits(s, n, j)) : 0;
		j->part = j->rate * S;
		j->share = j->rate / n->one;
		n->runnable += j->part;
		if (j->rate > 0 && j->left / j->rate < first)
			first = j->left / j->rate;
	}
	if (s->tree)
		tree_update(s, node);
	if (isfinite(first))
		put(s, s->now + (first > 0 ? (uint64_t)ceil(first * 1e9) : 0),
		    (struct event){.type = EV_END, .a = node, .b = n->generation});
}

void job_put(struct sim *s, uint32_t job, uint32_t node)
{
	struct node *n = &s->nodes[node];
	struct job *j = &s->jobs[job];

	if (n->n_jobs == n->cap_jobs) {
		uint32_t cap = n->cap_jobs ? 2 * n->cap_jobs : 8;
		uint32_t *more = realloc(n->jobs, cap * sizeof(*more));

		if (!more) {
			s->error = -ENOMEM;
			return;
		}
		n->jobs = more;
		n->cap_jobs = cap;
	}
	node_advance(s, node);
	j->node = node;
	j->slot = n->n_jobs;
	n->jobs[n->n_jobs++] = job;
	n->mem_used += j->rss;
	j->state = JOB_RUNS;
	j->measured = false;
	j->run_area = j->cpu_area = j->work_area = 0;
	node_rates(s, node);
}

void job_remove(struct sim *s, uint32_t job)
{
	struct job *j = &s->jobs[job];
	struct node *n = &s->nodes[j->node];

	node_advance(s, j->node);
	n->jobs[j->slot] = n->jobs[--n->n_jobs];
	s->jobs[n->jobs[j->slot]].slot = j->slot;
	n->mem_used -= j->rss;
	node_rates(s, j->node);
}

void job_freeze(struct sim *s, uint32_t job, bool frozen)
{
	node_advance(s, s->jobs[job].node);
	s->jobs[job].state = frozen ? JOB_FROZEN : JOB_RUNS;
	node_rates(s, s->jobs[job].node);
}

void job_ends(struct sim *s, uint32_t job)
{
	struct job *j = &s->jobs[job];

	j->state = JOB_ENDED;
	j->end_ns = s->last_end = s->now;
	s->to_end--;
	s->tally.ended++;
	s->tally.frozen_ns += j->frozen_ns;
	if (j->moves && s->now - j->came_ns < j->move_cost_ns)
		s->tally.wasted++;
	daemon_gone(s, j->node, job);
}

void on_end(struct sim *s, uint32_t node, uint32_t generation)
{
	struct node *n = &s->nodes[node];
	uint32_t i;

	if (!n->up || n->generation != generation)
		return;
	node_advance(s, node);
	for (i = n->n_jobs; i--;) {
		uint32_t job = n->jobs[i];
		struct job *j = &s->jobs[job];

		if (j->state != JOB_RUNS || j->left > LEFT)
			continue;
		n->jobs[i] = n->jobs[--n->n_jobs];
		s->jobs[n->jobs[i]].slot = i;
		n->mem_used -= j->rss;
		job_ends(s, job);
	}
	node_rates(s, node);
}
