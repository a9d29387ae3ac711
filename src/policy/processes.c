/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of this node that the daemon watches.
 * Promise: measurements are bounded and smoothed (5p+3x)/8. Must not: know other nodes but a guest's home.
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

#define UNSEEN_NS (3500 * MS) /* three measurements missed */
#define AGE_DIVISOR 4
#define TIMES_MAX 5 /* 32 times the residence */

/* A recorded home that is this node's own name means the same as none. */
static const char *home_of(const struct policy *p, const struct policy_id *id)
{
	return node_is_self(p, id->home) ? "" : id->home;
}

int id_ok(const struct policy_id *id)
{
	return text_ok(id->home, sizeof(id->home)) && id->pid > 0 ? 0 : -EINVAL;
}

static uint64_t id_hash(const struct policy *p, const struct policy_id *id)
{
	uint64_t h = hash_string(p->hash_seed, home_of(p, id));

	return hash_number(hash_number(h, (uint64_t)id->pid), id->start_time);
}

struct proc *proc_find(const struct policy *p, const struct policy_id *id)
{
	uint64_t hash = id_hash(p, id);
	uint32_t i;

	for (i = p->procs.bucket[hash & p->procs.mask]; i != NONE; i = p->procs.next[i]) {
		struct proc *pr = &p->proc[i];

		if (pr->hash == hash && pr->last.id.pid == id->pid && pr->last.id.start_time == id->start_time &&
		    strcmp(pr->last.id.home, home_of(p, id)) == 0)
			return pr;
	}
	return NULL;
}

static struct past *past_find(struct policy *p, uint64_t hash)
{
	struct past *a;

	for (a = p->past; a < p->past + PAST_MAX; a++)
		if (a->hash == hash && a->times && p->now - a->left_ns < PAST_NS)
			return a;
	return NULL;
}

void proc_left(struct policy *p, const struct policy_id *id)
{
	uint64_t hash = id_hash(p, id);
	struct past *a = past_find(p, hash);

	if (!a) {
		a = &p->past[p->past_next++ % PAST_MAX];
		*a = (struct past){.hash = hash};
	}
	a->left_ns = p->now;
	a->times += a->times < TIMES_MAX;
}

static struct proc *proc_add(struct policy *p, const struct policy_process *e)
{
	uint64_t hash = id_hash(p, &e->id);
	uint32_t slot = table_take(&p->procs, hash);
	const struct past *past;
	struct proc *pr;

	if (slot == NONE)
		return NULL;
	pr = &p->proc[slot];
	*pr = (struct proc){.used = true, .hash = hash, .last = *e, .home_slot = NONE};
	past = past_find(p, hash);
	pr->times = past ? (uint8_t)past->times : 0;
	memset(pr->last.id.home, 0, sizeof(pr->last.id.home));
	if (!node_is_self(p, e->id.home)) {
		memcpy(pr->last.id.home, e->id.home, strlen(e->id.home));
		pr->home_hash = hash_string(p->hash_seed, e->id.home);
		p->self.guests++;
	}
	return pr;
}

static uint32_t at_most(uint32_t v, uint32_t max)
{
	return v < max ? v : max;
}

int proc_update(struct policy *p, const struct policy_process *e)
{
	struct proc *pr;
	struct policy_id id;
	uint32_t demand, calls;
	bool is_new;

	if (id_ok(&e->id) < 0)
		return -EINVAL;
	pr = proc_find(p, &e->id);
	is_new = !pr;
	if (is_new) {
		pr = proc_add(p, e);
		if (!pr)
			return -ENOBUFS;
		pr->moving = move_under_way(p, &e->id); /* reported gone and seen again meanwhile */
	}
	demand = at_most(e->demand_milli > e->cpu_milli ? e->demand_milli : e->cpu_milli, 1000000);
	calls = at_most(e->calls, 10000000);
	if (!is_new) {
		demand = (5 * pr->last.demand_milli + 3 * demand + 4) / 8;
		calls = (5 * pr->last.calls + 3 * calls + 4) / 8;
	}
	id = pr->last.id;
	pr->last = *e;
	pr->last.id = id;
	pr->last.demand_milli = demand;
	pr->last.calls = calls;
	pr->last.cpu_milli = at_most(e->cpu_milli, 1000000);
	if (pr->last.rss > BYTES_MAX)
		pr->last.rss = BYTES_MAX;
	pr->seen_ns = p->now;
	if (pr->home_hash)
		pr->home_slot = node_find(p, pr->last.id.home);
	return 0;
}

