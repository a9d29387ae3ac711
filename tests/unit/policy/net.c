/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See net.h. Each node ticks once a second at its own phase, up to 20 ms late. Messages come at once or never; one to a
 * node that is stalled comes when it goes on, after its first tick: the harder order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "net.h"

#define SECOND_NS 1000000000ULL
#define WAITING_MAX 4096

uint64_t net_draw(struct net *net)
{
	net->luck ^= net->luck << 13;
	net->luck ^= net->luck >> 7;
	net->luck ^= net->luck << 17;
	return net->luck;
}

static void name_of(unsigned i, char name[POLICY_NAME_MAX + 1])
{
	(void)snprintf(name, POLICY_NAME_MAX + 1, "n%u", i);
}

static int index_of(const struct net *net, const char *name)
{
	unsigned long i = *name == 'n' ? strtoul(name + 1, NULL, 10) : net->n;

	return i < net->n ? (int)i : -1;
}

struct policy_node net_entry(unsigned i)
{
	struct policy_node e = {.incarnation = 1,
				.seq = 1,
				.state = POLICY_UP,
				.cpus_milli = 1000,
				.speed = 10000,
				.mem_total = 1ULL << 34,
				.mem_free = 1ULL << 33};

	name_of(i, e.name);
	return e;
}

static const struct net_node *phase_nodes;

static int by_phase(const void *a, const void *b)
{
	uint64_t x = phase_nodes[*(const unsigned *)a].phase, y = phase_nodes[*(const unsigned *)b].phase;

	return x < y ? -1 : x > y;
}

static void start(struct net *net, unsigned i, const struct policy_params *params, unsigned seed)
{
	const struct policy_limits lim = {.nodes = net->n + 24, .processes = 1};
	struct policy_config c = {.params = *params,
				  .incarnation = 1,
				  .seed = (uint64_t)seed * 100003 + i,
				  .cpus_milli = 1000,
				  .speed = 10000,
				  .mem_total = 1ULL << 34,
				  .mem_free = 1ULL << 33};

	name_of(i, c.name);
	assert_int_equal(policy_new(&lim, &c, net->now, &net->node[i].policy), 0);
	net->node[i].phase = net_draw(net) % (SECOND_NS - 30000000);
	net->order[i] = i;
}

struct net *net_new(unsigned n, const struct policy_params *params, unsigned seed)
{
	struct net *net = calloc(1, sizeof(*net));
	struct policy_node *all;
	unsigned i, k;

	assert_non_null(net);
	*net = (struct net){.n = n, .now = 1000 * SECOND_NS, .luck = 0x9e3779b97f4a7c15ULL + seed};
	net->node = calloc(n, sizeof(*net->node));
	net->order = calloc(n, sizeof(*net->order));
	all = calloc(n, sizeof(*all));
	assert_true(net->node && net->order && all);
	for (i = 0; i < n; i++) {
		start(net, i, params, seed);
		all[i] = net_entry(i);
		all[i].seq = 0;
	}
	for (i = 0; i < n; i++)
		for (k = 0; k < n; k++)
			if (k != i)
				net_deliver(net, i, -1, &all[k], 1);
	free(all);
	phase_nodes = net->node;
	qsort(net->order, n, sizeof(*net->order), by_phase);
	return net;
}

void net_free(struct net *net)
{
	unsigned i, k;

	for (i = 0; i < net->n; i++) {
		for (k = 0; k < net->node[i].n_waiting; k++)
			free(net->node[i].waiting[k].entry);
		free(net->node[i].waiting);
		policy_free(net->node[i].policy);
	}
	free(net->node);
	free(net->order);
	free(net);
}

void net_deliver(struct net *net, unsigned to, int from, const struct policy_node *entries, unsigned n)
{
	static struct policy_actions none;
	unsigned i;

	for (i = 0; i < n; i++) {
		struct policy_event ev = {.type = POLICY_EV_ENTRY, .now_ns = net->now, .entry = entries[i]};

		ev.direct = i == 0 && from >= 0 && index_of(net, entries[0].name) == from;
		(void)!policy_step(net->node[to].policy, &ev, &none); /* the table may be full */
	}
}

static void send_window(struct net *net, unsigned from, unsigned to, const struct policy_node **window, unsigned n,
			bool asks);

static void receive(struct net *net, unsigned to, unsigned from, const struct policy_node *entries, unsigned n,
		    bool asks)
{
	const struct policy_node *window[POLICY_WINDOW_MAX];
	unsigned k;

	net_deliver(net, to, (int)from, entries, n);
	if (!asks)
		return;
	k = policy_window(net->node[to].policy, net->now, window, policy_window_size(net->node[to].policy));
	send_window(net, to, from, window, k, false);
}

