/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The two views of the node's own load, and what it says of itself.
 * Promise: the local view rises slowly and falls at once, the exported one the other way round; that pair keeps
 * nodes from sending too early and from being flooded. Must not: look at other nodes.
 */
#include "internal.h"

#define AHEAD_PART 3 /* of the memory is believed to be taken before a process has left, at most */
#define LITTLE 4 /* times the reserve: with more memory free no waiting for memory is for want of it */

/* A pinned process works as hard as any other; so does one whose place is at home. */
#define STEADY_SKIP                                                                              \
	(1ULL << POLICY_WHY_CONFINED | 1ULL << POLICY_WHY_PINNED | 1ULL << POLICY_WHY_IO_BOUND | \
	 1ULL << POLICY_WHY_RESIDENCE | 1ULL << POLICY_WHY_FAILED_LATELY)

/* Little memory is free, and processes wait for it: the node pages, or is about to. */
static bool pressed(const struct policy *p, const struct policy_sample *s)
{
	uint64_t little = p->self.mem_total / 100 * p->par.reserve_percent * LITTLE;
	/* half of it is enough to go on */
	uint32_t stall = p->par.usher_stall_percent * (p->mem_pressed ? 5 : 10);
	uint32_t faults = p->mem_pressed ? p->par.usher_faults / 2 : p->par.usher_faults;

	return p->mem_now < little && ((p->par.usher_stall_percent && s->stalled_milli >= stall) ||
				       (p->par.usher_faults && s->faults >= faults));
}

static void memory_sample(struct policy *p, const struct policy_sample *s)
{
	uint64_t now = s->mem_free < p->self.mem_total ? s->mem_free : p->self.mem_total;
	uint64_t before = p->mem_now + moves_freed(p), ms = s->dt_ns / MS;
	uint64_t fallen = p->sampled && now < before ? before - now : 0;

	/* A guest that has just come took what it was promised, once. */
	fallen = fallen > admit_arrived(p) ? fallen - admit_arrived(p) : 0;
	fallen = !ms ? 0 : fallen < BYTES_MAX / 1000 ? fallen * 1000 / ms : BYTES_MAX;
	/* of the last two samples the slower one: who takes much at once may need no more */
	p->mem_fall = fallen < p->mem_fell ? fallen : p->mem_fell;
	p->mem_fell = fallen;
	p->mem_now = now;
	p->mem_pressed = pressed(p, s);
}

/* Bytes that will be taken until a process of that size could have left. */
static uint64_t memory_soon(const struct policy *p, uint64_t rss)
{
	uint64_t ms = p->par.usher_ahead_ms + p->par.move_fixed_ms + (rss >> 20) * 1000 / p->par.bandwidth_mib;
	uint64_t soon = p->par.usher_ahead_ms ? p->mem_fall / 1000 * ms : 0, most = p->self.mem_total / AHEAD_PART;

	return soon < most ? soon : most;
}

uint64_t memory_missing(const struct policy *p, uint64_t rss)
{
	uint32_t percent = p->par.reserve_percent > p->par.usher_percent ? p->par.reserve_percent
									 : p->par.usher_percent;
	uint64_t want = p->self.mem_total / 100 * percent + memory_soon(p, rss);
	uint64_t mem_free = p->mem_now + p->here_bytes; /* what is on its way out counts as gone */

	return want > mem_free ? want - mem_free : 0;
}

bool memory_short(struct policy *p, uint64_t rss)
{
	uint64_t low = p->self.mem_total / 100 * p->par.usher_percent + memory_soon(p, rss);
	uint64_t missing = memory_missing(p, rss);

	if (!p->par.usher_percent)
		return false;
	if (p->mem_now + p->here_bytes < low || p->mem_pressed)
		p->mem_short = true;
	else if (!missing)
		p->mem_short = false;
	/* what those on their way will give back may be enough against paging, too */
	return p->mem_short && (missing || !p->here_bytes);
}

void load_sample(struct policy *p, const struct policy_sample *s)
{
	uint64_t raw = s->runnable_milli < RAW_MAX ? s->runnable_milli : RAW_MAX;
	uint64_t began = p->now > s->dt_ns ? p->now - s->dt_ns : 0;

	p->local_q = policy_decay_local(p->local_q, raw * SCALE);
	p->export_q = policy_decay_export(p->export_q, raw * SCALE);
	memory_sample(p, s);
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
	uint64_t promised = admit_promised(p);

	p->self.age_us = 0;
	p->self.mem_free = p->mem_now > promised ? p->mem_now - promised : 0; /* others must not count on it as well */
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
