/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Decisions of a tick: send guests away when told to, relieve memory, balance, let guests go home; and placement.
 * Promise: one target is looked for by load first, then the process that gains most there; luck decides among equal
 * targets, so that nodes with the same view do not all choose the same one. Must not: know a rule (judge.c).
 */
#include <string.h>
#include "internal.h"

/* What the user of a process wants. */
#define WANTED (1ULL << POLICY_WHY_PINNED | 1ULL << POLICY_WHY_IO_BOUND)

static bool order(struct policy *p, struct proc *pr, uint32_t slot, bool home, enum policy_motive motive,
		  const struct verdict *v, struct policy_actions *ret)
{
	const char *to = home ? pr->last.id.home : p->node[slot].name;
	struct policy_action *a;

	if (ret->n == POLICY_ACTIONS_MAX || move_order(p, &pr->last.id, slot, false) < 0)
		return false;
	a = action_add(ret, POLICY_DO_MOVE);
	a->move.id = pr->last.id;
	memcpy(a->move.to, to, strlen(to) + 1);
	a->move.home = home;
	a->move.motive = motive;
	if (v->slow_there && v->slow_here > v->slow_there)
		a->move.gain_percent = (uint32_t)((v->slow_here * 100 / v->slow_there) - 100);
	a->move.saved_us = v->saved_us;
	return true;
}

/* Of ties[]; returns how many are left. */
static uint32_t keep_usable(struct policy *p, uint32_t n)
{
	uint32_t i, kept = 0;

	for (i = 0; i < n; i++) {
		p->ties[kept] = p->ties[i];
		kept += survey_usable(p, p->ties[i]);
	}
	return kept;
}

/* One of the least loaded of the survey, below `limit`; it is then taken out of the survey. NONE: there is none. */
static uint32_t choose(struct policy *p, uint64_t limit)
{
	uint32_t i, least = NONE, n = 0, top, one = 0, n_alive = p->n_alive, *stable = p->stable, *ties = p->ties;
	uint64_t reach;

	for (i = 0; i < n_alive; i++)
		if (stable[i] < least && survey_usable(p, i)) {
			least = stable[i];
			one = i;
		}
	if (least == NONE || least >= limit)
		return NONE;
	reach = p->par.algorithm ? least : p->hot[p->alive[one]].one_milli;
	reach = least + reach * p->par.tie_percent / 100;
	top = (uint32_t)(reach < limit ? reach : limit - 1);
	for (i = 0; i < n_alive; i++) {
		ties[n] = i; /* kept only if it is one: no branch to be guessed wrong */
		n += stable[i] <= top;
	}
	n = keep_usable(p, n);
	i = ties[draw_below(p, n)];
	stable[i] = NONE;
	return p->alive[i];
}

/* Collects the processes that may be moved; returns the least memory one of them has. What their users want is no
 * reason against moving guests when skip_guests leaves it out. */
static uint64_t collect(struct policy *p, uint64_t skip, uint64_t skip_guests, bool guests_only)
{
	uint64_t least = BYTES_MAX;
	int64_t v, t;
	uint32_t i;

	p->n_movable = 0;
	for (i = 0; i < p->procs.high; i++) {
		const struct proc *pr = &p->proc[i];

		if (!pr->used || (guests_only && !pr->home_hash) ||
		    proc_check(p, pr, skip | (pr->home_hash ? skip_guests : 0), &v, &t) != POLICY_WHY_NONE)
			continue;
		p->movable[p->n_movable++] = i;
		if (pr->last.rss < least)
			least = pr->last.rss;
	}
	return least;
}

/* What a move of the process to the slot would bring, or to its home, which is the other choice of a guest. */
static void judge_both(struct policy *p, const struct here *here, const struct proc *pr, uint32_t slot, bool relaxed,
		       uint32_t *ret_slot, struct verdict *ret)
{
	uint32_t home = proc_home_slot(p, pr);
	struct verdict vh;

	*ret_slot = slot;
	ret->why = POLICY_WHY_NO_GAIN;
	if (slot != NONE)
		judge(p, here, pr, &p->hot[slot], slot == home, ret);
	if (home == NONE || home == slot)
		return;
	if (relaxed)
		judge_return(p, here, pr, &p->hot[home], &vh);
	else
		judge(p, here, pr, &p->hot[home], true, &vh);
	if (vh.why != POLICY_WHY_NONE ||
	    (ret->why == POLICY_WHY_NONE && vh.slow_there * 100 > ret->slow_there * (100 + p->par.home_percent)))
		return;
	*ret_slot = home;
	*ret = vh;
}

