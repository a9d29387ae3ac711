/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes on their way from here.
 * Promise: a moving process is expected at its target from the order on, and until the target's own entry is
 * fresher than the end of the move; it counts as gone here until the samples show that. So no node is given more
 * because what it was given does not show yet. Must not: decide.
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

#define WAITING_MILLI \
	1500 /* waiting processes for each move under way: when half of them go, one for each that stays */

static void out_unhere(struct policy *p, struct out *o)
{
	if (o->here_memory)
		p->here_bytes -= o->bytes;
	if (o->here)
		p->here_milli -= o->demand_milli;
	o->here = o->here_memory = false;
}

uint64_t moves_freed(struct policy *p)
{
	uint64_t sum = 0;
	struct out *o;

	for (o = p->out; o < p->out + OUT_MAX; o++) {
		if (o->kind != OUT_DONE || !o->here_memory)
			continue;
		o->here_memory = false;
		p->here_bytes -= o->bytes;
		sum += o->bytes;
	}
	return sum;
}

static void out_unthere(struct policy *p, struct out *o)
{
	struct hot *h;

	if (o->slot == NONE)
		return;
	h = &p->hot[o->slot];
	h->out_milli -= o->demand_milli;
	h->out_bytes -= o->bytes;
	h->n_out--;
	node_want(p, o->slot);
	o->slot = NONE;
}

static void out_end(struct policy *p, struct out *o)
{
	struct proc *pr = o->kind == OUT_MOVE ? proc_find(p, &o->id) : NULL;

	if (pr)
		pr->moving = false;
	if (o->kind == OUT_MOVE)
		p->n_moves--;
	out_unhere(p, o);
	out_unthere(p, o);
	o->kind = OUT_FREE;
}

static struct out *out_add(struct policy *p, enum out_kind kind, uint32_t slot, uint32_t demand, uint64_t bytes)
{
	struct out *o;

	for (o = p->out; o < p->out + OUT_MAX; o++)
		if (o->kind == OUT_FREE)
			break;
	if (o == p->out + OUT_MAX)
		return NULL;
	*o = (struct out){.kind = kind, .slot = slot, .demand_milli = demand, .bytes = bytes, .since_ns = p->now};
	if (slot != NONE) {
		p->hot[slot].out_milli += demand;
		p->hot[slot].out_bytes += bytes;
		p->hot[slot].n_out++;
		node_want(p, slot);
	}
	return o;
}

/* id NULL: a placement of a new program, else a process of this node. slot NONE: home unknown, or here (placement). */
int move_order(struct policy *p, const struct policy_id *id, uint32_t slot, bool place_only)
{
	struct proc *pr = place_only ? NULL : proc_find(p, id);
	struct out *o;

	if (place_only) {
		/* one more placement than can be remembered is still a good placement */
		(void)out_add(p, OUT_PLACED, slot, 1000, 0);
		return 0;
	}
	if (!pr)
		return -ENOENT;
	o = out_add(p, OUT_MOVE, slot, pr->last.demand_milli, pr->last.rss);
	if (!o)
		return -ENOBUFS;
	o->id = pr->last.id;
	o->here = o->here_memory = true;
	p->here_milli += o->demand_milli;
	p->here_bytes += o->bytes;
	pr->moving = true;
	p->n_moves++;
	p->last_move = p->now;
	return 0;
}

static struct out *move_find(struct policy *p, const struct policy_id *id)
{
	const struct proc *pr = proc_find(p, id);
	const struct policy_id *known = pr ? &pr->last.id : id;
	struct out *o;

	for (o = p->out; o < p->out + OUT_MAX; o++)
		if (o->kind == OUT_MOVE && o->id.pid == known->pid && o->id.start_time == known->start_time &&
		    strcmp(o->id.home, node_is_self(p, known->home) ? "" : known->home) == 0)
			return o;
	return NULL;
}

bool move_under_way(struct policy *p, const struct policy_id *id)
{
	return move_find(p, id) != NULL;
}

int move_started(struct policy *p, const struct policy_move *m)
{
	if (id_ok(&m->id) < 0 || !text_ok(m->to, sizeof(m->to)))
		return -EINVAL;
	if (move_find(p, &m->id) || node_is_self(p, m->to))
		return 0; /* known; or it comes here, which is not a move from here */
	return move_order(p, &m->id, node_find(p, m->to), false);
}

int move_done(struct policy *p, const struct policy_move *m)
{
	struct proc *pr;
	struct out *o;
	uint32_t slot;

	if (id_ok(&m->id) < 0 || !text_ok(m->to, sizeof(m->to)))
		return -EINVAL;
	o = move_find(p, &m->id);
	if (!o)
		return -ENOENT;
	slot = o->slot;
	pr = proc_find(p, &m->id);
	if (m->ok) {
		p->n_moves--;
		o->kind = OUT_DONE;
		o->since_ns = p->now;
		if (slot != NONE)
			p->hot[slot].backoff_level = 0;
		proc_left(p, &m->id);
		if (pr)
			(void)proc_gone(p, &m->id);
		return 0;
	}
	out_end(p, o);
	if (m->target_fault && slot != NONE) {
		node_backoff(p, slot);
	} else if (pr) {
		pr->failed_until = p->now + p->par.backoff_ms * MS;
		pr->failed_reason = m->reason;
	}
	return 0;
}

void moves_expire(struct policy *p)
{
	struct out *o;

	for (o = p->out; o < p->out + OUT_MAX; o++) {
		uint64_t limit = o->kind == OUT_PLACED ? PLACE_NS : p->par.move_timeout_ms * MS;

		if (o->kind != OUT_FREE && p->now - o->since_ns >= limit)
			out_end(p, o);
	}
}

static void out_settle(struct policy *p, struct out *o)
{
	if (o->slot == NONE && !o->here)
		out_end(p, o);
}

void moves_seen_fresh(struct policy *p, uint32_t slot)
{
	struct out *o;

	if (!p->hot[slot].n_out)
		return;
	for (o = p->out; o < p->out + OUT_MAX; o++) {
		if (o->kind != OUT_DONE || o->slot != slot || p->pulse[slot].born_ns <= (int64_t)o->since_ns)
			continue;
		out_unthere(p, o);
		out_settle(p, o);
	}
}

void moves_sampled(struct policy *p, uint64_t from_ns)
{
	struct out *o;

	for (o = p->out; o < p->out + OUT_MAX; o++) {
		if (o->kind != OUT_DONE || !o->here || from_ns < o->since_ns)
			continue;
		out_unhere(p, o);
		out_settle(p, o);
	}
}

/* One move at a time; a node with several waiting processes may have more under way. Each is counted at both ends from
 * its order on, so that the next decision sees what this one changes. */
uint32_t moves_allowed(const struct policy *p, const struct here *here)
{
	uint32_t n = here->raw > p->self.cpus_milli ? (here->raw - p->self.cpus_milli) / WAITING_MILLI : 0;

	if (n < 1)
		n = 1;
	return n < p->par.max_moves ? n : p->par.max_moves;
}
