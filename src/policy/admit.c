/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The answer to a node that wants to send a process here.
 * Promise: a place that was promised counts at once in the exported load and the free memory. A process that comes
 * home is refused for nothing but missing features. Must not: trust the sender's judgement.
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

static struct in *in_find(struct policy *p, uint64_t mig, bool used)
{
	struct in *i;

	for (i = p->in; i < p->in + IN_MAX; i++)
		if (i->used == used && (!used || i->mig == mig))
			return i;
	return NULL;
}

/* A guest that has come shows in the free memory. */
uint64_t admit_promised(const struct policy *p)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < IN_MAX; i++)
		if (p->in[i].used && !p->in[i].came)
			sum += p->in[i].bytes;
	return sum;
}

uint64_t admit_arrived(const struct policy *p)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < IN_MAX; i++)
		if (p->in[i].used && p->in[i].came)
			sum += p->in[i].bytes;
	return sum;
}

/* Bytes for guests beyond the reserve and what was promised. */
static int64_t room_here(const struct policy *p)
{
	return (int64_t)p->mem_now - (int64_t)(p->self.mem_total / 100 * p->par.reserve_percent) -
	       (int64_t)admit_promised(p);
}

/* Would the guest be better off where it is? A free CPU here is always good. Otherwise several nodes may have chosen
 * this one at the same time, and only as many may come as keep it below them. */
static bool crowded(const struct policy *p, const struct policy_offer *o, int64_t *value, int64_t *threshold)
{
	uint64_t raw = p->export_q / SCALE + load_promised(p);
	uint32_t demand = o->demand_milli ? o->demand_milli : 1000;
	uint32_t from = node_find(p, o->from);

	if ((from == NONE && !o->from_load_milli) || raw + demand <= p->self.cpus_milli)
		return false;
	*value = (int64_t)policy_load(raw, p->self.cpus_milli, p->self.speed) +
		 (int64_t)p->own_one * p->par.stable_percent / 100;
	/* What gossip says may be older than the burst that this guest comes from. */
	*threshold = o->from_load_milli ? o->from_load_milli : p->hot[from].export_milli;
	return *value >= *threshold;
}

static enum policy_why offer_check(struct policy *p, const struct policy_offer *o, int64_t *value, int64_t *threshold)
{
	*value = *threshold = 0;
	if (!o->features_ok)
		return POLICY_WHY_FEATURES;
	if (!in_find(p, 0, false))
		return POLICY_WHY_OFFERS;
	if (o->returning)
		return POLICY_WHY_NONE;
	if (p->self.state & POLICY_BLOCK)
		return POLICY_WHY_NODE_BLOCKED;
	if (p->expelling || p->self.state & POLICY_LEAVING)
		return POLICY_WHY_NODE_LEAVING;
	*value = room_here(p) > 0 ? room_here(p) / (1 << 20) : 0;
	*threshold = (int64_t)(o->bytes >> 20);
	if (room_here(p) < (int64_t)o->bytes)
		return POLICY_WHY_NODE_MEMORY;
	if (o->automatic && crowded(p, o, value, threshold))
		return POLICY_WHY_CROWDED;
	return POLICY_WHY_NONE;
}

int admit_offer(struct policy *p, const struct policy_offer *offer, struct policy_actions *ret)
{
	struct policy_offer o = *offer;
	struct policy_action *a;
	struct in *in;

	if (!text_ok(o.from, sizeof(o.from)) || in_find(p, o.mig, true))
		return -EINVAL;
	if (o.bytes > BYTES_MAX)
		o.bytes = BYTES_MAX;
	if (o.demand_milli > 1000000)
		o.demand_milli = 1000000;
	a = action_add(ret, POLICY_DO_ADMIT);
	a->admit.mig = o.mig;
	a->admit.why = offer_check(p, &o, &a->admit.value, &a->admit.threshold);
	a->admit.accept = a->admit.why == POLICY_WHY_NONE;
	if (!a->admit.accept)
		return 0;
	in = in_find(p, 0, false);
	*in = (struct in){.used = true,
			  .mig = o.mig,
			  .bytes = o.bytes,
			  .since_ns = p->now,
			  .demand_milli = o.demand_milli ? o.demand_milli : 1000};
	load_publish(p);
	return 0;
}

int admit_done(struct policy *p, uint64_t mig, bool ok)
{
	struct in *in = in_find(p, mig, true);

	if (!in)
		return -ENOENT;
	if (ok) {
		in->came = true;
		in->since_ns = p->now;
	} else {
		in->used = false;
	}
	load_publish(p);
	return 0;
}

void admit_expire(struct policy *p)
{
	struct in *i;

	for (i = p->in; i < p->in + IN_MAX; i++)
		if (i->used && p->now - i->since_ns >= p->par.offer_ms * MS)
			i->used = false;
}

/* A guest that has come is seen in the load once a sample began after its coming. */
void admit_sampled(struct policy *p, uint64_t from_ns)
{
	struct in *i;

	for (i = p->in; i < p->in + IN_MAX; i++)
		if (i->used && i->came && from_ns >= i->since_ns)
			i->used = false;
}