int proc_gone(struct policy *p, const struct policy_id *id)
{
	struct proc *pr;

	if (id_ok(id) < 0)
		return -EINVAL;
	pr = proc_find(p, id);
	if (!pr)
		return -ENOENT;
	if (pr->home_hash)
		p->self.guests--;
	pr->used = false;
	table_drop(&p->procs, pr->hash, (uint32_t)(pr - p->proc));
	return 0;
}

/* The slot was looked up at the last measurement; the node may have been forgotten or learnt since. */
uint32_t proc_home_slot(const struct policy *p, const struct proc *pr)
{
	uint32_t slot = pr->home_slot;

	if (!pr->home_hash)
		return NONE;
	if (slot != NONE && p->pulse[slot].used && p->cold[slot].hash == pr->home_hash)
		return slot;
	return node_find(p, pr->last.id.home);
}

/* Writes the pair, where it is wanted, and says whether value is below threshold: the common shape of the rules. */
static bool below(uint64_t v, uint64_t t, int64_t *value, int64_t *threshold)
{
	if (value)
		*value = (int64_t)v;
	if (threshold)
		*threshold = (int64_t)t;
	return v < t;
}

/* CPU time in ms that a process must have used. One that waits most of the time has shown by that, too, that it is
 * there to stay, and gains the more by a move; so min_age_ms is divided by the slowdown, but not by more than
 * AGE_DIVISOR. Reference: Harchol-Balter and Downey 1997: the age that pays falls with the difference of the loads. */
void proc_ages(struct policy *p)
{
	uint64_t slow = policy_slowdown(p->raw_last, p->self.cpus_milli, POLICY_SPEED_STANDARD);

	p->age_needed_ms = p->par.min_age_ms * 1000ULL / (slow < AGE_DIVISOR * 1000 ? slow : AGE_DIVISOR * 1000);
}

/* One that comes back again and again stays longer each time: what is known of the others must be wrong then, and moves
 * to and fro would cost more than they bring. */
static uint64_t residence(const struct policy *p, const struct proc *pr)
{
	return (uint64_t)p->par.residence_ms << pr->times;
}

enum policy_why proc_check(const struct policy *p, const struct proc *pr, uint64_t skip, int64_t *value,
			   int64_t *threshold)
{
	const struct policy_process *e = &pr->last;
	uint64_t here_ns = p->now > e->arrived_ns ? p->now - e->arrived_ns : 0;

#define WHY(name, cond)                                              \
	do {                                                         \
		if (!(skip & (1ULL << POLICY_WHY_##name)) && (cond)) \
			return POLICY_WHY_##name;                    \
	} while (0)
	WHY(CONFINED, !below(e->confined, 1, value, threshold));
	(void)below(0, 0, value, threshold);
	WHY(PINNED, pr->pinned || e->flags & POLICY_PROC_PINNED);
	WHY(IO_BOUND, e->flags & POLICY_PROC_IO);
	WHY(NOT_FAMILY, !(e->flags & POLICY_PROC_FAMILY));
	WHY(MOVING, pr->moving || e->flags & POLICY_PROC_BUSY);
	WHY(RESIDENCE, e->arrived_ns && below(here_ns / MS, residence(p, pr), value, threshold));
	WHY(YOUNG, below(e->cpu_age_us / 1000, p->age_needed_ms, value, threshold));
	WHY(IDLE, below(e->demand_milli, p->par.idle_percent * 10, value, threshold));
	WHY(UNSEEN, !below((p->now - pr->seen_ns) / MS, UNSEEN_NS / MS, value, threshold));
	(void)below(pr->failed_reason, 0, value, threshold);
	WHY(FAILED_LATELY, p->now < pr->failed_until);
#undef WHY
	return POLICY_WHY_NONE;
}
