/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A node's daemon, around its policy: what it measures once a second, and what it does of what the policy orders.
 * As src/node does: a process counts from its second sample on; SAMPLE, a PROCESS for each, TICK, in this order; the
 * end of a process of the node itself is noticed by the next sample, that of a guest at once. Promise: each node sees
 * its own jobs and what others have sent it, nothing else. Must not: decide.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

#define DAEMON_NODES 1024 /* as src/node/policy.c has them */
#define DAEMON_PROCESSES 2048
#define NODE_BYTES 450 /* of a policy, for each known node; see policy.h */
#define PROCESS_BYTES 260
#define NODES_ROOM (2ULL << 30)
#define PROCESSES_ROOM (1ULL << 30)
#define PLACE_BYTES (16ULL << 20) /* a program that has only begun */

void step(struct sim *s, uint32_t node, struct policy_event *ev, struct policy_actions *act)
{
	ev->now_ns = s->nodes[node].stepped_ns = s->now;
	/* What the policy refuses (a table that is full, a process it has forgotten) the daemon passes over, too. */
	if (policy_step(s->nodes[node].policy, ev, act) < 0)
		act->n = 0;
}

static uint32_t limit(uint64_t want, uint64_t daemon, uint64_t room, uint32_t bytes, uint32_t n)
{
	uint64_t fits = room / bytes / n, v = want ? want : daemon < fits ? daemon : fits;

	return v < 16 ? 16 : v > 100000 ? 100000 : (uint32_t)v;
}

int daemon_start(struct sim *s, uint32_t node)
{
	struct node *n = &s->nodes[node];
	struct policy_event stay = {.type = POLICY_EV_ADMIN};
	struct policy_limits lim;
	struct policy_config c = {.params = s->sc.params,
				  .port = n->entry.port,
				  .incarnation = ++n->run,
				  .cpus_milli = n->cpus_milli,
				  .speed = n->speed,
				  .mem_total = n->mem_total,
				  .mem_free = n->mem_total};
	struct luck l = luck_of(s->seed, 1000000ULL * n->run + node);
	int r;

	s->known = limit((uint64_t)number(&s->sc.model.known), DAEMON_NODES, NODES_ROOM, NODE_BYTES, s->n);
	if (s->known > s->n - 1)
		s->known = s->n - 1;
	s->n_processes = limit((uint64_t)number(&s->sc.model.processes), DAEMON_PROCESSES, PROCESSES_ROOM,
			       PROCESS_BYTES, s->n);
	lim = (struct policy_limits){.nodes = s->known + 2, .processes = s->n_processes};
	c.seed = luck_next(&l);
	memcpy(c.name, n->entry.name, sizeof(c.name));
	memcpy(c.address, n->entry.address, sizeof(c.address));
	memcpy(c.version, n->entry.version, sizeof(c.version));
	r = policy_new(&lim, &c, s->now, &n->policy);
	if (r < 0)
		return r;
	if (!s->how->moves) {
		stay.admin.op = POLICY_ADMIN_STAY;
		step(s, node, &stay, &s->spare);
	}
	n->sampled_ns = n->last_ns = s->now;
	put(s, s->now + n->phase_ns, (struct event){.type = EV_SECOND, .a = node, .b = n->run});
	return 0;
}

static void introduce(struct sim *s, uint32_t to, uint32_t whom)
{
	struct policy_event ev = {.type = POLICY_EV_ENTRY, .direct = true};

	if (!knows(s, to, whom))
		return;
	ev.entry = *policy_self(s->nodes[whom].policy);
	step(s, to, &ev, &s->spare);
}

void daemons_meet(struct sim *s)
{
	uint32_t i, k, half = s->known / 2 + 1;

	for (i = 0; i < s->n; i++)
		for (k = 1; s->nodes[i].up && k <= half && 2 * k <= s->n; k++) {
			uint32_t after = (i + k) % s->n;

			if (!s->nodes[after].up)
				continue;
			introduce(s, i, after);
			if (2 * k != s->n || i < after)
				introduce(s, after, i);
		}
}

