/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Gossip with a window: in each interval the freshest entries to one random node, or a question to the node unheard of
 * for longest; and questions to those that have fallen silent, before anybody is called dead.
 * Promise: nobody is told what is dead; no message holds more than the window, whatever the size of the cluster; who
 * is late himself waits longer for answers. Must not: send anything itself.
 * Reference: Amar, Barak, Drezner, Okun 2009; Barak and Shiloh 1985 for the idea; for questions and doubts of oneself
 * Das, Gupta, Motivala 2002 (SWIM) and Dadgar, Phillips, Currey 2018 (Lifeguard).
 */
#include <string.h>
#include "internal.h"

#define LATE_MAX 8
#define ACCUSED_PART 4 /* of a window, at most, are entries of nodes that do not answer */

static uint64_t interval(const struct policy *p)
{
	return p->par.gossip_ms * MS;
}

static uint32_t wanted_window(const struct policy *p, uint32_t n)
{
	uint32_t w = policy_gossip_window(n, p->par.want_avg_age_ms * 1000ULL / p->par.gossip_ms,
					  p->par.want_max_age_ms * 1000ULL / p->par.gossip_ms);

	if (p->par.want_avg_age_ms || p->par.want_max_age_ms)
		return w;
	return p->par.window;
}

/* A node is asked when it was unheard of for longer than is to be expected of any in a healthy cluster of this size;
 * earlier it would only cost messages. Suspect it may be after the time of two answers. */
void gossip_limits(struct policy *p)
{
	uint64_t age_ns;

	if (p->window_for != p->n_alive + 1) {
		p->window_for = p->n_alive + 1;
		p->window = wanted_window(p, p->window_for);
	}
	age_ns = policy_gossip_max_age(p->window_for, policy_window_size(p)) * p->par.gossip_ms * (MS / 1000);
	p->ask_ns = p->par.suspect_ms * MS / 2;
	if (p->ask_ns < age_ns)
		p->ask_ns = age_ns;
	p->suspect_ns = p->par.suspect_ms * MS;
	if (p->suspect_ns < age_ns + 2 * interval(p))
		p->suspect_ns = age_ns + 2 * interval(p);
	p->dead_ns = p->par.dead_ms * MS + age_ns;
	if (p->dead_ns < p->suspect_ns)
		p->dead_ns = p->suspect_ns;
}

/* ---- the window ---------------------------------------------------------------------------------------------- */

/* Slots, the oldest entry on top. */
struct heap {
	uint32_t slot[POLICY_WINDOW_MAX];
	unsigned n, max;
};

static void sift_down(const struct policy *p, uint32_t *slots, unsigned n, unsigned i)
{
	for (;;) {
		unsigned child = 2 * i + 1;
		uint32_t t;

		if (child >= n)
			return;
		if (child + 1 < n && p->pulse[slots[child + 1]].born_ns < p->pulse[slots[child]].born_ns)
			child++;
		if (p->pulse[slots[i]].born_ns <= p->pulse[slots[child]].born_ns)
			return;
		t = slots[i];
		slots[i] = slots[child];
		slots[child] = t;
		i = child;
	}
}

static void heapify(const struct policy *p, struct heap *h)
{
	unsigned k;

	for (k = h->n / 2; k--;)
		sift_down(p, h->slot, h->n, k);
}

static void heap_offer(const struct policy *p, struct heap *h, uint32_t slot)
{
	if (h->n < h->max) {
		h->slot[h->n++] = slot;
		if (h->n == h->max)
			heapify(p, h);
	} else if (h->max && p->pulse[slot].born_ns > p->pulse[h->slot[0]].born_ns) {
		h->slot[0] = slot;
		sift_down(p, h->slot, h->n, 0);
	}
}

/* Freshest first; it is no heap any more. */
static void heap_sort(const struct policy *p, struct heap *h)
{
	unsigned left;

	if (h->n < h->max)
		heapify(p, h);
	for (left = h->n; left > 1;) { /* the oldest goes behind the rest each time */
		uint32_t t = h->slot[0];

		h->slot[0] = h->slot[--left];
		h->slot[left] = t;
		sift_down(p, h->slot, left, 0);
	}
}

