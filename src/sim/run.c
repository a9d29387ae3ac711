/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run from its beginning to its end: the loop, and what happens to whole nodes.
 * Promise: it ends: no later than limit_s after the last arrival. Must not: know what a message holds.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "internal.h"

enum purpose { FOR_NETWORK = 11, FOR_LOOKS, FOR_SLOW };

void put(struct sim *s, uint64_t time, struct event e)
{
	e.time = time;
	if (queue_put(&s->queue, e) == 0)
		return;
	free(e.p);
	s->error = -ENOMEM;
}

void job_lost(struct sim *s, uint32_t job)
{
	struct job *j = &s->jobs[job];

	if (j->state == JOB_RUNS || j->state == JOB_FROZEN) {
		job_remove(s, job);
		if (s->nodes[j->node].up)
			daemon_gone(s, j->node, job);
	}
	j->state = JOB_LOST;
	s->tally.lost++;
	s->to_end--;
}

/* ---- nodes come and go ----------------------------------------------------------------------------------------- */

static void node_dies(struct sim *s, uint32_t node)
{
	struct node *n = &s->nodes[node];
	uint32_t i;

	if (!n->up || s->n_up == 1)
		return;
	n->up = false;
	s->n_up--;
	n->died_ns = s->now;
	n->avoided_ns = 0;
	n->awake_ns = 0;
	notices_begin(s, node);
	for (i = 0; i < s->n_jobs; i++) {
		struct job *j = &s->jobs[i];
		bool here = j->state == JOB_RUNS || j->state == JOB_FROZEN;

		if (here && (j->node == node || j->home == node))
			job_lost(s, i);
		else if (j->state == JOB_TO_COME && j->begin_ns <= s->now && j->home == node)
			job_lost(s, i);
	}
	policy_free(n->policy);
	n->policy = NULL;
	n->n_gone = 0;
	if (s->tree)
		tree_update(s, node);
}

static void node_joins(struct sim *s, uint32_t node)
{
	struct node *n = &s->nodes[node];

	if (n->up)
		return;
	notices_end(s, node);
	n->up = n->joined = true;
	s->n_up++;
	n->joined_ns = n->last_ns = s->now;
	n->worked_ns = 0;
	n->phase_ns = SECOND;
	if (s->tree)
		tree_update(s, node);
	if (!sim_strategy_has_daemons(s->how))
		return;
	if (daemon_start(s, node) < 0)
		s->error = -ENOMEM;
	else
		daemon_join(s, node);
}

static void on_failure(struct sim *s, uint32_t i)
{
	const struct sim_section_event *ev = &s->sc.event[i];

	if (s->how->one_machine)
		return;
	if (number(&ev->die) > 0)
		node_dies(s, (uint32_t)(number(&ev->die) + 0.5) - 1);
	else
		node_joins(s, (uint32_t)(number(&ev->join) + 0.5) - 1);
}

/* ---- the loop -------------------------------------------------------------------------------------------------- */

static void happen(struct sim *s, const struct event *e)
{
	switch (e->type) {
	case EV_ARRIVE:
		on_arrive(s, e->a);
		if (e->a + 1 < s->n_jobs)
			put(s, s->jobs[e->a + 1].begin_ns, (struct event){.type = EV_ARRIVE, .a = e->a + 1});
		break;
	case EV_BEGIN:
		on_begin(s, e->a);
		break;
	case EV_END:
		on_end(s, e->a, e->b);
		break;
	case EV_SECOND:
		on_second(s, e->a, e->b);
		break;
	case EV_GOSSIP:
		on_gossip(s, e->p);
		break;
	case EV_OFFER:
		on_offer(s, e->p);
		break;
	case EV_ANSWER:
		on_answer(s, e->p);
		break;
	case EV_CAME:
		on_came(s, e->p);
		break;
	case EV_SILENT:
		on_silent(s, e->a, e->b);
		break;
	case EV_FAILURE:
		on_failure(s, e->a);
		break;
	case EV_LOOK:
		on_look(s);
		break;
	}
}

static int start(struct sim *s)
{
	uint32_t i;
	int r = 0;

	s->luck_net = luck_of(s->seed, FOR_NETWORK);
	s->luck_look = luck_of(s->seed, FOR_LOOKS);
	s->luck_slow = luck_of(s->seed, FOR_SLOW);
	for (i = 0; i < s->n; i++) {
		s->nodes[i].last_ns = s->now;
		s->nodes[i].slow = luck_part(&s->luck_slow) * 100 < number(&s->sc.model.slow_percent);
		s->n_up += s->nodes[i].up;
		if (s->nodes[i].up && sim_strategy_has_daemons(s->how))
			r = daemon_start(s, i);
		if (r < 0)
			return r;
	}
	if (sim_strategy_has_daemons(s->how))
		daemons_meet(s);
	if (s->how->place == SIM_LEAST_LOADED && tree_make(s) < 0)
		return -ENOMEM;
	if (s->n_jobs)
		put(s, s->jobs[0].begin_ns, (struct event){.type = EV_ARRIVE, .a = 0});
	for (i = 0; i < s->sc.n_event; i++)
		put(s, s->zero + ns_of(number(&s->sc.event[i].at_s)), (struct event){.type = EV_FAILURE, .a = i});
	put(s, s->zero, (struct event){.type = EV_LOOK});
	return s->error;
}

static void loop(struct sim *s)
{
	uint64_t limit = s->arrivals_end + ns_of(number(&s->sc.run.limit_s));
	struct event e;

	while (!s->error && (s->to_end || s->now < s->arrivals_end) && queue_take(&s->queue, &e)) {
		if (e.time > limit) {
			free(e.p);
			break;
		}
		s->now = e.time;
		happen(s, &e);
	}
}

static void release(struct sim *s)
{
	struct event e;
	uint32_t i;

	while (queue_take(&s->queue, &e))
		free(e.p);
	queue_release(&s->queue);
	for (i = 0; s->nodes && i < s->n; i++) {
		policy_free(s->nodes[i].policy);
		free(s->nodes[i].jobs);
		free(s->nodes[i].gone);
		free(s->nodes[i].doubted_by);
	}
	free(s->nodes);
	free(s->jobs);
	free(s->tree);
	free(s->points);
	free(s);
}

int sim_run(const struct sim_scenario *sc, const struct sim_strategy *how, uint64_t seed, struct sim_result *ret,
	    struct err *e)
{
	struct sim *s = calloc(1, sizeof(*s));
	uint32_t i;
	int r;

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	*ret = (struct sim_result){.slowdowns = NULL};
	s->sc = *sc;
	s->how = how;
	s->seed = seed;
	s->now = STARTED;
	scenario_draw(&s->sc, seed);
	s->zero = STARTED + ns_of(number(&s->sc.run.warmup_s));
	r = how->set ? sim_scenario_set(&s->sc, how->set, e) : 0;
	if (r == 0)
		r = nodes_make(s, e);
	if (r == 0)
		r = jobs_make(s, e);
	if (r == 0) {
		r = start(s);
		if (r == 0)
			loop(s);
		for (i = 0; i < s->n; i++)
			notices_end(s, i);
		if (r == 0)
			r = s->error ? s->error : result_make(s, ret);
		if (r < 0)
			(void)err_set(e, r, r == -ENOMEM ? "out of memory" : "the nodes cannot be made");
	}
	release(s);
	return r;
}
