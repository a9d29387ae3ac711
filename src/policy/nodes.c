/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is known of the other nodes: merging of entries, their ageing, failures.
 * Promise: whatever a neighbour says, the table stays within its bound and no entry counts as newer than now.
 * Must not: decide who gets a process.
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

uint32_t node_find(const struct policy *p, const char *name)
{
	uint64_t hash = hash_string(p->hash_seed, name);
	uint32_t i;

	for (i = p->nodes.bucket[hash & p->nodes.mask]; i != NONE; i = p->nodes.next[i])
		if (p->cold[i].hash == hash && strcmp(p->node[i].name, name) == 0)
			return i;
	return NONE;
}

bool node_is_self(const struct policy *p, const char *name)
{
	return !*name || strcmp(name, p->self.name) == 0;
}

void node_facts(struct policy *p, uint32_t slot)
{
	const struct policy_node *e = &p->node[slot];
	struct hot *h = &p->hot[slot];

	h->state = e->state;
	h->cpus_milli = e->cpus_milli;
	h->speed = e->speed;
	h->one_milli = policy_load(1000, e->cpus_milli, e->speed);
	if (!h->one_milli)
		h->one_milli = 1;
	h->export_milli = e->export_milli;
	h->stable_milli = e->export_milli + (uint32_t)((uint64_t)h->one_milli * p->par.stable_percent / 100);
	h->raw_milli = (uint32_t)((uint64_t)e->export_milli * 1000 / h->one_milli);
	h->room = (int64_t)e->mem_free - (int64_t)(e->mem_total / 100 * p->par.reserve_percent);
	node_want(p, slot);
}

void node_want(struct policy *p, uint32_t slot)
{
	const struct hot *h = &p->hot[slot];
	uint64_t v = h->stable_milli;

	if (h->out_milli)
		v += (uint64_t)h->one_milli * h->out_milli / 1000;
	p->want[slot] = v < NONE ? (uint32_t)v : NONE;
}

static void node_drop(struct policy *p, uint32_t slot)
{
	uint64_t hash = p->cold[slot].hash;

	p->n_proved -= p->pulse[slot].proved;
	memset(&p->pulse[slot], 0, sizeof(p->pulse[slot]));
	memset(&p->hot[slot], 0, sizeof(p->hot[slot]));
	table_drop(&p->nodes, hash, slot);
}

static void tell(const struct policy *p, uint32_t slot, enum policy_action_type type, struct policy_actions *ret)
{
	struct policy_action *a = action_add(ret, type);

	if (!a)
		return;
	memcpy(a->node.name, p->node[slot].name, sizeof(a->node.name));
	memcpy(a->node.address, p->node[slot].address, sizeof(a->node.address));
	a->node.port = p->node[slot].port;
}

/* A full table gives up the node that has been dead for longest; for one that speaks itself also one that is known from
 * hearsay only, so that a neighbour who tells of a million nodes keeps no true one out. */
static uint32_t evict(struct policy *p, bool direct)
{
	uint32_t i, oldest = NONE;
	bool dead, oldest_dead = false;

	for (i = 0; i < p->nodes.high; i++) {
		const struct pulse *h = &p->pulse[i];

		if (!h->used || p->hot[i].n_out)
			continue;
		dead = node_health(p, h) == POLICY_DEAD;
		if ((!dead && (!direct || h->proved)) || (!dead && oldest_dead))
			continue;
		if (oldest == NONE || dead > oldest_dead || h->born_ns < p->pulse[oldest].born_ns) {
			oldest = i;
			oldest_dead = dead;
		}
	}
	if (oldest != NONE)
		node_drop(p, oldest);
	return oldest;
}

static int node_add(struct policy *p, const char *name, bool direct, uint32_t *ret)
{
	uint64_t hash = hash_string(p->hash_seed, name);
	uint32_t slot = table_take(&p->nodes, hash);

	if (slot == NONE && evict(p, direct) != NONE)
		slot = table_take(&p->nodes, hash);
	if (slot == NONE)
		return -ENOBUFS;
	p->pulse[slot] = (struct pulse){.used = 1};
	p->hot[slot] = (struct hot){.state = 0};
	p->cold[slot] = (struct cold){.hash = hash};
	*ret = slot;
	return 0;
}

