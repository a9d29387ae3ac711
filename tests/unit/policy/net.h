/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A cluster that only gossips, in virtual time: up to a thousand policies, lost messages, nodes that stall or stop.
 * Promise: the same calls give the same history. Must not: use the clock or print.
 */
#ifndef TEST_POLICY_NET_H
#define TEST_POLICY_NET_H

#include <stdbool.h>
#include <stdint.h>
#include "policy/policy.h"

struct net_message {
	unsigned from, n;
	bool asks;
	uint64_t sent;
	struct policy_node *entry;
};

struct net_node {
	struct policy *policy;
	uint64_t phase; /* of its second, ns */
	uint64_t stalled_until; /* it computes nothing before; what is sent to it waits */
	bool stopped; /* for good */
	struct net_message *waiting;
	unsigned n_waiting;
	/* notices of others' health that were false when they came: the node was neither stopped nor stalled */
	unsigned false_suspect, false_dead;
	unsigned dead_notices;
};

struct net {
	unsigned n;
	uint64_t now, luck;
	unsigned loss_percent;
	struct net_node *node;
	unsigned *order; /* of the phases */
	uint64_t messages, entries; /* sent */
	struct policy_actions act; /* scratch */
	/* Changes what a node sends, if set. */
	void (*tamper)(struct net *net, unsigned from, struct policy_node *entries, unsigned n);
};

struct net *net_new(unsigned n, const struct policy_params *params, unsigned seed); /* all know all, as after a join */
void net_free(struct net *net);
void net_run(struct net *net, unsigned seconds);
void net_stop(struct net *net, unsigned i);
void net_stall(struct net *net, unsigned i, unsigned seconds);
enum policy_health net_health(const struct net *net, unsigned i, unsigned of); /* 0: not known */
/* How many living nodes other than i see it so, or worse. */
unsigned net_seen_as(const struct net *net, unsigned i, enum policy_health health);
/* Entries of a message from outside, as the node `from` says them; -1 when none of them was told by itself. */
void net_deliver(struct net *net, unsigned to, int from, const struct policy_node *entries, unsigned n);
struct policy_node net_entry(unsigned i); /* an entry of that node as it might be */
uint64_t net_draw(struct net *net);

#endif
