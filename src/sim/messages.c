/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What goes from daemon to daemon: gossip and its answer, offers of processes, the processes themselves.
 * A process runs on until its target has said yes; then it stands still for as long as the move takes. Until it has
 * come, it is at its source: when the target dies, it goes on there. Promise: a job is on one node at any time. Must
 * not: lose one but with its home or the node it is on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

#define ENTRY_BYTES 72 /* of node_entry on the wire, without the characters of its three strings */
#define FRAME_BYTES 13 /* head, reply, number of entries */
#define OFFER_NS (8 * SECOND) /* a silent target counts as failed then: src/node/moves.c */
#define RESEND_NS (200 * MSEC)

uint32_t node_of(const struct sim *s, const char *name)
{
	unsigned long v;

	if (name[0] != 'n')
		return NOBODY;
	v = strtoul(name + 1, NULL, 10);
	return v >= 1 && v <= s->n ? (uint32_t)v - 1 : NOBODY;
}

struct policy_id id_of(const struct sim *s, uint32_t job, uint32_t seen_from)
{
	struct policy_id id = {.pid = (int64_t)job + 1};

	if (s->jobs[job].home != seen_from)
		memcpy(id.home, s->nodes[s->jobs[job].home].entry.name, sizeof(id.home));
	return id;
}

/* A node has no memory for all the others when there are many; it then takes notice of its neighbours on a ring only.
 */
bool knows(const struct sim *s, uint32_t who, uint32_t whom)
{
	uint32_t far = who < whom ? whom - who : who - whom;

	if (s->known + 1 >= s->n)
		return true;
	return (far < s->n - far ? far : s->n - far) <= s->known / 2;
}

static uint64_t delay(struct sim *s)
{
	return ns_of(luck_draw(&s->luck_net, &s->sc.network.delay_ms) * 1e-3);
}

static bool is_lost(struct sim *s)
{
	double percent = number(&s->sc.network.loss_percent);

	return percent > 0 && luck_part(&s->luck_net) * 100 < percent;
}

/* What belongs to a move is sent again until it has come. */
static uint64_t safe_delay(struct sim *s)
{
	uint64_t d = delay(s);

	while (is_lost(s))
		d += RESEND_NS;
	return d;
}

/* ---- gossip ---------------------------------------------------------------------------------------------------- */

void gossip_to(struct sim *s, uint32_t from, uint32_t to, const struct policy_node *const *window, unsigned n,
	       bool wants_answer)
{
	struct message *m = malloc(sizeof(*m) + n * sizeof(m->entry[0]));
	unsigned i;

	if (!m) {
		s->error = -ENOMEM;
		return;
	}
	*m = (struct message){.from = from, .to = to, .wants_answer = wants_answer};
	s->tally.bytes += FRAME_BYTES;
	for (i = 0; i < n; i++) {
		const struct policy_node *e = window[i];
		uint32_t about = node_of(s, e->name);

		if (about == NOBODY)
			continue;
		s->tally.bytes += ENTRY_BYTES + strlen(e->name) + strlen(e->address) + strlen(e->version);
		m->entry[m->n++] = (struct brief){.incarnation = e->incarnation,
						  .seq = e->seq,
						  .age_us = e->age_us,
						  .mem_free = e->mem_free,
						  .node = about,
						  .state = e->state,
						  .load_milli = e->load_milli,
						  .export_milli = e->export_milli,
						  .guests = e->guests};
	}
	put(s, s->now + delay(s), (struct event){.type = EV_GOSSIP, .p = m});
}