/* As godwit join: one node lets it in, gives it its window, and tells the others by gossip. */
void daemon_join(struct sim *s, uint32_t node)
{
	const struct policy_node *window[POLICY_WINDOW_MAX];
	uint32_t k, host = node;
	unsigned n, i;

	for (k = 1; k < s->n; k++) {
		host = (node + k) % s->n;
		if (s->nodes[host].up && s->nodes[host].policy && knows(s, node, host))
			break;
	}
	if (k == s->n)
		return;
	introduce(s, host, node);
	introduce(s, node, host);
	n = policy_window(s->nodes[host].policy, s->now, window, POLICY_WINDOW_MAX);
	for (i = 0; i < n; i++) {
		struct policy_event ev = {.type = POLICY_EV_ENTRY};
		uint32_t whom = node_of(s, window[i]->name);

		if (whom == NOBODY || !knows(s, node, whom))
			continue;
		ev.entry = *window[i];
		step(s, node, &ev, &s->spare);
	}
}

/* ---- once a second ------------------------------------------------------------------------------------------- */

void daemon_gone(struct sim *s, uint32_t node, uint32_t job)
{
	struct policy_event ev = {.type = POLICY_EV_PROCESS_GONE, .id = id_of(s, job, node)};
	struct node *n = &s->nodes[node];

	if (!n->policy)
		return;
	if (s->jobs[job].home != node) {
		step(s, node, &ev, &s->spare);
		return;
	}
	if (n->n_gone == n->cap_gone) {
		uint64_t cap = n->cap_gone ? 2 * n->cap_gone : 8, *more = realloc(n->gone, cap * sizeof(*more));

		if (!more) {
			s->error = -ENOMEM;
			return;
		}
		n->gone = more;
		n->cap_gone = cap;
	}
	n->gone[n->n_gone++] = job;
}

static void tell_gone(struct sim *s, uint32_t node)
{
	struct node *n = &s->nodes[node];

	for (uint64_t i = 0; i < n->n_gone; i++) {
		struct policy_event ev = {.type = POLICY_EV_PROCESS_GONE};

		ev.id = id_of(s, (uint32_t)n->gone[i], node);
		step(s, node, &ev, &s->spare);
	}
	n->n_gone = 0;
}

static void sample(struct sim *s, uint32_t node, double dt)
{
	struct policy_event ev = {.type = POLICY_EV_SAMPLE};
	struct node *n = &s->nodes[node];
	double runnable = 0;
	uint32_t i;

	for (i = 0; i < n->n_jobs; i++)
		if (s->jobs[n->jobs[i]].measured)
			runnable += s->jobs[n->jobs[i]].run_area;
	ev.sample.dt_ns = s->now - n->sampled_ns;
	ev.sample.runnable_milli = (uint32_t)(runnable / dt * 1000 + 0.5);
	ev.sample.mem_free = n->mem_total > n->mem_used ? n->mem_total - n->mem_used : 0;
	step(s, node, &ev, &s->spare);
}

static void measure(struct sim *s, uint32_t node, uint32_t job, double dt)
{
	struct policy_event ev = {.type = POLICY_EV_PROCESS};
	struct job *j = &s->jobs[job];
	struct policy_process *p = &ev.process;

	if (j->state == JOB_RUNS && (j->measured || j->home != node)) {
		p->id = id_of(s, job, node);
		p->flags = POLICY_PROC_FAMILY | (j->asking ? POLICY_PROC_BUSY : 0);
		p->cpu_milli = (uint32_t)(j->cpu_area / dt * 1000 + 0.5);
		p->demand_milli = (uint32_t)(j->run_area / dt * 1000 + 0.5);
		p->cpu_age_us = (uint64_t)(j->cpu_s * 1e6);
		p->rss = j->rss;
		p->arrived_ns = j->came_ns;
		p->calls = (uint32_t)(j->calls * j->work_area / dt + 0.5);
		step(s, node, &ev, &s->spare);
	}
	j->measured = true;
	j->run_area = j->cpu_area = j->work_area = 0;
}

