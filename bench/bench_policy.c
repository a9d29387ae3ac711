/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a tick of the policy costs with 10,000 known nodes and 1,000 processes.
 * Prints the median and the greatest time of each kind of tick, of a cluster that all nodes know already. Goal: 50 us
 * for a decision. Must not: be a test; times depend on the machine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "policy/policy.h"

#define NODES 10000
#define PROCS 1000
#define ROUNDS 300

static struct policy_actions act, none;

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000ULL + (uint64_t)t.tv_nsec;
}

static void step(struct policy *p, struct policy_event *ev, uint64_t now)
{
	ev->now_ns = now;
	if (policy_step(p, ev, &act) < 0) {
		fprintf(stderr, "event %d was refused\n", ev->type);
		exit(1);
	}
}

enum others { MIXED, FULL, FREE };

/* Every node says again how it is; load of node i is (i * 7 % 40) / 10 processes when mixed. */
static void hear_all(struct policy *p, uint64_t now, uint64_t seq, enum others others)
{
	struct policy_event ev = {.type = POLICY_EV_ENTRY};
	unsigned i;

	for (i = 0; i < NODES; i++) {
		snprintf(ev.entry.name, sizeof(ev.entry.name), "node%u", i);
		ev.entry.seq = seq;
		ev.entry.incarnation = 1;
		ev.entry.state = POLICY_UP;
		ev.entry.cpus_milli = 1000;
		ev.entry.speed = 10000;
		ev.entry.age_us = i * 7919 % 1000000;
		ev.entry.export_milli = others == FULL ? 1000000 : others == FREE ? 0 : i * 7 % 40 * 100;
		ev.entry.mem_total = ev.entry.mem_free = 1ULL << 34;
		step(p, &ev, now);
	}
}

static void measure_all(struct policy *p, uint64_t now, unsigned runnable)
{
	struct policy_event ev = {.type = POLICY_EV_PROCESS};
	unsigned i;

	for (i = 0; i < PROCS; i++) {
		memset(&ev.process, 0, sizeof(ev.process));
		ev.process.id.pid = 100 + i;
		if (i % 4 == 0)
			snprintf(ev.process.id.home, sizeof(ev.process.id.home), "node%u", i);
		ev.process.flags = POLICY_PROC_FAMILY;
		ev.process.cpu_milli = 100;
		ev.process.demand_milli = 1000;
		ev.process.cpu_age_us = 5000000 + i * 1000;
		ev.process.rss = 20 << 20;
		ev.process.calls = i % 3 * 10;
		step(p, &ev, now);
	}
	ev = (struct policy_event){.type = POLICY_EV_SAMPLE};
	ev.sample.dt_ns = 1000000000;
	ev.sample.runnable_milli = runnable;
	ev.sample.mem_free = 1ULL << 33;
	step(p, &ev, now);
}

/* A policy announces at most some nodes in a tick; the figures are of a cluster that has been there for a while. */
static struct policy *make(const struct policy_limits *lim, const struct policy_config *c)
{
	struct policy_event tick = {.type = POLICY_EV_TICK};
	struct policy *p;
	unsigned ticks = 0, i;

	if (policy_new(lim, c, 1000000000000ULL, &p) < 0)
		exit(1);
	hear_all(p, 1000000000000ULL, 1, MIXED);
	do {
		step(p, &tick, 1000000000000ULL + ticks);
		for (i = 0; i < act.n && act.a[i].type == POLICY_DO_GOSSIP; i++)
			continue;
	} while (i < act.n && ++ticks < NODES);
	return p;
}

static int by_size(const void *a, const void *b)
{
	const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void run(struct policy *p, const char *what, unsigned runnable, enum others others)
{
	static uint64_t t[ROUNDS], now = 1000000000000ULL, seq = 2;
	struct policy_event tick = {.type = POLICY_EV_TICK};
	unsigned i, k, moves = 0;

	for (i = 0; i < ROUNDS; i++) {
		uint64_t begin;

		now += 2500000000ULL;
		if (i % 2 == 0)
			hear_all(p, now, seq++, others);
		measure_all(p, now, runnable);
		begin = now_ns();
		step(p, &tick, now);
		t[i] = now_ns() - begin;
		for (k = 0; k < act.n; k++) {
			struct policy_event done = {.type = POLICY_EV_MOVE_DONE};

			if (act.a[k].type != POLICY_DO_MOVE)
				continue;
			moves++;
			done.move.id = act.a[k].move.id;
			done.now_ns = now;
			if (policy_step(p, &done, &none) < 0)
				exit(1);
		}
	}
	qsort(t, ROUNDS, sizeof(*t), by_size);
	printf("%-30s median %6.1f us  greatest %7.1f us  moves %u\n", what, (double)t[ROUNDS / 2] / 1000,
	       (double)t[ROUNDS - 1] / 1000, moves);
}

int main(void)
{
	const struct policy_limits lim = {.nodes = NODES, .processes = PROCS};
	struct policy_config c = {
	    .name = "me", .incarnation = 1, .seed = 1, .cpus_milli = 4000, .speed = 10000, .mem_total = 1ULL << 34};
	struct policy *p;

	policy_params_init(&c.params);
	c.params.max_moves = 1;
	p = make(&lim, &c);
	run(p, "gossip, node not loaded", 1000, MIXED);
	run(p, "gossip, a move ordered", 1000000, MIXED);
	run(p, "gossip, all others fuller", 200000, FULL);
	run(p, "gossip, all others free", 1000000, FREE);
	policy_free(p);
	c.params.gossip_ms = 60000; /* due in one tick of 24: the median is without */
	p = make(&lim, &c);
	run(p, "no gossip, node not loaded", 1000, MIXED);
	run(p, "no gossip, a move ordered", 1000000, MIXED);
	run(p, "no gossip, all others fuller", 200000, FULL);
	run(p, "no gossip, all others free", 1000000, FREE);
	policy_free(p);
	c.params.algorithm = 1;
	p = make(&lim, &c);
	run(p, "economic, node not loaded", 1000, MIXED);
	run(p, "economic, a move ordered", 1000000, MIXED);
	run(p, "economic, all others fuller", 200000, FULL);
	policy_free(p);
	return 0;
}