static bool entry_ok(const struct policy_node *e)
{
	return name_ok(e->name, sizeof(e->name)) && text_ok(e->address, sizeof(e->address)) &&
	       text_ok(e->version, sizeof(e->version)) && e->cpus_milli && e->speed;
}

/* Incarnations are times of day in ns. One from the far future would leave its node no higher one to contradict with.
 */
static bool from_far_future(const struct policy *p, uint64_t incarnation)
{
	uint64_t today = p->first_incarnation + (p->now - p->start_ns);

	if (today < p->first_incarnation || today > UINT64_MAX / 2)
		today = UINT64_MAX / 2; /* what this node was given is no time of day */
	return incarnation > today + FAR_FUTURE;
}

/* Somebody says something newer of this node than it said itself: a run before a step of the clock, or a mad
 * neighbour. The claim is outbid, else nobody would listen to this node again. */
static void outbid(struct policy *p, const struct policy_node *e)
{
	if (e->incarnation < p->self.incarnation || (e->incarnation == p->self.incarnation && e->seq <= p->self.seq) ||
	    from_far_future(p, e->incarnation)) /* nobody believes that */
		return;
	p->self.incarnation = e->incarnation + 1;
	p->self.seq = 0;
}

static void take_entry(struct policy *p, uint32_t slot, const struct policy_node *e)
{
	struct policy_node *to = &p->node[slot];
	struct pulse *h = &p->pulse[slot];

	if (e->incarnation != to->incarnation) {
		h->left = 0;
		h->failed = 0;
	}
	*to = *e;
	to->state &= ~(uint32_t)POLICY_ACCUSED;
	if (to->load_milli > POLICY_LOAD_MAX)
		to->load_milli = POLICY_LOAD_MAX;
	if (to->export_milli > POLICY_LOAD_MAX)
		to->export_milli = POLICY_LOAD_MAX;
	if (to->mem_total > BYTES_MAX)
		to->mem_total = BYTES_MAX;
	if (to->mem_free > to->mem_total)
		to->mem_free = to->mem_total;
	h->born_ns = (int64_t)p->now - (int64_t)(e->age_us * 1000);
	if (h->born_ns > p->cold[slot].failed_ns)
		h->failed = 0;
	if (h->born_ns >= p->cold[slot].asked_ns)
		h->unanswered = 0;
	node_facts(p, slot);
	moves_seen_fresh(p, slot);
}

/* The higher incarnation wins, then the higher seq. A fresh entry of another run also replaces a dead one: the clock
 * from which incarnations come may have been set back. Who said that it leaves is only believed in another run. */
static bool is_news(const struct policy *p, uint32_t slot, const struct policy_node *e)
{
	const struct policy_node *old = &p->node[slot];
	const struct pulse *h = &p->pulse[slot];

	if (e->incarnation == old->incarnation)
		return e->seq > old->seq && !h->left;
	if (e->incarnation > old->incarnation)
		return true;
	return node_health(p, h) == POLICY_DEAD && e->age_us * 1000 < p->suspect_ns &&
	       (int64_t)p->now - (int64_t)(e->age_us * 1000) > h->born_ns;
}

/* How far a neighbour may be believed about another node is bounded here and in outbid(); see docs/policy.md. */
int node_entry(struct policy *p, const struct policy_node *e, bool direct)
{
	struct pulse *h;
	uint32_t slot;
	int r;

	if (!entry_ok(e))
		return -EINVAL;
	if (node_is_self(p, e->name)) {
		outbid(p, e);
		return 0;
	}
	/* an age below zero comes as a huge number and ends here too */
	if (e->age_us >= p->par.forget_ms * 1000ULL || (!direct && from_far_future(p, e->incarnation)))
		return 0;
	slot = node_find(p, e->name);
	if (slot == NONE) {
		/* what is dead is not learnt again, else two nodes would keep a forgotten one in mind for ever */
		if (e->age_us * 1000 >= p->dead_ns)
			return 0;
		r = node_add(p, e->name, direct, &slot);
		if (r < 0)
			return r;
		take_entry(p, slot, e);
	} else if (is_news(p, slot, e)) {
		take_entry(p, slot, e);
	}
	h = &p->pulse[slot];
	if (direct) {
		h->unanswered = 0;
		p->n_proved += !h->proved;
		h->proved = 1;
	} else if (e->state & POLICY_ACCUSED && (int64_t)p->now - (int64_t)(e->age_us * 1000) >= h->born_ns) {
		gossip_hint(p, slot);
	}
	return 0;
}

