/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gossip with a window: the freshest entries to one random node in each interval.
 * Promise: nobody is told what is dead; no message holds more than the window. Must not: send anything itself.
 * Reference: Amar, Barak, Drezner, Okun 2009; Barak and Shiloh 1985 for the idea.
 */
#include <string.h>
#include "internal.h"

/* The age at which a node is suspect or dead must lie well over the greatest one that is to be expected in a
 * healthy cluster of this size, or every node would always hold some healthy ones for dead. */
void gossip_limits(struct policy *p)
{
	uint64_t age_ns = policy_gossip_max_age(p->n_alive + 1, p->par.window) * p->par.gossip_ms * (MS / 1000);

	p->suspect_ns = p->par.suspect_ms * MS;
	if (p->suspect_ns < 2 * age_ns)
		p->suspect_ns = 2 * age_ns;
	p->dead_ns = p->par.dead_ms * MS;
	if (p->dead_ns < 3 * age_ns)
		p->dead_ns = 3 * age_ns;
	if (p->dead_ns < p->suspect_ns)
		p->dead_ns = p->suspect_ns;
}

/* Keeps slots[0..n) a heap with the oldest entry on top. */
static void sift_down(const struct policy *p, uint32_t *slots, unsigned n, unsigned i)
{
	for (;;) {
		unsigned child = 2 * i + 1;
		uint32_t t;

		if (child >= n)
			return;
		if (child + 1 < n && p->hot[slots[child + 1]].born_ns < p->hot[slots[child]].born_ns)
			child++;
		if (p->hot[slots[i]].born_ns <= p->hot[slots[child]].born_ns)
			return;
		t = slots[i];
		slots[i] = slots[child];
		slots[child] = t;
		i = child;
	}
}

/* The slots of the `max` freshest living nodes, freshest first. */
static unsigned freshest(const struct policy *p, uint32_t *slots, unsigned max)
{
	unsigned n = 0, k, left;
	uint32_t i;

	if (!max)
		return 0;
	for (i = 0; i < p->nodes.high; i++) {
		if (!p->hot[i].used || node_health(p, &p->hot[i]) == POLICY_DEAD)
			continue;
		if (n < max) {
			slots[n++] = i;
			if (n == max)
				for (k = max / 2; k--;)
					sift_down(p, slots, max, k);
		} else if (p->hot[i].born_ns > p->hot[slots[0]].born_ns) {
			slots[0] = i;
			sift_down(p, slots, n, 0);
		}
	}
	if (n < max)
		for (k = n / 2; k--;)
			sift_down(p, slots, n, k);
	for (left = n; left > 1;) { /* the oldest goes behind the rest each time */
		uint32_t t = slots[0];

		slots[0] = slots[--left];
		slots[left] = t;
		sift_down(p, slots, left, 0);
	}
	return n;
}

unsigned policy_window(struct policy *p, uint64_t now_ns, const struct policy_node **ret, unsigned max)
{
	uint32_t slots[POLICY_WINDOW_MAX];
	unsigned n, i;

	if (now_ns > p->now)
		p->now = now_ns;
	if (max > POLICY_WINDOW_MAX)
		max = POLICY_WINDOW_MAX;
	if (!max)
		return 0;
	load_publish(p);
	p->self.seq++;
	ret[0] = &p->self;
	n = freshest(p, slots, max - 1);
	for (i = 0; i < n; i++) {
		struct policy_node *e = &p->node[slots[i]];

		e->age_us = (uint64_t)((int64_t)p->now - p->hot[slots[i]].born_ns) / 1000;
		ret[i + 1] = e;
	}
	return n + 1;
}

/* A random living node; once in max(5, living) times any known one, so that about one message of the whole cluster
 * in each interval looks after the dead. NONE: nobody is known. */
static uint32_t pick(struct policy *p)
{
	uint32_t any = p->n_alive > 5 ? p->n_alive : 5, i, k;

	if (!p->nodes.count)
		return NONE;
	if (p->n_alive && draw_below(p, any) != 0)
		return p->alive[draw_below(p, p->n_alive)];
	k = draw_below(p, p->nodes.count);
	for (i = 0; i < p->nodes.high; i++)
		if (p->hot[i].used && k-- == 0)
			break;
	/* who has said that it leaves is not called back */
	return p->hot[i].left ? NONE : i;
}

void gossip_send(struct policy *p, struct policy_actions *ret)
{
	struct policy_action *a;
	uint32_t slot;

	if (p->now < p->next_gossip)
		return;
	p->next_gossip = p->now + p->par.gossip_ms * MS;
	slot = pick(p);
	if (slot == NONE)
		return;
	a = action_add(ret, POLICY_DO_GOSSIP);
	if (!a)
		return;
	memcpy(a->node.name, p->node[slot].name, sizeof(a->node.name));
	memcpy(a->node.address, p->node[slot].address, sizeof(a->node.address));
	a->node.port = p->node[slot].port;
	ret->n_window = policy_window(p, p->now, ret->window, p->par.window);
}