static void take_entries(struct sim *s, const struct message *m)
{
	struct policy_event ev = {.type = POLICY_EV_ENTRY};
	unsigned i;

	for (i = 0; i < m->n; i++) {
		const struct brief *b = &m->entry[i];

		if (!knows(s, m->to, b->node))
			continue;
		ev.direct = b->node == m->from;
		ev.entry = s->nodes[b->node].entry;
		ev.entry.incarnation = b->incarnation;
		ev.entry.seq = b->seq;
		ev.entry.age_us = b->age_us;
		ev.entry.mem_free = b->mem_free;
		ev.entry.state = b->state;
		ev.entry.load_milli = b->load_milli;
		ev.entry.export_milli = b->export_milli;
		ev.entry.guests = b->guests;
		step(s, m->to, &ev, &s->spare);
	}
}

static void silent(struct sim *s, uint32_t from, uint32_t about)
{
	put(s, s->now + ns_of(number(&s->sc.network.silence_ms) * 1e-3),
	    (struct event){.type = EV_SILENT, .a = from, .b = about});
}

void on_gossip(struct sim *s, struct message *m)
{
	const struct policy_node *window[POLICY_WINDOW_MAX];
	unsigned n = (unsigned)number(&s->sc.network.answer), most;

	if (s->nodes[m->to].up && s->nodes[m->to].slow && s->now < s->nodes[m->to].awake_ns) {
		put(s, s->nodes[m->to].awake_ns, (struct event){.type = EV_GOSSIP, .p = m});
		return;
	}
	if (!s->nodes[m->to].up) {
		silent(s, m->from, m->to);
	} else if (!is_lost(s)) {
		take_entries(s, m);
		if (m->wants_answer && n) {
			s->nodes[m->to].stepped_ns = s->now;
			most = policy_window_size(s->nodes[m->to].policy);
			n = n < most ? n : most;
			n = policy_window(s->nodes[m->to].policy, s->now, window, n);
			gossip_to(s, m->to, m->from, window, n, false);
		}
	}
	free(m);
}

/* ---- moves ------------------------------------------------------------------------------------------------------ */

static void order_noted(struct sim *s, uint32_t to)
{
	struct node *n = &s->nodes[to];

	if (!n->up && n->died_ns)
		n->avoided_ns = s->now;
	if (n->up && n->joined && !n->worked_ns)
		n->worked_ns = s->now;
}

void order_move(struct sim *s, uint32_t job, uint32_t from, uint32_t to, bool automatic, bool placement)
{
	struct offer *o = calloc(1, sizeof(*o));
	struct job *j = &s->jobs[job];

	if (!o) {
		s->error = -ENOMEM;
		return;
	}
	*o = (struct offer){.mig = ++s->next_mig,
			    .began_ns = s->now,
			    .job = job,
			    .from = from,
			    .to = to,
			    .from_run = s->nodes[from].run,
			    .to_run = s->nodes[to].run,
			    .demand_milli = 1000,
			    .from_load_milli = policy_self(s->nodes[from].policy)->export_milli,
			    .placement = placement,
			    .automatic = automatic,
			    .returning = to == j->home};
	if (!placement && s->now > s->nodes[from].sampled_ns && j->part > 0)
		o->demand_milli = (uint32_t)(j->part * 1000 + 0.5);
	j->asking = true;
	order_noted(s, to);
	put(s, s->now + safe_delay(s), (struct event){.type = EV_OFFER, .p = o});
}

void on_offer(struct sim *s, struct offer *o)
{
	struct policy_event ev = {.type = POLICY_EV_GUEST_OFFER};
	bool refused_at_once = number(&s->sc.network.silence_ms) <= 0;

	if (!s->nodes[o->to].up) {
		silent(s, o->from, o->to);
		put(s, s->now + (refused_at_once ? safe_delay(s) : OFFER_NS),
		    (struct event){.type = EV_ANSWER, .p = o});
		return;
	}
	o->delivered = true;
	o->to_run = s->nodes[o->to].run;
	ev.offer.mig = o->mig;
	memcpy(ev.offer.from, s->nodes[o->from].entry.name, sizeof(ev.offer.from));
	ev.offer.from_load_milli = o->from_load_milli;
	ev.offer.bytes = s->jobs[o->job].rss;
	ev.offer.demand_milli = o->demand_milli;
	ev.offer.features_ok = true;
	ev.offer.automatic = o->automatic;
	ev.offer.returning = o->returning;
	step(s, o->to, &ev, &s->spare);
	o->accepted = s->spare.n == 1 && s->spare.a[0].type == POLICY_DO_ADMIT && s->spare.a[0].admit.accept;
	put(s, s->now + safe_delay(s), (struct event){.type = EV_ANSWER, .p = o});
}