/* Is it worth telling others? What is older than that nobody takes. */
static bool tellable(const struct policy *p, const struct pulse *h)
{
	return h->used && (int64_t)p->now - h->born_ns < (int64_t)(p->par.forget_ms * MS) &&
	       node_health(p, h) != POLICY_DEAD;
}

/* The slots of the `max` freshest nodes that are well, freshest first. Those that are known from hearsay only may take
 * half of the places, as long as there are others: a neighbour's inventions must not crowd out the true ones. */
static unsigned freshest(const struct policy *p, uint32_t *slots, unsigned max)
{
	struct heap proved = {.max = max}, heard = {.max = max};
	int64_t floor[2] = {max ? INT64_MIN : INT64_MAX, max ? INT64_MIN : INT64_MAX}; /* the oldest of a full heap */
	unsigned n_heard, n_proved, n, a = 0, b = 0;
	uint32_t i;

	for (i = 0; i < p->nodes.high; i++) {
		const struct pulse *h = &p->pulse[i];
		struct heap *to = h->proved ? &proved : &heard;

		if (h->born_ns <= floor[h->proved] || h->unanswered >= DOUBTFUL || !tellable(p, h))
			continue;
		heap_offer(p, to, i);
		if (to->n == max)
			floor[h->proved] = p->pulse[to->slot[0]].born_ns;
	}
	heap_sort(p, &proved);
	heap_sort(p, &heard);
	n_heard = heard.n < max / 2 ? heard.n : max / 2;
	n_proved = proved.n < max - n_heard ? proved.n : max - n_heard;
	n_heard = heard.n < max - n_proved ? heard.n : max - n_proved;
	for (n = 0; n < n_proved + n_heard; n++) {
		bool from_proved = b == n_heard || (a < n_proved && p->pulse[proved.slot[a]].born_ns >=
									p->pulse[heard.slot[b]].born_ns);

		slots[n] = from_proved ? proved.slot[a++] : heard.slot[b++];
	}
	return n;
}

/* Those that have not answered; others will ask them in their turn, so that the whole cluster knows soon. */
static unsigned accused(const struct policy *p, uint32_t *slots, unsigned max)
{
	uint32_t i, k;
	unsigned n = 0;

	for (k = 0; k < p->n_alive && n < max; k++) {
		i = p->alive[(k + p->rounds) % p->n_alive]; /* each has its turn */
		if (p->pulse[i].unanswered >= DOUBTFUL && tellable(p, &p->pulse[i]))
			slots[n++] = i;
	}
	return n;
}

static const struct policy_node *entry_now(struct policy *p, uint32_t slot)
{
	struct policy_node *e = &p->node[slot];

	e->age_us = (uint64_t)((int64_t)p->now - p->pulse[slot].born_ns) / 1000;
	e->state &= ~(uint32_t)POLICY_ACCUSED;
	if (p->pulse[slot].unanswered >= DOUBTFUL)
		e->state |= POLICY_ACCUSED;
	return e;
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
	if (max == 1)
		return 1;
	n = accused(p, slots, max / ACCUSED_PART);
	n += freshest(p, slots + n, max - 1 - n);
	for (i = 0; i < n; i++)
		ret[i + 1] = entry_now(p, slots[i]);
	return n + 1;
}

unsigned policy_window_size(const struct policy *p)
{
	int64_t oldest = (int64_t)p->now - (int64_t)(p->par.window_age_ms * MS);
	unsigned n = 1;
	uint32_t i;

	if (!p->par.window_age_ms)
		return p->window;
	for (i = 0; i < p->n_alive; i++)
		n += p->pulse[p->alive[i]].born_ns >= oldest;
	return n < POLICY_WINDOW_MAX ? n : POLICY_WINDOW_MAX;
}

/* ---- whom to tell -------------------------------------------------------------------------------------------- */

static uint32_t nth_proved(const struct policy *p, uint32_t k)
{
	uint32_t i;

	for (i = 0; i < p->n_alive; i++)
		if (p->pulse[p->alive[i]].proved && k-- == 0)
			return p->alive[i];
	return NONE;
}

