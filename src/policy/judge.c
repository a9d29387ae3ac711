/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The rules: may this node send, may that node take, does this process gain.
 * Promise: each rule stands here once; decisions and policy_why() both ask here, so that what is explained is what
 * is done. Must not: change anything.
 */
#include "internal.h"

/* Room to spare that makes a home "free" for a guest to return: the exported load falls slowly, never quite to 0. */
#define FREE_SLACK_MILLI 100

static inline enum policy_why say(enum policy_why why, int64_t v, int64_t t, int64_t *value, int64_t *threshold)
{
	*value = v;
	*threshold = t;
	return why;
}

enum policy_why node_check(const struct policy *p, const struct hot *h, uint64_t bytes, int64_t *value,
			   int64_t *threshold)
{
	const struct pulse *is = pulse_of(p, h);
	int64_t age = (int64_t)p->now - is->born_ns, room;

	*value = *threshold = 0;
	if (is->failed)
		return POLICY_WHY_NODE_UNREACHABLE;
	if (is->left || h->state & POLICY_LEAVING || !(h->state & POLICY_UP))
		return POLICY_WHY_NODE_LEAVING;
	/* nothing is sent to nodes that a neighbour may have invented */
	if (p->n_proved && !is->proved)
		return POLICY_WHY_NODE_HEARSAY;
	if (age >= (int64_t)p->suspect_ns || is->unanswered >= p->doubtful)
		return say(POLICY_WHY_NODE_DEAD, age / (int64_t)MS, (int64_t)(p->suspect_ns / MS), value, threshold);
	if (h->state & POLICY_BLOCK)
		return POLICY_WHY_NODE_BLOCKED;
	if (p->now < h->backoff_until)
		return say(POLICY_WHY_NODE_REFUSED, 0, (int64_t)((h->backoff_until - p->now) / MS), value, threshold);
	room = h->room - (int64_t)h->out_bytes;
	if (room < (int64_t)bytes)
		return say(POLICY_WHY_NODE_MEMORY, room / (1 << 20), (int64_t)(bytes >> 20), value, threshold);
	return POLICY_WHY_NONE;
}

/* The same by cost. A cost is more work than a load, so in a big cluster some nodes at a random place are looked at. */
static void survey_costs(struct policy *p, uint64_t bytes)
{
	uint32_t i, k, n = p->n_alive < LOOK_MAX ? p->n_alive : LOOK_MAX;
	uint32_t first = p->n_alive > n ? draw_below(p, p->n_alive) : 0;
	uint64_t cost;
	int64_t v, t;

	economic_prepare(p, first);
	for (i = 0; i < p->n_alive; i++)
		p->stable[i] = NONE;
	for (k = 0; k < n; k++) {
		const struct hot *h = &p->hot[p->alive[i = (first + k) % p->n_alive]];

		if (!pulse_of(p, h)->used || node_check(p, h, bytes, &v, &t) != POLICY_WHY_NONE)
			continue;
		cost = economic_cost(p, h, bytes, 1000);
		p->stable[i] = cost < NONE ? (uint32_t)cost : NONE - 1;
	}
}

/* The stable load of every living node, beside alive[]. Whether one of them could take `bytes` is asked when it is
 * looked at, which most of them never are. */
void survey(struct policy *p, uint64_t bytes)
{
	uint32_t i;

	p->survey_bytes = bytes;

	if (p->par.algorithm) {
		survey_costs(p, bytes);
		return;
	}
	for (i = 0; i < p->n_alive; i++)
		p->stable[i] = p->want[p->alive[i]];
}

/* A node of the survey, by its place there; one that will not do is taken out. */
bool survey_usable(struct policy *p, uint32_t i)
{
	const struct hot *h = &p->hot[p->alive[i]];
	int64_t v, t;

	if (pulse_of(p, h)->used && node_check(p, h, p->survey_bytes, &v, &t) == POLICY_WHY_NONE)
		return true;
	p->stable[i] = NONE;
	return false;
}