/* The process of movable[] that gains most by going to the slot (NONE: home only), where for guests of another home
 * that home is the other choice. *ret_slot is where it should go. NULL: none gains. Of equals the first. The one that
 * could gain most is judged first, since then hardly another one needs to be. */
static struct proc *best_process(struct policy *p, const struct here *here, uint32_t slot, bool relaxed,
				 uint32_t *ret_slot, struct verdict *ret)
{
	uint32_t i, k, to, likely = 0, at = 0;
	int64_t most = INT64_MIN, could;
	struct proc *best = NULL;
	struct verdict v;

	for (i = 0; i < p->n_movable && slot != NONE && !p->par.algorithm; i++) {
		could = judge_most(p, here, &p->proc[p->movable[i]]);
		if (could > most) {
			most = could;
			likely = i;
		}
	}
	for (k = 0; k < p->n_movable; k++) {
		struct proc *pr;

		i = k == 0 ? likely : k <= likely ? k - 1 : k;
		pr = &p->proc[p->movable[i]];
		if (best && judge_most(p, here, pr) < ret->score)
			continue;
		judge_both(p, here, pr, slot, relaxed, &to, &v);
		if (v.why != POLICY_WHY_NONE || (best && (v.score < ret->score || (v.score == ret->score && i > at))))
			continue;
		best = pr;
		at = i;
		*ret = v;
		*ret_slot = to;
	}
	return best;
}

static bool balance_one(struct policy *p, const struct here *here, struct policy_actions *ret)
{
	bool relaxed = here->raw < load_threshold(p);
	uint64_t least, limit = 0, margin = (uint64_t)here->one * p->par.hysteresis_percent / 100;
	struct verdict v = {0};
	struct proc *pr;
	uint32_t to = NONE;
	unsigned tries;

	if (relaxed && !p->self.guests)
		return false;
	least = collect(p, 0, 0, relaxed);
	if (!p->n_movable)
		return false;
	if (!relaxed) {
		limit = p->par.algorithm ? NONE : here->load > margin ? here->load - margin : 0;
		survey(p, least);
	}
	/* the node of the least cost is that for nearly all processes */
	for (tries = p->par.algorithm ? TRIES - 1 : 0; tries < TRIES; tries++) {
		uint32_t slot = relaxed ? NONE : choose(p, limit);

		pr = best_process(p, here, slot, relaxed, &to, &v);
		if (pr) {
			bool home = pr->home_hash && to == proc_home_slot(p, pr);

			return order(p, pr, to, home, home ? POLICY_GO_HOME : POLICY_BALANCE, &v, ret);
		}
		if (slot == NONE)
			break;
	}
	return false;
}

/* Above its threshold a node may give several orders in one tick, each seeing what the ones before have changed. */
static void balance(struct policy *p, struct policy_actions *ret)
{
	struct here here = load_here(p);
	uint32_t allowed = moves_allowed(p, &here);
	int64_t v, t;

	if (gate_check(p, &here, &v, &t) != POLICY_WHY_NONE)
		return;
	while (p->n_moves < allowed && balance_one(p, &here, ret))
		if (p->n_moves < allowed)
			here = load_here(p);
}

/* Where a guest goes when it must: home, unless another node is faster by more than home_percent or home is out of
 * reach. Home is always a place it can go to. */
static void expel_one(struct policy *p, struct proc *pr, struct policy_actions *ret)
{
	uint32_t home = proc_home_slot(p, pr), slot;
	struct here here = load_here(p);
	struct verdict v = {0};
	uint64_t there, at_home = SLOW_MAX * 2, demand = pr->last.demand_milli;

	survey(p, pr->last.rss);
	slot = choose(p, NONE);
	if (slot != NONE && slot != home) {
		there = calls_slow(p, pr) + slow_there(&p->hot[slot], demand);
		if (home != NONE && node_health(p, &p->pulse[home]) != POLICY_DEAD)
			at_home = slow_there(&p->hot[home], demand);
		if (there * (100 + p->par.home_percent) < at_home * 100) {
			(void)order(p, pr, slot, false, POLICY_EXPEL, &v, ret);
			return;
		}
	}
	v.slow_here = v.slow_there = here.slow;
	(void)order(p, pr, home, true, POLICY_EXPEL, &v, ret);
}