/* A random living node; once in max(5, living) times any known one, so that about one message of the whole cluster
 * in each interval looks after the dead. At least half of the messages go to nodes that have spoken themselves, as long
 * as there are such. NONE: nobody is known. */
static uint32_t pick(struct policy *p)
{
	uint32_t any = p->n_alive > 5 ? p->n_alive : 5, i, k;

	if (!p->nodes.count)
		return NONE;
	if (p->n_alive && draw_below(p, any) != 0) {
		i = p->alive[draw_below(p, p->n_alive)];
		if (!p->pulse[i].proved && p->alive_proved && draw_below(p, 2))
			i = nth_proved(p, draw_below(p, p->alive_proved));
		return i;
	}
	k = draw_below(p, p->nodes.count);
	for (i = 0; i < p->nodes.high; i++)
		if (p->pulse[i].used && k-- == 0)
			break;
	/* who has said that it leaves is not called back */
	return p->pulse[i].left ? NONE : i;
}

/* ---- questions ----------------------------------------------------------------------------------------------- */

static uint64_t answer_ns(const struct policy *p)
{
	return interval(p) * (1 + p->late);
}

static bool same(const struct policy *p, const struct asked *a)
{
	return p->pulse[a->slot].used && p->cold[a->slot].hash == a->hash;
}

/* A node that was stalled finds that everybody is silent; the answers may lie in its sockets. */
static void doubt_oneself(struct policy *p, uint64_t late_ns)
{
	unsigned i;

	if (late_ns <= interval(p)) {
		p->late -= p->late > 0;
		return;
	}
	p->late = late_ns / interval(p) < LATE_MAX - p->late ? p->late + (uint32_t)(late_ns / interval(p)) : LATE_MAX;
	for (i = 0; i < p->n_asked; i++)
		p->asked[i].since_ns = p->now;
}

/* Counts the questions whose time is over. */
static void count_unanswered(struct policy *p)
{
	unsigned i, n = 0;

	for (i = 0; i < p->n_asked; i++) {
		struct asked *a = &p->asked[i];
		struct pulse *h = &p->pulse[a->slot];

		if (!same(p, a) || h->born_ns >= (int64_t)a->since_ns)
			continue;
		if (p->now - a->since_ns < answer_ns(p))
			p->asked[n++] = *a;
		else if (h->unanswered < HOPELESS)
			h->unanswered += 1 + (a->confirms && !h->unanswered);
		if (h->unanswered)
			p->eldest_ns = INT64_MIN;
	}
	p->n_asked = n;
}

static bool waits_for(const struct policy *p, uint32_t slot)
{
	unsigned i;

	for (i = 0; i < p->n_asked; i++)
		if (p->asked[i].slot == slot && same(p, &p->asked[i]))
			return true;
	return false;
}

static struct policy_action *message(struct policy *p, uint32_t slot, struct policy_actions *ret)
{
	struct policy_action *a = action_add(ret, POLICY_DO_GOSSIP);

	if (!a)
		return NULL;
	memcpy(a->node.name, p->node[slot].name, sizeof(a->node.name));
	memcpy(a->node.address, p->node[slot].address, sizeof(a->node.address));
	a->node.port = p->node[slot].port;
	a->node.ask = 0;
	return a;
}

static void ask(struct policy *p, uint32_t slot, bool confirms, struct policy_actions *ret)
{
	struct policy_action *a;

	if (ret->n_asked == POLICY_ASKS_MAX || p->n_asked == ASKED_MAX || waits_for(p, slot))
		return;
	a = message(p, slot, ret);
	if (!a)
		return;
	ret->asked[ret->n_asked++] = entry_now(p, slot);
	a->node.ask = (uint16_t)ret->n_asked;
	p->asked[p->n_asked++] = (struct asked){
	    .slot = slot, .hash = p->cold[slot].hash, .since_ns = p->now, .confirms = confirms};
	p->cold[slot].asked_ns = (int64_t)p->now;
	if (!ret->n_window)
		ret->n_window = policy_window(p, p->now, ret->window, 1);
}