/* Normalised load that demand_milli makes on a node where one process makes `one`. */
static uint64_t part(uint32_t one, uint64_t demand_milli)
{
	return one * demand_milli / 1000;
}

uint64_t slow_there(const struct hot *h, uint64_t demand_milli)
{
	return policy_slowdown((uint64_t)h->raw_milli + h->out_milli + demand_milli, h->cpus_milli, h->speed);
}

/* Extra time per CPU time of a process that is away from home, milli: each forwarded call costs call_us. */
uint64_t calls_slow(const struct policy *p, const struct proc *pr)
{
	uint32_t cpu = pr->last.cpu_milli > 10 ? pr->last.cpu_milli : 10;
	uint64_t v;

	if (!pr->last.calls || pr->last.flags & POLICY_PROC_CPU)
		return 0;
	v = (uint64_t)pr->last.calls * p->par.call_us / cpu;
	return v < SLOW_MAX ? v : SLOW_MAX;
}

/* Time that a unit of CPU work takes the process here, milli. */
static uint64_t slow_now(const struct policy *p, const struct here *here, const struct proc *pr)
{
	uint64_t demand = pr->last.demand_milli;
	uint64_t slow = here->raw >= demand ? here->slow : policy_slowdown(demand, p->self.cpus_milli, p->self.speed);

	return slow + (pr->home_hash ? calls_slow(p, pr) : 0);
}

static uint64_t age_counted(const struct policy *p, const struct proc *pr)
{
	uint64_t horizon = p->par.horizon_ms * 1000ULL;

	return pr->last.cpu_age_us < horizon ? pr->last.cpu_age_us : horizon;
}

/* Saved time counts for as much as the process wants of a CPU. */
static int64_t score(const struct proc *pr, int64_t saved_us)
{
	return saved_us / 1000 * (int64_t)(pr->last.demand_milli < 1000 ? pr->last.demand_milli : 1000);
}

int64_t judge_most(const struct policy *p, const struct here *here, const struct proc *pr)
{
	if (p->par.algorithm)
		return INT64_MAX;
	return score(pr, (int64_t)(age_counted(p, pr) * slow_now(p, here, pr) / 1000));
}

/* Gain and cost. Reference: Harchol-Balter and Downey 1997, "migrate if age > cost / (n - m)": the CPU time still to
 * come is about the CPU time used, and n - m is the difference of the two slowdowns. */
static void judge_gain(const struct policy *p, const struct here *here, const struct proc *pr, const struct hot *h,
		       bool to_home, struct verdict *ret)
{
	uint64_t age = age_counted(p, pr), cost;

	ret->slow_here = slow_now(p, here, pr);
	ret->slow_there = slow_there(h, pr->last.demand_milli) + (to_home ? 0 : calls_slow(p, pr));
	if (ret->slow_there * (100 + p->par.min_gain_percent) > ret->slow_here * 100) {
		ret->why = say(POLICY_WHY_NO_GAIN,
			       (int64_t)(ret->slow_here * 100 / (ret->slow_there ? ret->slow_there : 1)) - 100,
			       p->par.min_gain_percent, &ret->value, &ret->threshold);
		return;
	}
	cost = p->par.move_fixed_ms * 1000ULL + (pr->last.rss >> 10) * 1000 / p->par.bandwidth_mib * 1000 / 1024;
	ret->saved_us = (int64_t)(age * (ret->slow_here - ret->slow_there) / 1000) - (int64_t)cost;
	if (ret->saved_us <= 0) {
		ret->why = say(POLICY_WHY_COST, (int64_t)cost, ret->saved_us + (int64_t)cost, &ret->value,
			       &ret->threshold);
		return;
	}
	ret->score = score(pr, ret->saved_us);
}

/* What the move itself takes is weighed against nothing here: costs are no times. The age that a process must have, the
 * residence and hysteresis_percent keep it rare. */
