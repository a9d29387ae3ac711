/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is drawn before a run: the numbers of the scenario, the nodes, the jobs.
 * Promise: the same seed gives every strategy the same nodes and jobs. Must not: look at the strategy but for the one
 * machine that the whole cluster is.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

#define NODES_MAX 100000
#define JOBS_MAX 20000000

enum purpose { FOR_SCENARIO = 1, FOR_NODES, FOR_JOBS };

static void draw_all(struct luck *l, void *section, size_t size)
{
	struct sim_value *v = section;
	size_t i;

	for (i = 0; i < size / sizeof(*v); i++)
		range_draw(l, &v[i]);
}

void scenario_draw(struct sim_scenario *s, uint64_t seed)
{
	struct luck l = luck_of(seed, FOR_SCENARIO);
	unsigned i;

	draw_all(&l, &s->run, sizeof(s->run));
	draw_all(&l, &s->network, sizeof(s->network));
	draw_all(&l, &s->model, sizeof(s->model));
	for (i = 0; i < s->n_nodes; i++)
		draw_all(&l, &s->nodes[i], sizeof(s->nodes[i]));
	for (i = 0; i < s->n_jobs; i++)
		draw_all(&l, &s->jobs[i], sizeof(s->jobs[i]));
	for (i = 0; i < s->n_event; i++)
		draw_all(&l, &s->event[i], sizeof(s->event[i]));
}

/* ---- nodes ------------------------------------------------------------------------------------------------- */

static uint32_t whole(const struct sim_value *v)
{
	return (uint32_t)(number(v) + 0.5);
}

static void node_make(struct node *n, uint32_t i, const struct sim_section_nodes *g, struct luck *l)
{
	double cpus = luck_draw(l, &g->cpus), speed = luck_draw(l, &g->speed), memory = luck_draw(l, &g->memory);

	n->cpus_milli = (uint32_t)(cpus * 1000 + 0.5);
	n->speed = (uint32_t)(speed + 0.5);
	n->mem_total = (uint64_t)memory;
	n->up = true;
	n->phase_ns = luck_next(l) % SECOND;
	if (!n->cpus_milli)
		n->cpus_milli = 1;
	n->one = (double)n->speed / POLICY_SPEED_STANDARD;
	n->cap = n->one * n->cpus_milli / 1000;
	n->entry.port = 7117;
	n->entry.cpus_milli = n->cpus_milli;
	n->entry.speed = n->speed;
	n->entry.mem_total = n->mem_total;
	(void)snprintf(n->entry.name, sizeof(n->entry.name), "n%u", i + 1);
	(void)snprintf(n->entry.address, sizeof(n->entry.address), "10.%u.%u.%u", i / 62500, i / 250 % 250, i % 250);
	(void)snprintf(n->entry.version, sizeof(n->entry.version), "sim");
}

/* The node of an event, from 0 on; the first event of one that joins must not find it there. */
static int events_check(struct sim *s, struct err *e)
{
	unsigned i, k;

	for (i = 0; i < s->sc.n_event; i++) {
		const struct sim_section_event *ev = &s->sc.event[i];
		uint32_t node = whole(number(&ev->die) > 0 ? &ev->die : &ev->join);
		bool first = true;

		if (node > s->n)
			return err_set(e, -EINVAL, "[event] %u is about node %u, but there are %u", i + 1, node, s->n);
		for (k = 0; k < s->sc.n_event; k++)
			first = first && !(whole(&s->sc.event[k].die) == node &&
					   number(&s->sc.event[k].at_s) <= number(&ev->at_s));
		if (whole(&ev->join) == node && first)
			s->nodes[node - 1].up = false;
	}
	return 0;
}

static void make_one_machine(struct sim *s)
{
	struct node one = s->nodes[0];
	uint32_t i;

	one.cap = 0;
	one.mem_total = 0;
	for (i = 0; i < s->n; i++) {
		one.one = fmax(one.one, s->nodes[i].one);
		one.cap += s->nodes[i].cap;
		one.mem_total += s->nodes[i].mem_total;
	}
	s->nodes[0] = one;
	s->n = 1;
}

int nodes_make(struct sim *s, struct err *e)
{
	struct luck l = luck_of(s->seed, FOR_NODES);
	uint32_t i, k, n = 0;

	for (i = 0; i < s->sc.n_nodes; i++)
		s->n += whole(&s->sc.nodes[i].count);
	if (!s->n || s->n > NODES_MAX)
		return err_set(e, -EINVAL, "a scenario has 1 to %u nodes", NODES_MAX);
	s->nodes = calloc(s->n, sizeof(*s->nodes));
	if (!s->nodes)
		return err_set(e, -ENOMEM, "out of memory");
	for (i = 0; i < s->sc.n_nodes; i++)
		for (k = 0; k < whole(&s->sc.nodes[i].count); k++, n++)
			node_make(&s->nodes[n], n, &s->sc.nodes[i], &l);
	return events_check(s, e);
}