static void send_window(struct net *net, unsigned from, unsigned to, const struct policy_node **window, unsigned n,
			bool asks)
{
	struct net_node *t = &net->node[to];
	struct policy_node *copy;
	unsigned i;

	net->messages++;
	net->entries += n;
	if (net_draw(net) % 100 < net->loss_percent || t->stopped || t->n_waiting == WAITING_MAX)
		return;
	copy = calloc(n, sizeof(*copy));
	assert_non_null(copy);
	for (i = 0; i < n; i++)
		copy[i] = *window[i];
	if (net->tamper)
		net->tamper(net, from, copy, n);
	if (net->now < t->stalled_until) {
		if (!t->waiting)
			t->waiting = calloc(WAITING_MAX, sizeof(*t->waiting));
		assert_non_null(t->waiting);
		t->waiting[t->n_waiting++] = (struct net_message){
		    .from = from, .n = n, .asks = asks, .sent = net->now, .entry = copy};
		return;
	}
	receive(net, to, from, copy, n, asks);
	free(copy);
}

/* What came during a stall has become older meanwhile, but its receiver cannot know that. */
static void read_waiting(struct net *net, unsigned i)
{
	struct net_node *n = &net->node[i];
	unsigned k, count = n->n_waiting;

	n->n_waiting = 0;
	for (k = 0; k < count; k++) {
		receive(net, i, n->waiting[k].from, n->waiting[k].entry, n->waiting[k].n, n->waiting[k].asks);
		free(n->waiting[k].entry);
	}
}

static void notice(struct net *net, unsigned i, const struct policy_action *a)
{
	int of = index_of(net, a->node.name);
	bool well = of >= 0 && !net->node[of].stopped && net->now >= net->node[of].stalled_until;

	if (a->type == POLICY_DO_NODE_DEAD)
		net->node[i].dead_notices++;
	if (!well)
		return;
	net->node[i].false_suspect += a->type == POLICY_DO_NODE_SUSPECT;
	net->node[i].false_dead += a->type == POLICY_DO_NODE_DEAD;
}

static void carry_out(struct net *net, unsigned i, const struct policy_actions *act)
{
	unsigned k;

	for (k = 0; k < act->n; k++) {
		const struct policy_action *a = &act->a[k];
		int to = index_of(net, a->node.name);

		if (a->type == POLICY_DO_NODE_SUSPECT || a->type == POLICY_DO_NODE_DEAD)
			notice(net, i, a);
		if (a->type != POLICY_DO_GOSSIP || to < 0)
			continue;
		if (a->node.ask) {
			const struct policy_node *two[] = {act->window[0], act->asked[a->node.ask - 1]};

			send_window(net, i, (unsigned)to, two, 2, true);
		} else {
			send_window(net, i, (unsigned)to, (const struct policy_node **)act->window, act->n_window,
				    false);
		}
	}
}

static void tick(struct net *net, unsigned i)
{
	struct policy_event ev = {.type = POLICY_EV_TICK, .now_ns = net->now};

	assert_int_equal(policy_step(net->node[i].policy, &ev, &net->act), 0);
	carry_out(net, i, &net->act);
	if (net->node[i].n_waiting)
		read_waiting(net, i);
}

void net_run(struct net *net, unsigned seconds)
{
	uint64_t second = net->now / SECOND_NS * SECOND_NS, end = second + seconds * SECOND_NS;
	unsigned k;

	for (; second < end; second += SECOND_NS) {
		for (k = 0; k < net->n; k++) {
			struct net_node *n = &net->node[net->order[k]];
			uint64_t at = second + n->phase + net_draw(net) % 20000000;

			if (at > net->now)
				net->now = at;
			if (!n->stopped && net->now >= n->stalled_until)
				tick(net, net->order[k]);
		}
	}
	net->now = end;
}

void net_stop(struct net *net, unsigned i)
{
	net->node[i].stopped = true;
}

void net_stall(struct net *net, unsigned i, unsigned seconds)
{
	net->node[i].stalled_until = net->now + seconds * SECOND_NS;
}

enum policy_health net_health(const struct net *net, unsigned i, unsigned of)
{
	struct policy_node_view v;
	char name[POLICY_NAME_MAX + 1];

	name_of(of, name);
	return policy_node_find(net->node[i].policy, name, &v) ? v.health : 0;
}

unsigned net_seen_as(const struct net *net, unsigned i, enum policy_health health)
{
	unsigned k, n = 0;

	for (k = 0; k < net->n; k++) {
		enum policy_health h = k == i || net->node[k].stopped ? 0 : net_health(net, k, i);

		n += h >= health || (h == 0 && k != i && !net->node[k].stopped);
	}
	return n;
}