/* The living node that was neither heard of nor asked for longest. Those that do not answer are asked by ask_silent().
 */
static uint32_t least_known(const struct policy *p)
{
	int64_t least = INT64_MAX;
	uint32_t i, best = NONE;

	for (i = 0; i < p->n_alive; i++) {
		const struct pulse *h = &p->pulse[p->alive[i]];
		int64_t asked;

		if (h->born_ns >= least || h->unanswered)
			continue;
		asked = p->cold[p->alive[i]].asked_ns;
		if (asked >= least)
			continue;
		least = h->born_ns > asked ? h->born_ns : asked;
		best = p->alive[i];
	}
	return best;
}

/* Is it time to ask this one? Who has not answered is asked again, when suspect after a pause that grows. */
static bool overdue(const struct policy *p, uint32_t slot)
{
	const struct pulse *h = &p->pulse[slot];
	uint64_t since;

	if (!h->unanswered && (int64_t)p->now - h->born_ns < (int64_t)p->ask_ns)
		return false;
	since = p->now - (uint64_t)p->cold[slot].asked_ns;
	return !p->cold[slot].asked_ns || since >= answer_ns(p) * (h->unanswered < DOUBTFUL ? 1 : h->unanswered - 1U);
}

void gossip_hint(struct policy *p, uint32_t slot)
{
	if (p->n_hints < HINTS_MAX && !p->pulse[slot].unanswered && node_health(p, &p->pulse[slot]) != POLICY_DEAD)
		p->hint[p->n_hints++] = (struct asked){.slot = slot, .hash = p->cold[slot].hash};
}

/* Those that have spoken themselves come first; of the others, which a neighbour may have invented, one each time. */
static void ask_overdue(struct policy *p, bool proved, unsigned max, struct policy_actions *ret)
{
	bool none = (int64_t)p->now - (int64_t)p->ask_ns < p->eldest_ns; /* of all of them */
	uint32_t k, i;

	for (k = 0; k < p->n_alive && ret->n_asked < max && !none; k++) {
		i = p->alive[(k + p->ask_next) % p->n_alive];
		if (p->pulse[i].used && p->pulse[i].proved == proved && overdue(p, i))
			ask(p, i, false, ret);
	}
	p->ask_next = p->n_alive ? (p->ask_next + k) % p->n_alive : 0;
}

static void ask_silent(struct policy *p, struct policy_actions *ret)
{

	while (p->n_hints && ret->n_asked < POLICY_ASKS_MAX - 1) { /* one is left for those that we miss ourselves */
		const struct asked *a = &p->hint[--p->n_hints];

		if (same(p, a) && !p->pulse[a->slot].unanswered)
			ask(p, a->slot, true, ret);
	}
	p->n_hints = 0;
	ask_overdue(p, true, POLICY_ASKS_MAX, ret);
	if (!p->n_proved)
		ask_overdue(p, false, POLICY_ASKS_MAX, ret);
	else if (ret->n_asked < POLICY_ASKS_MAX)
		ask_overdue(p, false, ret->n_asked + 1, ret);
}

/* ---- an interval --------------------------------------------------------------------------------------------- */

static void tell(struct policy *p, struct policy_actions *ret)
{
	uint32_t slot = pick(p);

	if (slot != NONE && message(p, slot, ret))
		ret->n_window = policy_window(p, p->now, ret->window, policy_window_size(p));
}

void gossip_send(struct policy *p, struct policy_actions *ret)
{
	uint64_t late;
	uint32_t slot;

	/* ticks come a little early and a little late */
	if (p->now + interval(p) / 8 < p->next_gossip)
		return;
	late = p->now > p->next_gossip ? p->now - p->next_gossip : 0;
	p->next_gossip = late > interval(p) / 2 ? p->now + interval(p) : p->next_gossip + interval(p);
	doubt_oneself(p, late);
	count_unanswered(p);
	p->rounds++;
	if (p->par.pull_every && p->rounds % p->par.pull_every == 0) {
		slot = least_known(p);
		if (slot != NONE)
			ask(p, slot, false, ret);
	} else {
		tell(p, ret);
	}
	ask_silent(p, ret);
}
