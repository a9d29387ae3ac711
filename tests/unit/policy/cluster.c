/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cluster.h. Time advances in steps of 50 ms; each node samples at its own phase of the second. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "cluster.h"

#define STEP_NS 50000000ULL
#define SECOND_NS 1000000000ULL
#define STEPS 20 /* in a second */

struct cluster *cluster_new(void)
{
	struct cluster *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->now = 1000 * SECOND_NS;
	c->next_mig = 1;
	return c;
}

void cluster_free(struct cluster *c)
{
	unsigned i;

	for (i = 0; i < c->n; i++)
		policy_free(c->node[i].policy);
	free(c);
}

unsigned cluster_node(struct cluster *c, uint32_t cpus_milli, uint32_t speed)
{
	unsigned i = c->n++;
	struct policy_config *k = &c->node[i].config;

	assert_true(i < CLUSTER_NODES);
	policy_params_init(&k->params);
	snprintf(k->name, sizeof(k->name), "n%u", i);
	snprintf(k->address, sizeof(k->address), "10.0.0.%u", i);
	snprintf(k->version, sizeof(k->version), "1");
	k->port = 7117;
	k->incarnation = 1;
	k->seed = 77 + i;
	k->cpus_milli = cpus_milli;
	k->speed = speed;
	k->mem_total = 16 * GIB;
	return i;
}

static void make_policy(struct cluster *c, unsigned i)
{
	const struct policy_limits lim = {.nodes = 256, .processes = 256};

	assert_int_equal(policy_new(&lim, &c->node[i].config, c->now, &c->node[i].policy), 0);
	c->node[i].up = true;
	c->node[i].last_sample = c->now;
}

static int node_index(const struct cluster *c, const char *name)
{
	unsigned i;

	for (i = 0; i < c->n; i++)
		if (strcmp(c->node[i].config.name, name) == 0)
			return (int)i;
	return -1;
}

static struct policy_actions spare; /* for steps whose actions matter to nobody */

static void introduce(struct cluster *c, unsigned to, unsigned whom)
{
	struct policy_event ev = {.type = POLICY_EV_ENTRY, .now_ns = c->now};

	ev.entry = *policy_self(c->node[whom].policy);
	assert_int_equal(policy_step(c->node[to].policy, &ev, &spare), 0);
}

void cluster_start(struct cluster *c)
{
	unsigned i, k;

	for (i = 0; i < c->n; i++)
		make_policy(c, i);
	for (i = 0; i < c->n; i++)
		for (k = 0; k < c->n; k++)
			if (i != k)
				introduce(c, i, k);
}

unsigned cluster_proc(struct cluster *c, unsigned home)
{
	unsigned i;

	for (i = 0; c->proc[i].used; i++)
		assert_true(i + 1 < CLUSTER_PROCS);
	c->proc[i] = (struct sim_proc){.used = true,
				       .home = home,
				       .node = home,
				       .arrived = c->now,
				       .rss = 10 * MIB,
				       .demand_milli = 1000,
				       .flags = POLICY_PROC_FAMILY};
	return i;
}

void cluster_stop_node(struct cluster *c, unsigned i)
{
	policy_free(c->node[i].policy);
	c->node[i].policy = NULL;
	c->node[i].up = false;
}

void cluster_restart_node(struct cluster *c, unsigned i)
{
	unsigned other = i ? 0 : 1;

	c->node[i].config.incarnation++;
	make_policy(c, i);
	introduce(c, i, other);
	introduce(c, other, i);
}

unsigned cluster_at(const struct cluster *c, unsigned node)
{
	unsigned i, n = 0;

	for (i = 0; i < CLUSTER_PROCS; i++)
		n += c->proc[i].used && c->proc[i].node == node;
	return n;
}

unsigned cluster_moves(const struct cluster *c)
{
	unsigned i, n = 0;

	for (i = 0; i < c->n; i++)
		n += c->node[i].moves_out;
	return n;
}

void cluster_event(struct cluster *c, unsigned i, struct policy_event *ev)
{
	ev->now_ns = c->now;
	assert_int_equal(policy_step(c->node[i].policy, ev, &c->act), 0);
}

struct policy_id cluster_id(const struct cluster *c, unsigned proc, unsigned seen_from)
{
	struct policy_id id = {.pid = 1000 + (int64_t)proc, .start_time = 5};

	if (c->proc[proc].home != seen_from)
		snprintf(id.home, sizeof(id.home), "n%u", c->proc[proc].home);
	return id;
}

/* ---- CPUs ------------------------------------------------------------------------------------------------ */

