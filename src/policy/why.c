/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Why a process does not move: the same rules as the decisions, all of them instead of the first.
 * Promise: changes nothing but scratch space. Must not: have a rule of its own.
 */
#include <errno.h>
#include <string.h>
#include "internal.h"

struct list {
	struct policy_reason *at;
	unsigned n, max;
};

static void add(struct list *l, unsigned why, int64_t value, int64_t threshold, const char *node)
{
	struct policy_reason *r;

	if (why == POLICY_WHY_NONE)
		return;
	if (l->n < l->max) {
		r = &l->at[l->n];
		*r = (struct policy_reason){.why = why, .value = value, .threshold = threshold};
		memcpy(r->node, node, strlen(node) + 1);
	}
	l->n++;
}

static void why_process(const struct policy *p, const struct proc *pr, uint64_t skip, struct list *l)
{
	int64_t v, t;
	enum policy_why why;

	while ((why = proc_check(p, pr, skip, &v, &t)) != POLICY_WHY_NONE) {
		add(l, why, v, t, "");
		skip |= 1ULL << why;
	}
}

/* Would another process be sent there? */
static void why_not_chosen(struct policy *p, const struct here *here, const struct proc *pr, uint32_t slot,
			   struct list *l)
{
	struct verdict v = {0};
	uint32_t best = best_for_node(p, here, slot, &v);

	if (best != NONE && &p->proc[best] != pr)
		add(l, POLICY_WHY_NOT_CHOSEN, p->proc[best].last.id.pid, 0, p->node[slot].name);
}

static void why_nodes(struct policy *p, const struct here *here, const struct proc *pr, bool relaxed, struct list *l)
{
	uint32_t home = proc_home_slot(p, pr), i;
	bool chosen_asked = false;
	struct verdict v;

	for (i = 0; i < p->nodes.high; i++) {
		const struct hot *h = &p->hot[i];

		if (!p->pulse[i].used || (relaxed && i != home))
			continue;
		if (relaxed)
			judge_return(p, here, pr, h, &v);
		else
			judge(p, here, pr, h, i == home, &v);
		add(l, v.why, v.value, v.threshold, p->node[i].name);
		/* asking costs a look at every process, so the first node that would do stands for all */
		if (v.why == POLICY_WHY_NONE && !chosen_asked && !relaxed) {
			why_not_chosen(p, here, pr, i, l);
			chosen_asked = true;
		}
	}
}

int policy_why(const struct policy *cp, const struct policy_id *id, struct policy_reason *ret, unsigned max)
{
	struct policy *p = (struct policy *)cp; /* scratch arrays only */
	struct list l = {.at = ret, .max = max};
	struct here here = load_here(p);
	bool relaxed = here.raw < load_threshold(p);
	struct proc *pr;
	int64_t v, t;
	enum policy_why why;

	pr = id_ok(id) < 0 ? NULL : proc_find(p, id);
	if (!pr)
		return -ENOENT;
	why_process(p, pr, 0, &l);
	why = gate_check(p, &here, &v, &t);
	add(&l, why, v, t, "");
	if (relaxed)
		add(&l, POLICY_WHY_LOW_LOAD, here.load,
		    policy_load(load_threshold(p), p->self.cpus_milli, p->self.speed), "");
	why_nodes(p, &here, pr, relaxed && pr->home_hash, &l);
	return (int)l.n;
}
