/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The state as a whole: making it, one step, and looking at it.
 * Promise: each event is checked before it changes anything. Must not: hold a rule.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "internal.h"

#define LIMIT_MAX 100000

static uint32_t power_of_two(uint32_t n)
{
	uint32_t v = 1;

	while (v < n)
		v *= 2;
	return v;
}

static bool config_ok(const struct policy_config *c)
{
	const struct policy_param_info *info;
	uint32_t v;
	size_t i;

	if (!name_ok(c->name, sizeof(c->name)) || !text_ok(c->address, sizeof(c->address)) ||
	    !text_ok(c->version, sizeof(c->version)) || !c->cpus_milli || !c->speed)
		return false;
	for (i = 0; (info = policy_param_at(i)); i++) {
		memcpy(&v, (const char *)&c->params + info->offset, sizeof(v));
		if (v < info->min || v > info->max)
			return false;
	}
	return true;
}

static int configure(struct policy *p, const struct policy_config *c)
{
	uint32_t i;

	if (!config_ok(c) || strcmp(c->name, p->self.name) != 0)
		return -EINVAL;
	p->par = c->params;
	memcpy(p->self.address, c->address, sizeof(p->self.address));
	memcpy(p->self.version, c->version, sizeof(p->self.version));
	p->self.port = c->port;
	p->self.cpus_milli = c->cpus_milli;
	p->self.speed = c->speed;
	p->self.mem_total = c->mem_total < BYTES_MAX ? c->mem_total : BYTES_MAX;
	if (p->self.mem_free > p->self.mem_total)
		p->self.mem_free = p->self.mem_total;
	if (p->mem_now > p->self.mem_total)
		p->mem_now = p->self.mem_total;
	p->own_one = policy_load(1000, c->cpus_milli, c->speed);
	if (!p->own_one)
		p->own_one = 1;
	for (i = 0; i < p->nodes.high; i++)
		if (p->pulse[i].used)
			node_facts(p, i); /* the reserve may have changed */
	if (p->next_gossip > p->now + p->par.gossip_ms * MS)
		p->next_gossip = p->now + p->par.gossip_ms * MS;
	proc_ages(p);
	p->window_for = 0;
	gossip_limits(p);
	load_publish(p);
	return 0;
}

/* Cuts n objects of a size out of the arena; with base NULL only measures. */
static void *cut(char *base, size_t *off, size_t n, size_t size)
{
	size_t at = (*off + 63) / 64 * 64;

	*off = at + n * size;
	return base ? base + at : NULL;
}

static size_t arrange(struct policy *p, char *base, const struct policy_limits *lim)
{
	uint32_t nb = power_of_two(lim->nodes), pb = power_of_two(lim->processes);
	uint32_t *bucket, *next;
	size_t off = sizeof(*p);

	p->pulse = cut(base, &off, lim->nodes, sizeof(*p->pulse));
	p->want = cut(base, &off, lim->nodes, sizeof(*p->want));
	p->hot = cut(base, &off, lim->nodes, sizeof(*p->hot));
	p->cold = cut(base, &off, lim->nodes, sizeof(*p->cold));
	p->node = cut(base, &off, lim->nodes, sizeof(*p->node));
	p->alive = cut(base, &off, lim->nodes, sizeof(*p->alive));
	p->stable = cut(base, &off, lim->nodes, sizeof(*p->stable));
	p->ties = cut(base, &off, lim->nodes, sizeof(*p->ties));
	p->proc = cut(base, &off, lim->processes, sizeof(*p->proc));
	p->movable = cut(base, &off, lim->processes, sizeof(*p->movable));
	bucket = cut(base, &off, nb, sizeof(*bucket));
	next = cut(base, &off, lim->nodes, sizeof(*next));
	if (base)
		table_init(&p->nodes, bucket, nb, next, lim->nodes);
	bucket = cut(base, &off, pb, sizeof(*bucket));
	next = cut(base, &off, lim->processes, sizeof(*next));
	if (base)
		table_init(&p->procs, bucket, pb, next, lim->processes);
	return off;
}

int policy_new(const struct policy_limits *limits, const struct policy_config *config, uint64_t now_ns,
	       struct policy **ret)
{
	struct policy measure = {0}, *p;
	size_t size;

	if (!limits->nodes || limits->nodes > LIMIT_MAX || !limits->processes || limits->processes > LIMIT_MAX ||
	    !config_ok(config) || now_ns > INT64_MAX)
		return -EINVAL;
	size = (arrange(&measure, NULL, limits) + 63) / 64 * 64;
	p = aligned_alloc(64, size);
	if (!p)
		return -ENOMEM;
	memset(p, 0, size);
	(void)arrange(p, (char *)p, limits);
	p->lim = *limits;
	p->now = now_ns;
	p->rng = config->seed;
	p->hash_seed = draw(p);
	p->doubtful = DOUBTFUL;
	p->next_gossip = now_ns;
	p->self.incarnation = p->first_incarnation = config->incarnation;
	p->start_ns = now_ns;
	p->self.mem_free = p->mem_now = config->mem_free; /* configure() bounds it */
	p->self.state = POLICY_UP;
	memcpy(p->self.name, config->name, sizeof(p->self.name));
	(void)configure(p, config); /* was checked above */
	*ret = p;
	return 0;
}

void policy_free(struct policy *p)
{
	free(p);
}