int node_failed(struct policy *p, const char *name, bool left, struct policy_actions *ret)
{
	uint32_t slot = node_find(p, name);
	struct pulse *h;

	if (slot == NONE)
		return -ENOENT;
	h = &p->pulse[slot];
	if (left) {
		h->left = 1;
	} else {
		h->failed = 1;
		p->cold[slot].failed_ns = (int64_t)p->now;
	}
	if (h->told != POLICY_DEAD) {
		h->told = POLICY_DEAD;
		tell(p, slot, POLICY_DO_NODE_DEAD, ret);
	}
	return 0;
}

/* After a refusal or failure: 1, 2, 4 ... 32 times the parameter. A success resets it (move_done()). */
void node_backoff(struct policy *p, uint32_t slot)
{
	struct hot *h = &p->hot[slot];

	h->backoff_until = p->now + ((p->par.backoff_ms * MS) << h->backoff_level);
	if (h->backoff_level < 5)
		h->backoff_level++;
}

/* Those from slot i on of which there is nothing to say, as nearly all are; returns the first one that is otherwise.
 * What is counted stands in registers: a tick over 10,000 nodes is mostly this loop. */
static uint32_t sweep_calm(struct policy *p, uint32_t i, int64_t suspect)
{
	const struct pulse *pulse = p->pulse;
	uint32_t *alive = p->alive, n = p->n_alive, proved = p->alive_proved, high = p->nodes.high;
	int64_t eldest = p->eldest_ns;

	for (; i < high && pulse_calm(&pulse[i]) && pulse[i].born_ns > suspect; i++) {
		alive[n++] = i;
		proved += pulse[i].proved;
		eldest = pulse[i].born_ns < eldest ? pulse[i].born_ns : eldest;
	}
	p->n_alive = n;
	p->alive_proved = proved;
	p->eldest_ns = eldest;
	return i;
}

/* One pass over the table: who is alive, and the notices of what has changed. Notices for which there is no room
 * left in the actions come with the next tick. */
void nodes_sweep(struct policy *p, struct policy_actions *ret)
{
	static const enum policy_action_type notice[] = {[POLICY_ALIVE] = POLICY_DO_NODE_ALIVE,
							 [POLICY_SUSPECT] = POLICY_DO_NODE_SUSPECT,
							 [POLICY_DEAD] = POLICY_DO_NODE_DEAD};
	int64_t forget = (int64_t)p->now - (int64_t)(p->par.forget_ms * MS);
	unsigned room = POLICY_ACTIONS_MAX / 2; /* the rest is for what is decided */
	int64_t suspect = (int64_t)p->now - (int64_t)p->suspect_ns;
	uint32_t i;

	p->n_alive = p->alive_proved = 0;
	p->eldest_ns = INT64_MAX;
	for (i = sweep_calm(p, 0, suspect); i < p->nodes.high; i = sweep_calm(p, i + 1, suspect)) {
		struct pulse *h = &p->pulse[i];
		enum policy_health health;

		if (!h->used)
			continue;
		health = node_health(p, h);
		if (health != h->told && ret->n < room) {
			h->told = (uint8_t)health;
			tell(p, i, notice[health], ret);
		}
		if (health != POLICY_DEAD) {
			p->alive[p->n_alive++] = i;
			p->alive_proved += h->proved;
			if (h->unanswered || h->born_ns < p->eldest_ns)
				p->eldest_ns = h->unanswered ? INT64_MIN : h->born_ns;
		} else if (h->born_ns <= forget && !p->hot[i].n_out && ret->n < room) {
			tell(p, i, POLICY_DO_NODE_FORGOTTEN, ret);
			node_drop(p, i);
		}
	}
	gossip_limits(p);
	if (p->par.algorithm)
		economic_prepare(p, 0);
}
