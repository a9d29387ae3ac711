/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small cluster in virtual time: a policy for each node, processes that share CPUs, gossip and moves.
 * Promise: the same calls give the same history. Must not: use the clock or print.
 */
#ifndef TEST_POLICY_CLUSTER_H
#define TEST_POLICY_CLUSTER_H

#include <stdbool.h>
#include <stdint.h>
#include "policy/policy.h"

#define CLUSTER_NODES 64
#define CLUSTER_PROCS 256
#define MIB (1ULL << 20)
#define GIB (1ULL << 30)

struct sim_node {
	struct policy *policy;
	struct policy_config config;
	bool up, mad; /* mad: its entries claim that it is idle */
	unsigned group; /* gossip reaches only nodes of the same group */
	uint64_t run_area; /* runnable milli * ns since the last sample */
	uint64_t last_sample;
	uint32_t stalled_milli, faults; /* signs of paging that it measures */
	unsigned max_guests; /* most guests at once so far */
	unsigned moves_out, refused;
	unsigned suspect_notices, dead_notices, alive_notices, expelled;
};

struct sim_proc {
	bool used, moving;
	unsigned home, node, to;
	uint64_t move_end, arrived, cpu_us, run_ns, cpu_ns; /* run and cpu: since the last report */
	uint64_t rss;
	uint32_t demand_milli, calls, flags, confined;
	uint64_t mig;
	unsigned moves;
};

struct cluster {
	uint64_t now;
	unsigned n;
	uint64_t next_mig;
	bool moves_fail; /* every move fails by the target's fault */
	struct sim_node node[CLUSTER_NODES];
	struct sim_proc proc[CLUSTER_PROCS];
	struct policy_actions act; /* scratch */
};

struct cluster *cluster_new(void); /* no nodes yet */
void cluster_free(struct cluster *c);
/* Adds a node; name "n<index>". Returns its index. Changes to node[i].config count until cluster_start(). */
unsigned cluster_node(struct cluster *c, uint32_t cpus_milli, uint32_t speed);
void cluster_start(struct cluster *c); /* makes the policies; all know all */
unsigned cluster_proc(struct cluster *c, unsigned home); /* CPU-bound, small, of the family */
void cluster_run(struct cluster *c, unsigned ms);
void cluster_stop_node(struct cluster *c, unsigned i); /* as by a power cut */
void cluster_restart_node(struct cluster *c, unsigned i); /* new incarnation, knows only node `0` or 1 */
unsigned cluster_at(const struct cluster *c, unsigned node); /* processes that run there or are on their way out */
unsigned cluster_moves(const struct cluster *c);
/* One event into one node; asserts that it is taken. Actions are in c->act and not carried out. */
void cluster_event(struct cluster *c, unsigned i, struct policy_event *ev);
struct policy_id cluster_id(const struct cluster *c, unsigned proc, unsigned seen_from);

#endif