/* Guests whose place is at home go there, whatever the loads, when there is room. */
static void recall(struct policy *p, struct policy_actions *ret)
{
	const uint64_t skip = 1ULL << POLICY_WHY_IO_BOUND | 1ULL << POLICY_WHY_YOUNG | 1ULL << POLICY_WHY_IDLE;
	struct verdict v = {0};
	uint32_t i, home;

	if (!p->self.guests)
		return;
	for (i = 0; i < p->procs.high && p->n_moves < p->par.max_moves; i++) {
		struct proc *pr = &p->proc[i];
		int64_t value, threshold;

		if (!(pr->last.flags & POLICY_PROC_IO) || !pr->used || !pr->home_hash ||
		    proc_check(p, pr, skip, &value, &threshold) != POLICY_WHY_NONE)
			continue;
		home = proc_home_slot(p, pr);
		if (home != NONE && node_check(p, &p->hot[home], pr->last.rss, &value, &threshold) == POLICY_WHY_NONE)
			(void)order(p, pr, home, true, POLICY_GO_HOME, &v, ret);
	}
}

static void expel(struct policy *p, struct policy_actions *ret)
{
	const uint64_t skip = 1ULL << POLICY_WHY_CONFINED | WANTED | 1ULL << POLICY_WHY_NOT_FAMILY |
			      1ULL << POLICY_WHY_RESIDENCE | 1ULL << POLICY_WHY_YOUNG | 1ULL << POLICY_WHY_IDLE |
			      1ULL << POLICY_WHY_UNSEEN;
	uint32_t i;

	if (!p->self.guests) {
		if (p->expelling && action_add(ret, POLICY_DO_EXPELLED))
			p->expelling = false;
		return;
	}
	(void)collect(p, skip, 0, true);
	for (i = 0; i < p->n_movable && p->n_moves < p->par.max_moves; i++)
		expel_one(p, &p->proc[p->movable[i]], ret);
}

/* The smallest of movable[] that is enough, guests first, else the biggest one there is. */
static uint32_t leaver(const struct policy *p)
{
	const struct proc *best = NULL;
	uint32_t i, at = NONE;

	for (i = 0; i < p->n_movable; i++) {
		const struct proc *pr = &p->proc[p->movable[i]];
		bool enough = pr->last.rss >= memory_missing(p, pr->last.rss);
		bool best_enough = best && best->last.rss >= memory_missing(p, best->last.rss);

		if (best && enough <= best_enough && (enough != best_enough || !pr->home_hash >= !best->home_hash) &&
		    (enough != best_enough || !pr->home_hash != !best->home_hash ||
		     (enough ? pr->last.rss >= best->last.rss : pr->last.rss <= best->last.rss)))
			continue;
		best = pr;
		at = i;
	}
	return at;
}

/* Memory is short, which goes before what the users of guests want, and those of its own want of their speed: a process
 * goes to the least loaded node that has the room. Reference: Barak and Braverman 1998: overrides balancing. */
static bool usher(struct policy *p, struct policy_actions *ret)
{
	const uint64_t skip = 1ULL << POLICY_WHY_YOUNG | 1ULL << POLICY_WHY_IDLE | 1ULL << POLICY_WHY_IO_BOUND;
	struct verdict v = {0};
	unsigned tries;

	if (!p->par.usher_percent || p->self.state & POLICY_STAY || p->n_moves >= p->par.max_moves)
		return false;
	if (!p->mem_fall && !p->mem_pressed && !p->mem_short && !memory_missing(p, 0))
		return false;
	(void)collect(p, skip, WANTED, false);
	/* for the one that would be best there may be room nowhere */
	for (tries = 0; tries < TRIES && p->n_movable; tries++) {
		uint32_t at = leaver(p), slot;
		struct proc *pr = &p->proc[p->movable[at]];

		if (!memory_short(p, pr->last.rss))
			return false;
		survey(p, pr->last.rss);
		slot = choose(p, NONE);
		if (slot != NONE)
			return order(p, pr, slot, slot == proc_home_slot(p, pr), POLICY_MEMORY, &v, ret);
		p->movable[at] = p->movable[--p->n_movable];
	}
	return false;
}

void decide(struct policy *p, struct policy_actions *ret)
{
	if (!p->sampled)
		return;
	if (p->expelling || p->self.state & POLICY_LEAVING) {
		expel(p, ret);
		return;
	}
	recall(p, ret);
	if (!usher(p, ret))
		balance(p, ret);
}