static bool there_still(const struct sim *s, uint32_t node, uint32_t run)
{
	return s->nodes[node].up && s->nodes[node].run == run;
}

static void guest_done(struct sim *s, const struct offer *o, bool ok)
{
	struct policy_event ev = {.type = POLICY_EV_GUEST_DONE};

	if (!there_still(s, o->to, o->to_run))
		return;
	ev.guest.mig = o->mig;
	ev.guest.ok = ok;
	step(s, o->to, &ev, &s->spare);
}

/* target_fault: only home knows whose fault it was; a host that asked it is told no more than that it failed. */
static void move_done(struct sim *s, const struct offer *o, bool ok, bool target_fault)
{
	struct policy_event ev = {.type = POLICY_EV_MOVE_DONE};

	if (!there_still(s, o->from, o->from_run) || o->placement)
		return;
	ev.move.id = id_of(s, o->job, o->from);
	memcpy(ev.move.to, s->nodes[o->to].entry.name, sizeof(ev.move.to));
	ev.move.ok = ok;
	ev.move.target_fault = target_fault;
	step(s, o->from, &ev, &s->spare);
}

void on_answer(struct sim *s, struct offer *o)
{
	struct job *j = &s->jobs[o->job];
	bool there = there_still(s, o->from, o->from_run) && j->state == JOB_RUNS && j->node == o->from;
	double seconds = number(&s->sc.model.start_ms) * 1e-3;

	if (!o->accepted || !there) {
		if (o->delivered && !o->accepted)
			s->tally.refused++;
		else
			s->tally.failed++;
		j->asking = false;
		if (o->accepted)
			guest_done(s, o, false);
		move_done(s, o, false, there && o->from == j->home);
		free(o);
		return;
	}
	if (!o->placement)
		seconds = number(&s->sc.model.move_ms) * 1e-3 +
			  (double)j->rss / (number(&s->sc.model.bandwidth_mib) * (1 << 20));
	job_freeze(s, o->job, true);
	o->began_ns = s->now;
	put(s, s->now + ns_of(seconds), (struct event){.type = EV_CAME, .p = o});
}

/* Counts the move; the one before it was for nothing when this one comes so soon. */
static void note_move(struct sim *s, struct job *j, const struct offer *o)
{
	uint64_t residence = s->sc.params.residence_ms * MSEC;

	j->frozen_ns += s->now - o->began_ns;
	if (o->placement) {
		s->tally.placed++;
		j->placed++;
		return;
	}
	if (j->moves && o->began_ns - j->came_ns < residence)
		s->tally.wasted++;
	j->move_cost_ns = s->now - o->began_ns;
	j->moves++;
	s->tally.moves++;
}

void on_came(struct sim *s, struct offer *o)
{
	struct job *j = &s->jobs[o->job];

	j->asking = false;
	if (j->state != JOB_FROZEN) { /* lost meanwhile, with its home or its source */
		guest_done(s, o, false);
		move_done(s, o, false, false);
	} else if (!there_still(s, o->to, o->to_run)) {
		s->tally.failed++;
		job_freeze(s, o->job, false);
		move_done(s, o, false, o->from == j->home);
	} else {
		note_move(s, j, o);
		job_remove(s, o->job);
		move_done(s, o, true, false);
		if (o->placement && o->from == j->home)
			daemon_gone(s, o->from, o->job);
		job_put(s, o->job, o->to);
		j->came_ns = s->now;
		guest_done(s, o, true);
	}
	free(o);
}
