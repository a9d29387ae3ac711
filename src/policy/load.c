/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two views of the node's own load, and what it says of itself.
 * Promise: the local view rises slowly and falls at once, the exported one the other way round; that pair keeps
 * nodes from sending too early and from being flooded. Must not: look at other nodes.
 */
#include "internal.h"

/* A pinned process works as hard as any other; so does one whose place is at home. */
#define STEADY_SKIP                                                                              \
	(1ULL << POLICY_WHY_CONFINED | 1ULL << POLICY_WHY_PINNED | 1ULL << POLICY_WHY_IO_BOUND | \
	 1ULL << POLICY_WHY_RESIDENCE | 1ULL << POLICY_WHY_FAILED_LATELY)

void load_sample(struct policy *p, const struct policy_sample *s)
{
	uint64_t raw = s->runnable_milli < RAW_MAX ? s->runnable_milli : RAW_MAX;
	uint64_t began = p->now > s->dt_ns ? p->now - s->dt_ns : 0;

	p->local_q = policy_decay_local(p->local_q, raw * SCALE);
	p->export_q = policy_decay_export(p->export_q, raw * SCALE);
	p->self.mem_free = s->mem_free < p->self.mem_total ? s->mem_free : p->self.mem_total;
	p->raw_last = raw;
	proc_ages(p);
	p->sampled = true;
	moves_sampled(p, began);
	admit_sampled(p, began);
	load_publish(p);
}

uint64_t load_promised(const struct policy *p)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < IN_MAX; i++)
		if (p->in[i].used)
			sum += p->in[i].demand_milli;
	for (i = 0; i < OUT_MAX; i++)
		if (p->out[i].kind == OUT_PLACED && p->out[i].slot == NONE)
			sum += p->out[i].demand_milli;
	return sum;
}

void load_publish(struct policy *p)
{
	p->self.age_us = 0;
	p->self.load_milli = policy_load(p->local_q / SCALE, p->self.cpus_milli, p->self.speed);
	p->self.export_milli = policy_load(p->export_q / SCALE + load_promised(p), p->self.cpus_milli, p->self.speed);
}

/* Demand of the processes that are no short peak: those old enough to be moved, as far as none is under way. */
static uint64_t load_steady(const struct policy *p)
{
	uint64_t sum = 0;
	uint32_t i;

	for (i = 0; i < p->procs.high; i++)
		if (p->proc[i].used && !p->proc[i].moving && proc_check(p, &p->proc[i], STEADY_SKIP, NULL, NULL) == 0)
			sum += p->proc[i].last.demand_milli;
	return sum;
}

struct here load_here(const struct policy *p)
{
	uint64_t raw = p->local_q / SCALE, last = p->raw_last > p->here_milli ? p->raw_last - p->here_milli : 0;
	struct here here = {.one = p->own_one};

	raw = raw > p->here_milli ? raw - p->here_milli : 0;
	if (raw < last) {
		uint64_t steady = load_steady(p);

		raw = steady > last ? last : steady > raw ? steady : raw;
	}
	here.raw = (uint32_t)raw;
	here.load = policy_load(raw, p->self.cpus_milli, p->self.speed);
	here.load_last = policy_load(last, p->self.cpus_milli, p->self.speed);
	here.slow = (uint32_t)policy_slowdown(raw, p->self.cpus_milli, p->self.speed);
	return here;
}

/* 1.5 processes on one CPU; on more CPUs the others have one process each, so that nothing leaves a free CPU. */
uint32_t load_threshold(const struct policy *p)
{
	uint32_t others = p->self.cpus_milli > 1000 ? p->self.cpus_milli - 1000 : 0;

	return others + p->par.act_percent * 10;
}