/* For policy_why(): which of the movable processes would be chosen for the slot, as a slot of processes. */
uint32_t best_for_node(struct policy *p, const struct here *here, uint32_t slot, struct verdict *ret)
{
	uint32_t to = NONE;
	struct proc *pr;

	(void)collect(p, 0, 0, false);
	pr = best_process(p, here, slot, false, &to, ret);
	return pr ? (uint32_t)(pr - p->proc) : NONE;
}

/* Somebody waits for an answer: a node of which nothing was heard for a while is better than none. */
static uint32_t choose_suspect(struct policy *p, uint64_t bytes)
{
	uint64_t limit = p->suspect_ns;
	uint32_t slot;

	p->suspect_ns = p->dead_ns;
	p->doubtful = HOPELESS;
	survey(p, bytes);
	slot = choose(p, NONE);
	p->suspect_ns = limit;
	p->doubtful = DOUBTFUL;
	return slot;
}

/* Reference: MOSIX's choice of the best node with reservations: random among the least loaded, and what was chosen
 * lately counts as a whole process. */
void place(struct policy *p, uint64_t token, uint64_t bytes, bool not_here, struct policy_actions *ret)
{
	struct policy_action *a = action_add(ret, POLICY_DO_PLACE);
	uint64_t own = (uint64_t)p->self.export_milli + (uint64_t)p->own_one * p->par.stable_percent / 100;
	int64_t room = (int64_t)p->self.mem_free - (int64_t)(p->self.mem_total / 100 * p->par.reserve_percent);
	bool here_ok = !not_here && !(p->self.state & POLICY_LEAVING) && p->sampled;
	uint32_t slot;

	if (bytes > BYTES_MAX)
		bytes = BYTES_MAX;
	here_ok = here_ok && room >= (int64_t)bytes;
	load_publish(p);
	survey(p, bytes);
	if (p->par.algorithm)
		own = economic_cost_new(p, bytes);
	/* a node elsewhere must be better than this one by more than a tie: the way there is not free */
	slot = choose(p, here_ok ? own - (p->par.algorithm ? own : p->own_one) * p->par.tie_percent / 100 : NONE);
	if (slot == NONE && !here_ok)
		slot = choose_suspect(p, bytes);
	a->place.token = token;
	a->place.to[0] = 0;
	if (slot != NONE)
		memcpy(a->place.to, p->node[slot].name, sizeof(a->place.to));
	else if (here_ok)
		memcpy(a->place.to, p->self.name, sizeof(a->place.to));
	else
		return;
	(void)move_order(p, NULL, slot, true);
	load_publish(p);
}

/* Time that a process takes on a node, as policy_slowdown(); it is part of the load where it is already. */
static uint64_t slow_on(const struct policy *p, const struct hot *h, bool is_there, uint32_t demand)
{
	uint64_t raw = p->export_q / SCALE + load_promised(p);

	if (h)
		return slow_there(h, is_there ? 0 : demand);
	return policy_slowdown(raw + (is_there ? 0 : demand), p->self.cpus_milli, p->self.speed);
}

bool policy_best(const struct policy *p, const char *at, uint32_t demand_milli, uint64_t bytes,
		 char ret[POLICY_NAME_MAX + 1])
{
	uint32_t here = node_is_self(p, at) ? NONE : node_find(p, at), i;
	bool self_there = node_is_self(p, at);
	int64_t room = (int64_t)p->self.mem_free - (int64_t)(p->self.mem_total / 100 * p->par.reserve_percent), v, t;
	uint64_t least = here == NONE && !self_there ? SLOW_MAX
						     : slow_on(p, self_there ? NULL : &p->hot[here], true, 0);
	const char *best = NULL;

	least = least * 100 / (100 + p->par.min_gain_percent);
	if (!self_there && room >= (int64_t)bytes && slow_on(p, NULL, false, demand_milli) < least) {
		least = slow_on(p, NULL, false, demand_milli);
		best = p->self.name;
	}
	for (i = 0; i < p->nodes.high; i++) {
		const struct hot *h = &p->hot[i];

		if (!p->pulse[i].used || i == here || node_check(p, h, bytes, &v, &t) != POLICY_WHY_NONE ||
		    slow_on(p, h, false, demand_milli) >= least)
			continue;
		least = slow_on(p, h, false, demand_milli);
		best = p->node[i].name;
	}
	if (best)
		memcpy(ret, best, strlen(best) + 1);
	return best;
}