static int admin(struct policy *p, enum policy_admin_op op, const struct policy_id *id)
{
	struct proc *pr;

	switch (op) {
	case POLICY_ADMIN_STAY:
		p->self.state |= POLICY_STAY;
		return 0;
	case POLICY_ADMIN_NOSTAY:
		p->self.state &= ~(uint32_t)POLICY_STAY;
		return 0;
	case POLICY_ADMIN_BLOCK:
		p->self.state |= POLICY_BLOCK;
		return 0;
	case POLICY_ADMIN_UNBLOCK:
		p->self.state &= ~(uint32_t)POLICY_BLOCK;
		return 0;
	case POLICY_ADMIN_EXPEL:
		p->expelling = true;
		return 0;
	case POLICY_ADMIN_PIN:
	case POLICY_ADMIN_UNPIN:
		if (id_ok(id) < 0)
			return -EINVAL;
		pr = proc_find(p, id);
		if (!pr)
			return -ENOENT;
		pr->pinned = op == POLICY_ADMIN_PIN;
		return 0;
	default:
		return -EINVAL;
	}
}

static int tick(struct policy *p, struct policy_actions *ret)
{
	moves_expire(p);
	admit_expire(p);
	nodes_sweep(p, ret);
	decide(p, ret);
	gossip_send(p, ret);
	return 0;
}

static int leave(struct policy *p)
{
	p->self.state |= POLICY_LEAVING;
	p->expelling = true;
	p->next_gossip = p->now; /* the others should know soon */
	return 0;
}

static int dispatch(struct policy *p, const struct policy_event *ev, struct policy_actions *ret)
{
	switch (ev->type) {
	case POLICY_EV_CONFIG:
		return configure(p, &ev->config);
	case POLICY_EV_SAMPLE:
		load_sample(p, &ev->sample);
		return 0;
	case POLICY_EV_PROCESS:
		return proc_update(p, &ev->process);
	case POLICY_EV_PROCESS_GONE:
		return proc_gone(p, &ev->id);
	case POLICY_EV_ENTRY:
		return node_entry(p, &ev->entry, ev->direct);
	case POLICY_EV_TICK:
		return tick(p, ret);
	case POLICY_EV_MOVE_STARTED:
		return move_started(p, &ev->move);
	case POLICY_EV_MOVE_DONE:
		return move_done(p, &ev->move);
	case POLICY_EV_GUEST_OFFER:
		return admit_offer(p, &ev->offer, ret);
	case POLICY_EV_GUEST_DONE:
		return admit_done(p, ev->guest.mig, ev->guest.ok);
	case POLICY_EV_ADMIN:
		return admin(p, ev->admin.op, &ev->admin.id);
	case POLICY_EV_PEER_FAILED:
	case POLICY_EV_PEER_LEFT:
		if (!name_ok(ev->peer.name, sizeof(ev->peer.name)))
			return -EINVAL;
		return node_failed(p, ev->peer.name, ev->type == POLICY_EV_PEER_LEFT, ret);
	case POLICY_EV_PLACE:
		place(p, ev->place.token, ev->place.bytes, ev->place.not_here, ret);
		return 0;
	case POLICY_EV_LEAVE:
		return leave(p);
	default:
		return -EINVAL;
	}
}

int policy_step(struct policy *p, const struct policy_event *ev, struct policy_actions *ret)
{
	int r;

	ret->n = 0;
	ret->n_window = 0;
	ret->n_asked = 0;
	if (ev->now_ns > p->now && ev->now_ns <= INT64_MAX)
		p->now = ev->now_ns;
	r = dispatch(p, ev, ret);
	if (r < 0)
		ret->n = 0;
	return r;
}

uint64_t policy_deadline(const struct policy *p)
{
	return p->next_gossip;
}

const struct policy_node *policy_self(const struct policy *p)
{
	return &p->self;
}

const struct policy_params *policy_params(const struct policy *p)
{
	return &p->par;
}

static void view_slot(const struct policy *p, uint32_t i, struct policy_node_view *ret)
{
	const struct pulse *is = &p->pulse[i];
	const struct hot *h = &p->hot[i];

	*ret = (struct policy_node_view){.node = &p->node[i], .health = node_health(p, is), .left = is->left};
	ret->age_us = (uint64_t)((int64_t)p->now - is->born_ns) / 1000;
	ret->expected_milli = h->export_milli + (uint32_t)((uint64_t)h->one_milli * h->out_milli / 1000);
}

static void view_self(const struct policy *p, struct policy_node_view *ret)
{
	*ret = (struct policy_node_view){.node = &p->self, .health = POLICY_SELF};
	ret->expected_milli = p->self.export_milli;
}

bool policy_node_next(const struct policy *p, unsigned *cursor, struct policy_node_view *ret)
{
	if (*cursor == 0) {
		view_self(p, ret);
		*cursor = 1;
		return true;
	}
	while (*cursor - 1 < p->nodes.high) {
		uint32_t i = (*cursor)++ - 1;

		if (!p->pulse[i].used)
			continue;
		view_slot(p, i, ret);
		return true;
	}
	return false;
}

bool policy_node_find(const struct policy *p, const char *name, struct policy_node_view *ret)
{
	uint32_t slot;

	if (node_is_self(p, name)) {
		view_self(p, ret);
		return true;
	}
	slot = node_find(p, name);
	if (slot == NONE)
		return false;
	view_slot(p, slot, ret);
	return true;
}