static uint64_t runnable_milli(const struct cluster *c, unsigned node)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < CLUSTER_PROCS; i++)
		if (c->proc[i].used && !c->proc[i].moving && c->proc[i].node == node)
			sum += c->proc[i].demand_milli;
	return sum;
}

static void compute(struct cluster *c)
{
	uint64_t sum[CLUSTER_NODES], got;
	unsigned i;

	for (i = 0; i < c->n; i++) {
		sum[i] = runnable_milli(c, i);
		c->node[i].run_area += sum[i] * STEP_NS;
	}
	for (i = 0; i < CLUSTER_PROCS; i++) {
		struct sim_proc *pr = &c->proc[i];
		uint32_t cpus = c->node[pr->node].config.cpus_milli;

		if (!pr->used || pr->moving)
			continue;
		got = STEP_NS * pr->demand_milli / 1000;
		pr->run_ns += got;
		if (sum[pr->node] > cpus)
			got = got * cpus / sum[pr->node];
		pr->cpu_ns += got;
		pr->cpu_us += got / 1000;
	}
}

/* ---- what the policies order ----------------------------------------------------------------------------- */

static void deliver(struct cluster *c, unsigned from, unsigned to, const struct policy_node **window, unsigned n)
{
	static struct policy_actions out;
	struct policy_event ev = {.now_ns = c->now};
	unsigned i;

	for (i = 0; i < n; i++) {
		ev.type = POLICY_EV_ENTRY;
		ev.direct = i == 0;
		ev.entry = *window[i];
		if (i == 0 && c->node[from].mad)
			ev.entry.export_milli = ev.entry.load_milli = 0;
		(void)!policy_step(c->node[to].policy, &ev, &out); /* -ENOBUFS where a liar has filled the table */
	}
}

static void gossip(struct cluster *c, unsigned from, const struct policy_action *a, const struct policy_actions *act)
{
	const struct policy_node *window[POLICY_WINDOW_MAX];
	int k = node_index(c, a->node.name);

	if (k < 0 || !c->node[k].up || c->node[k].group != c->node[from].group) {
		/* silence: the daemon would notice a refused connection; the harder case is that it does not */
		return;
	}
	if (!a->node.ask) {
		deliver(c, from, (unsigned)k, (const struct policy_node **)act->window, act->n_window);
		return;
	}
	window[0] = act->window[0];
	window[1] = act->asked[a->node.ask - 1];
	deliver(c, from, (unsigned)k, window, 2);
	deliver(c, (unsigned)k, from, window,
		policy_window(c->node[k].policy, c->now, window, policy_window_size(c->node[k].policy)));
}

static void finish(struct cluster *c, struct sim_proc *pr, bool ok, unsigned to, bool target_fault)
{
	struct policy_event ev = {.type = POLICY_EV_MOVE_DONE, .now_ns = c->now};

	if (!c->node[pr->node].up)
		return;
	ev.move.id = cluster_id(c, (unsigned)(pr - c->proc), pr->node);
	snprintf(ev.move.to, sizeof(ev.move.to), "n%u", to);
	ev.move.ok = ok;
	ev.move.target_fault = target_fault;
	assert_int_equal(policy_step(c->node[pr->node].policy, &ev, &spare), 0);
}

static void begin_move(struct cluster *c, unsigned from, const struct policy_action *a)
{
	struct sim_proc *pr = &c->proc[a->move.id.pid - 1000];
	struct policy_event ev = {.type = POLICY_EV_GUEST_OFFER, .now_ns = c->now};
	int to = node_index(c, a->move.to);

	assert_true(pr->used && !pr->moving && pr->node == from && to >= 0 && to != (int)from);
	assert_true(a->move.home == (to == (int)pr->home));
	if (c->moves_fail || !c->node[to].up) {
		c->node[from].refused++;
		finish(c, pr, false, (unsigned)to, true);
		return;
	}
	pr->mig = ev.offer.mig = c->next_mig++;
	snprintf(ev.offer.from, sizeof(ev.offer.from), "n%u", from);
	ev.offer.bytes = pr->rss;
	ev.offer.demand_milli = pr->demand_milli;
	ev.offer.from_load_milli = policy_self(c->node[from].policy)->export_milli;
	ev.offer.features_ok = true;
	ev.offer.automatic = a->move.motive != POLICY_EXPEL;
	ev.offer.returning = a->move.home;
	assert_int_equal(policy_step(c->node[to].policy, &ev, &spare), 0);
	assert_int_equal(spare.n, 1);
	if (!spare.a[0].admit.accept) {
		c->node[from].refused++;
		finish(c, pr, false, (unsigned)to, true);
		return;
	}
	pr->moving = true;
	pr->to = (unsigned)to;
	pr->move_end = c->now + 200000000ULL + pr->rss * 10; /* 100 MB/s */
	c->node[from].moves_out++;
}