static void moved_not(struct sim *s, uint32_t node, const struct policy_action *a)
{
	struct policy_event ev = {.type = POLICY_EV_MOVE_DONE};

	ev.move.id = a->move.id;
	memcpy(ev.move.to, a->move.to, sizeof(ev.move.to));
	s->tally.failed++;
	step(s, node, &ev, &s->spare);
}

static void do_move(struct sim *s, uint32_t node, const struct policy_action *a)
{
	uint64_t job = (uint64_t)a->move.id.pid - 1;
	uint32_t to = node_of(s, a->move.to);

	if (job >= s->n_jobs || s->jobs[job].state != JOB_RUNS || s->jobs[job].node != node || s->jobs[job].asking ||
	    to == NOBODY || to == node) {
		moved_not(s, node, a);
		return;
	}
	order_move(s, (uint32_t)job, node, to, a->move.motive == POLICY_BALANCE || a->move.motive == POLICY_GO_HOME,
		   false);
}

static void tell_or_ask(struct sim *s, uint32_t node, uint32_t to, unsigned ask)
{
	const struct policy_node *question[2] = {s->act.window[0], ask ? s->act.asked[ask - 1] : NULL};

	if (ask)
		gossip_to(s, node, to, question, 2, true);
	else
		gossip_to(s, node, to, s->act.window, s->act.n_window, false);
}

static void act(struct sim *s, uint32_t node)
{
	uint32_t to;
	unsigned i;

	/* the window belongs to the policy until its next step: gossip first, as the daemon does */
	for (i = 0; i < s->act.n; i++)
		if (s->act.a[i].type == POLICY_DO_GOSSIP && (to = node_of(s, s->act.a[i].node.name)) != NOBODY)
			tell_or_ask(s, node, to, s->act.a[i].node.ask);
	for (i = 0; i < s->act.n; i++) {
		const struct policy_action *a = &s->act.a[i];

		if (a->type == POLICY_DO_MOVE)
			do_move(s, node, a);
	}
}

void on_second(struct sim *s, uint32_t node, uint32_t run)
{
	struct policy_event ev = {.type = POLICY_EV_TICK};
	struct node *n = &s->nodes[node];
	double dt = (double)(s->now - n->sampled_ns) * 1e-9;
	uint32_t i;

	if (!n->up || n->run != run)
		return;
	n->awake_ns = s->now + SECOND + stall(s, node);
	put(s, n->awake_ns, (struct event){.type = EV_SECOND, .a = node, .b = run});
	if (dt <= 0)
		return;
	node_advance(s, node);
	tell_gone(s, node);
	sample(s, node, dt);
	for (i = 0; i < n->n_jobs; i++)
		measure(s, node, n->jobs[i], dt);
	n->sampled_ns = s->now;
	step(s, node, &ev, &s->act);
	notices_take(s, node, &s->act);
	act(s, node);
}

void on_silent(struct sim *s, uint32_t from, uint32_t about)
{
	struct policy_event ev = {.type = POLICY_EV_PEER_FAILED};

	if (!s->nodes[from].up || s->nodes[about].up)
		return;
	memcpy(ev.peer.name, s->nodes[about].entry.name, sizeof(ev.peer.name));
	step(s, from, &ev, &s->spare);
	notices_take(s, from, &s->spare);
}

/* ---- placement ------------------------------------------------------------------------------------------------- */

bool daemon_place(struct sim *s, uint32_t job)
{
	struct policy_event ev = {.type = POLICY_EV_PLACE};
	struct job *j = &s->jobs[job];
	uint32_t to;

	ev.place.token = job;
	ev.place.bytes = PLACE_BYTES;
	step(s, j->home, &ev, &s->spare);
	if (s->spare.n != 1 || s->spare.a[0].type != POLICY_DO_PLACE)
		return false;
	to = node_of(s, s->spare.a[0].place.to);
	if (to == NOBODY || to == j->home)
		return false;
	order_move(s, job, j->home, to, number(&s->sc.model.refusable) > 0.5, true);
	return true;
}