/* ---- jobs -------------------------------------------------------------------------------------------------- */

static int job_add(struct sim *s, uint32_t *cap, const struct sim_section_jobs *g, double at_s, uint32_t home,
		   struct luck *l, struct err *e)
{
	struct job *more;

	if (s->n_jobs == JOBS_MAX)
		return err_set(e, -EINVAL, "there would be more than %u jobs", JOBS_MAX);
	if (s->n_jobs == *cap) {
		*cap = *cap ? 2 * *cap : 1024;
		more = realloc(s->jobs, *cap * sizeof(*more));
		if (!more)
			return err_set(e, -ENOMEM, "out of memory");
		s->jobs = more;
	}
	if (g->home.word == SIM_ANY)
		home = luck_below(l, s->n);
	s->jobs[s->n_jobs] = (struct job){.home = home,
					  .node = home,
					  .user = whole(&g->user),
					  .begin_ns = s->zero + ns_of(at_s),
					  .work = fmax(luck_draw(l, &g->work), 1e-6),
					  .rss = (uint64_t)luck_draw(l, &g->memory),
					  .calls = luck_draw(l, &g->calls)};
	s->jobs[s->n_jobs].left = s->jobs[s->n_jobs].work;
	s->n_jobs++;
	return 0;
}

static double capacity(const struct sim *s)
{
	double sum = 0;
	uint32_t i;

	for (i = 0; i < s->n; i++)
		sum += s->nodes[i].up ? s->nodes[i].cap : 0;
	return sum;
}

static int section_jobs(struct sim *s, uint32_t *cap, const struct sim_section_jobs *g, struct luck *l, struct err *e)
{
	double until = fmin(number(&g->until_s), number(&s->sc.run.duration_s)), at = number(&g->from_s), gap;
	uint32_t home = g->home.word == SIM_ANY ? 0 : whole(&g->home) - 1, i;
	double rate = g->arrive.p[0].low;

	if (home >= s->n)
		return err_set(e, -EINVAL, "[jobs] is about node %u, but there are %u", home + 1, s->n);
	if (g->arrive.word == SIM_ONCE) {
		for (i = 0; i < whole(&g->arrive); i++)
			if (job_add(s, cap, g, at, home, l, e) < 0)
				return e->code;
		return 0;
	}
	if (g->arrive.word == SIM_LOAD)
		rate *= capacity(s) / law_mean(&g->work);
	for (;;) {
		gap = g->arrive.word == SIM_EVERY ? rate : luck_exponential(l, 1 / rate);
		at += gap;
		if (!(at <= until))
			return 0;
		if (job_add(s, cap, g, at, home, l, e) < 0)
			return e->code;
	}
}

struct order {
	uint64_t time;
	uint32_t index;
};

static int by_time(const void *a, const void *b)
{
	const struct order *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->index < y->index ? -1 : x->index > y->index;
}

/* The number of a job is its place in time, whichever section it comes from. */
static int sort_jobs(struct sim *s)
{
	_cleanup_free_ struct order *order = calloc(s->n_jobs ? s->n_jobs : 1, sizeof(*order));
	struct job *sorted = calloc(s->n_jobs ? s->n_jobs : 1, sizeof(*sorted));
	uint32_t i;

	if (!order || !sorted) {
		free(sorted);
		return -ENOMEM;
	}
	for (i = 0; i < s->n_jobs; i++)
		order[i] = (struct order){s->jobs[i].begin_ns, i};
	qsort(order, s->n_jobs, sizeof(*order), by_time);
	for (i = 0; i < s->n_jobs; i++)
		sorted[i] = s->jobs[order[i].index];
	free(s->jobs);
	s->jobs = sorted;
	return 0;
}

int jobs_make(struct sim *s, struct err *e)
{
	struct luck l = luck_of(s->seed, FOR_JOBS);
	uint32_t cap = 0, i;

	for (i = 0; i < s->sc.n_jobs; i++)
		if (section_jobs(s, &cap, &s->sc.jobs[i], &l, e) < 0)
			return err_prefix(e, "section %u", i + 1);
	if (sort_jobs(s) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	s->to_end = s->n_jobs;
	s->arrivals_end = s->zero + (s->n_jobs ? s->jobs[s->n_jobs - 1].begin_ns - s->zero : 0);
	if (s->arrivals_end < s->zero + ns_of(number(&s->sc.run.duration_s)))
		s->arrivals_end = s->zero + ns_of(number(&s->sc.run.duration_s));
	if (s->how->one_machine) {
		make_one_machine(s);
		for (i = 0; i < s->n_jobs; i++)
			s->jobs[i].home = s->jobs[i].node = 0;
	}
	return 0;
}