static void judge_cost(const struct policy *p, const struct here *here, const struct proc *pr, const struct hot *h,
		       bool to_home, struct verdict *ret)
{
	uint64_t demand = pr->last.demand_milli, away = calls_slow(p, pr);

	ret->slow_here = policy_slowdown(here->raw > demand ? here->raw : demand, p->self.cpus_milli, p->self.speed) +
			 (pr->home_hash ? away : 0);
	ret->slow_there = slow_there(h, demand) + (to_home ? 0 : away);
	if (economic_gains(p, here, pr, h, to_home, ret))
		ret->value = ret->threshold = 0;
	else
		ret->why = POLICY_WHY_DEARER;
}

/* Reference: the decision rules of MOSIX as published with Kerrighed: the target's exported load and 1.3 processes
 * must be less than the own load. Beyond that, the move must not turn the pair round, else the next one would be
 * back; there the last sample counts, since the local view would hide a process that has just begun. */
void judge(const struct policy *p, const struct here *here, const struct proc *pr, const struct hot *h, bool to_home,
	   struct verdict *ret)
{
	uint64_t there = h->export_milli + part(h->one_milli, h->out_milli), demand = pr->last.demand_milli;
	uint64_t margin = part(here->one, p->par.hysteresis_percent * 10ULL);
	uint64_t stable = there + part(h->one_milli, p->par.stable_percent * 10ULL);
	/* as much as the 1.3 leaves between two nodes: nodes of slightly different speed must not keep a process apart
	 */
	uint64_t left = here->load_last + part(here->one, (p->par.stable_percent - 100) * 10ULL);

	left = left > part(here->one, demand) ? left - part(here->one, demand) : 0;
	stable += margin;
	*ret = (struct verdict){.why = POLICY_WHY_NONE};
	ret->why = node_check(p, h, pr->last.rss, &ret->value, &ret->threshold);
	if (ret->why != POLICY_WHY_NONE)
		return;
	if (p->par.algorithm) {
		judge_cost(p, here, pr, h, to_home, ret);
		return;
	}
	if (stable >= here->load)
		ret->why = say(POLICY_WHY_NODE_LOADED, (int64_t)stable, here->load, &ret->value, &ret->threshold);
	else if (there + part(h->one_milli, demand) > left)
		ret->why = say(POLICY_WHY_REVERSED, (int64_t)(there + part(h->one_milli, demand)), (int64_t)left,
			       &ret->value, &ret->threshold);
	else
		judge_gain(p, here, pr, h, to_home, ret);
}

void judge_return(const struct policy *p, const struct here *here, const struct proc *pr, const struct hot *h,
		  struct verdict *ret)
{
	uint64_t raw = (uint64_t)h->raw_milli + h->out_milli + pr->last.demand_milli;

	*ret = (struct verdict){.why = POLICY_WHY_NONE};
	ret->why = node_check(p, h, pr->last.rss, &ret->value, &ret->threshold);
	if (ret->why != POLICY_WHY_NONE)
		return;
	if (raw > h->cpus_milli + FREE_SLACK_MILLI)
		ret->why = say(POLICY_WHY_NODE_LOADED, policy_load(raw, h->cpus_milli, h->speed),
			       policy_load(h->cpus_milli, h->cpus_milli, h->speed), &ret->value, &ret->threshold);
	else
		judge_gain(p, here, pr, h, true, ret);
}

/* What keeps this node from sending anything away, loads apart. */
enum policy_why gate_check(const struct policy *p, const struct here *here, int64_t *value, int64_t *threshold)
{
	uint64_t since = p->now - p->last_move;

	*value = *threshold = 0;
	if (p->self.state & POLICY_STAY)
		return POLICY_WHY_STAY;
	if (p->last_move && since < p->par.min_interval_ms * MS)
		return say(POLICY_WHY_INTERVAL, (int64_t)(since / MS), p->par.min_interval_ms, value, threshold);
	if (p->n_moves >= moves_allowed(p, here))
		return say(POLICY_WHY_MOVES, p->n_moves, moves_allowed(p, here), value, threshold);
	return POLICY_WHY_NONE;
}
