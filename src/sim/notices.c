/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who holds whom for gone, and when: of a node that died, when the first, half, and all of those that are there held it
 * for suspect or dead, and when all held it for dead; of one that lives, how often it was wrongly suspected.
 * Promise: looks at what the policies announce, never changes it. Must not: know a policy's reasons.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include "internal.h"

enum { DOUBTS = 1, BURIED = 2 };

static void of_dead(struct sim *s, uint32_t observer, struct node *n, bool dead)
{
	double after = (double)(s->now - n->died_ns) * 1e-9;
	uint8_t *known = &n->doubted_by[observer];

	if (!(*known & DOUBTS)) {
		n->doubts++;
		if (n->doubts == 1)
			n->first_s = after;
		if (isnan(n->half_s) && n->doubts >= (s->n_up + 1) / 2)
			n->half_s = after;
		if (isnan(n->all_s) && n->doubts >= s->n_up)
			n->all_s = after;
	}
	if (dead && !(*known & BURIED) && ++n->burials >= s->n_up && isnan(n->buried_s))
		n->buried_s = after;
	*known |= dead ? DOUBTS | BURIED : DOUBTS;
}

/* From its death on. Who held it for gone already will not say so again. */
void notices_begin(struct sim *s, uint32_t node)
{
	struct node *n = &s->nodes[node];
	struct policy_node_view v;
	uint32_t i;

	if (s->now < s->zero || !n->policy)
		return;
	free(n->doubted_by);
	n->doubted_by = calloc(s->n, 1);
	n->doubts = n->burials = 0;
	n->first_s = n->half_s = n->all_s = n->buried_s = NAN;
	if (!n->doubted_by)
		s->error = -ENOMEM;
	for (i = 0; i < s->n && n->doubted_by; i++)
		if (i != node && s->nodes[i].up && policy_node_find(s->nodes[i].policy, n->entry.name, &v) &&
		    v.health != POLICY_ALIVE)
			of_dead(s, i, n, v.health == POLICY_DEAD);
}

/* It is there again: what is known of it so far stands. */
void notices_end(struct sim *s, uint32_t node)
{
	struct node *n = &s->nodes[node];

	if (!n->doubted_by)
		return;
	free(take_ptr(n->doubted_by));
	s->tally.seen_dead++;
	s->tally.first_s += n->first_s;
	s->tally.half_s += n->half_s;
	s->tally.all_s += n->all_s;
	s->tally.buried_s += n->buried_s;
}

void notices_take(struct sim *s, uint32_t observer, const struct policy_actions *act)
{
	unsigned i;

	for (i = 0; i < act->n; i++) {
		const struct policy_action *a = &act->a[i];
		bool dead = a->type == POLICY_DO_NODE_DEAD;
		uint32_t about;

		if ((!dead && a->type != POLICY_DO_NODE_SUSPECT) || s->now < s->zero)
			continue;
		about = node_of(s, a->node.name);
		if (about == NOBODY)
			continue;
		if (!s->nodes[about].up) {
			if (s->nodes[about].doubted_by)
				of_dead(s, observer, &s->nodes[about], dead);
			continue;
		}
		s->tally.suspicions += !dead;
		s->tally.well_suspected += !dead && !s->nodes[about].slow && !s->nodes[observer].slow;
		s->tally.deaths += dead;
	}
}

/* ---- slow nodes ------------------------------------------------------------------------------------------------ */

/* A daemon that gets no CPU: what it should do in a second comes later, and messages wait until then. */
uint64_t stall(struct sim *s, uint32_t node)
{
	return s->nodes[node].slow ? ns_of(luck_draw(&s->luck_slow, &s->sc.model.slow_s)) : 0;
}