static void act(struct cluster *c, unsigned i)
{
	struct policy_actions *now = malloc(sizeof(*now));
	unsigned k;

	assert_non_null(now);
	*now = c->act;
	for (k = 0; k < now->n; k++) {
		const struct policy_action *a = &now->a[k];

		switch (a->type) {
		case POLICY_DO_GOSSIP:
			gossip(c, i, a, now);
			break;
		case POLICY_DO_MOVE:
			begin_move(c, i, a);
			break;
		case POLICY_DO_NODE_SUSPECT:
			c->node[i].suspect_notices++;
			break;
		case POLICY_DO_NODE_DEAD:
			c->node[i].dead_notices++;
			break;
		case POLICY_DO_NODE_ALIVE:
			c->node[i].alive_notices++;
			break;
		case POLICY_DO_EXPELLED:
			c->node[i].expelled++;
			break;
		default:
			break;
		}
	}
	free(now);
}

static void end_moves(struct cluster *c)
{
	unsigned i;

	for (i = 0; i < CLUSTER_PROCS; i++) {
		struct sim_proc *pr = &c->proc[i];
		struct policy_event ev = {.type = POLICY_EV_GUEST_DONE, .now_ns = c->now};

		if (!pr->used || !pr->moving || c->now < pr->move_end)
			continue;
		finish(c, pr, true, pr->to, false);
		pr->moving = false;
		pr->moves++;
		pr->node = pr->to;
		pr->arrived = c->now;
		pr->run_ns = pr->cpu_ns = 0;
		ev.guest.mig = pr->mig;
		ev.guest.ok = true;
		if (c->node[pr->node].up)
			assert_int_equal(policy_step(c->node[pr->node].policy, &ev, &spare), 0);
	}
}

static void report(struct cluster *c, unsigned node, struct sim_proc *pr, uint64_t dt)
{
	struct policy_event ev = {.type = POLICY_EV_PROCESS};

	ev.process = (struct policy_process){.id = cluster_id(c, (unsigned)(pr - c->proc), node),
					     .flags = pr->flags,
					     .confined = pr->confined,
					     .cpu_milli = (uint32_t)(pr->cpu_ns * 1000 / dt),
					     .demand_milli = (uint32_t)(pr->run_ns * 1000 / dt),
					     .cpu_age_us = pr->cpu_us,
					     .rss = pr->rss,
					     .arrived_ns = pr->arrived,
					     .calls = pr->calls};
	cluster_event(c, node, &ev);
	pr->cpu_ns = pr->run_ns = 0;
}

static void second(struct cluster *c, unsigned i)
{
	struct sim_node *n = &c->node[i];
	struct policy_event ev = {.type = POLICY_EV_SAMPLE};
	uint64_t dt = c->now - n->last_sample, used = 0;
	unsigned k, guests = 0;

	if (!dt)
		return;
	for (k = 0; k < CLUSTER_PROCS; k++) {
		if (!c->proc[k].used || c->proc[k].node != i)
			continue;
		used += c->proc[k].rss;
		guests += c->proc[k].home != i;
	}
	if (guests > n->max_guests)
		n->max_guests = guests;
	ev.sample.dt_ns = dt;
	ev.sample.runnable_milli = (uint32_t)(n->run_area / dt);
	ev.sample.mem_free = n->config.mem_total > used ? n->config.mem_total - used : 0;
	ev.sample.stalled_milli = n->stalled_milli;
	ev.sample.faults = n->faults;
	n->run_area = 0;
	n->last_sample = c->now;
	cluster_event(c, i, &ev);
	for (k = 0; k < CLUSTER_PROCS; k++)
		if (c->proc[k].used && c->proc[k].node == i && !c->proc[k].moving)
			report(c, i, &c->proc[k], dt);
	ev = (struct policy_event){.type = POLICY_EV_TICK};
	cluster_event(c, i, &ev);
	act(c, i);
}

void cluster_run(struct cluster *c, unsigned ms)
{
	uint64_t end = c->now + ms * 1000000ULL;
	unsigned i;

	while (c->now < end) {
		compute(c);
		c->now += STEP_NS;
		end_moves(c);
		for (i = 0; i < c->n; i++)
			if (c->node[i].up && c->now / STEP_NS % STEPS == i * 7 % STEPS)
				second(c, i);
	}
}
