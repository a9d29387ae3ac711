/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prints the figures of gossip and membership that docs/policy.md states: build/tests/unit/policy/policy-figures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include "net.h"

static struct net *make(unsigned n, unsigned window, unsigned pull, unsigned loss)
{
	struct policy_params par;
	struct net *net;

	policy_params_init(&par);
	par.window = window;
	par.pull_every = pull;
	net = net_new(n, &par, 1);
	net->loss_percent = loss;
	return net;
}

static void ages(unsigned n, unsigned window, unsigned pull)
{
	struct net *net = make(n, window, pull, 0);
	double sum = 0, max_sum = 0;
	unsigned i, round, warm = (unsigned)(policy_gossip_max_age(n, window) / 1000) * 2 + 20;
	uint64_t count = 0, looks = 0, entries;

	net_run(net, warm);
	entries = net->entries;
	for (round = 0; round < 20; round++) {
		net_run(net, 5);
		for (i = 0; i < n; i++, looks++) {
			struct policy_node_view v;
			unsigned cursor = 0;
			uint64_t max = 0;

			while (policy_node_next(net->node[i].policy, &cursor, &v)) {
				if (v.health == POLICY_SELF)
					continue;
				sum += (double)v.age_us;
				count++;
				max = v.age_us > max ? v.age_us : max;
			}
			max_sum += (double)max;
		}
	}
	printf("ages: nodes %4u window %2u pull %u: average %5.1f s (formula %5.1f), greatest %5.1f s (formula %5.1f), "
	       "%.1f entries sent by a node in a second\n",
	       n, window, pull, sum / (double)count / 1e6, (double)policy_gossip_avg_age(n, window) / 1e3,
	       max_sum / (double)looks / 1e6, (double)policy_gossip_max_age(n, window) / 1e3,
	       (double)(net->entries - entries) / n / 100);
	net_free(net);
}

static void false_alarms(unsigned n, unsigned window, unsigned loss, unsigned seconds)
{
	struct net *net = make(n, window, 2, loss);
	unsigned i, suspect = 0, dead = 0;

	net_run(net, 300);
	for (i = 0; i < n; i++)
		net->node[i].false_suspect = net->node[i].false_dead = 0;
	net_run(net, seconds);
	for (i = 0; i < n; i++) {
		suspect += net->node[i].false_suspect;
		dead += net->node[i].false_dead;
	}
	printf("false alarms: nodes %4u window %2u loss %2u %%: %.3f suspected, %.4f dead in a node-hour\n", n, window,
	       loss, suspect * 3600.0 / n / seconds, dead * 3600.0 / n / seconds);
	net_free(net);
}

static void stall(unsigned n, unsigned window, unsigned seconds)
{
	struct net *net = make(n, window, 2, 0);
	unsigned i, t, most_suspect = 0, most_dead = 0, healed = 0, by_it = 0, dead_by_it, others = 0;

	net_run(net, 300);
	for (i = 0; i < n; i++)
		net->node[i].false_suspect = net->node[i].false_dead = 0;
	dead_by_it = net->node[0].dead_notices;
	net_stall(net, 0, seconds);
	for (t = 1; t < seconds + 60; t++) {
		unsigned s, d;

		net_run(net, 1);
		s = net_seen_as(net, 0, POLICY_SUSPECT);
		d = net_seen_as(net, 0, POLICY_DEAD);
		most_suspect = s > most_suspect ? s : most_suspect;
		most_dead = d > most_dead ? d : most_dead;
		if (s)
			healed = t;
	}
	by_it = net->node[0].false_suspect;
	dead_by_it = net->node[0].dead_notices - dead_by_it;
	for (i = 1; i < n; i++)
		others += net->node[i].false_dead;
	printf("stall of %2u s: nodes %4u window %2u: suspect to %u, dead to %u of the others, well again to all %d s "
	       "after; it suspects %u and buries %u; %u others buried\n",
	       seconds, n, window, most_suspect, most_dead, healed > seconds ? (int)(healed - seconds) : 0, by_it,
	       dead_by_it, others);
	net_free(net);
}

static void death(unsigned n, unsigned window, unsigned loss)
{
	struct net *net = make(n, window, 2, loss);
	unsigned t, first = 0, half = 0, all = 0, dead_first = 0, dead_all = 0;

	net_run(net, 300);
	net_stop(net, 0);
	for (t = 1; t < 1500 && !dead_all; t++) {
		unsigned s, d;

		net_run(net, 1);
		s = net_seen_as(net, 0, POLICY_SUSPECT);
		d = net_seen_as(net, 0, POLICY_DEAD);
		first = first ? first : s ? t : 0;
		half = half ? half : 2 * s >= n - 1 ? t : 0;
		all = all ? all : s == n - 1 ? t : 0;
		dead_first = dead_first ? dead_first : d ? t : 0;
		dead_all = d == n - 1 ? t : 0;
	}
	printf("death: nodes %4u window %2u loss %2u %%: suspect to the first after %u s, to half %u s, to all %u s; "
	       "dead to "
	       "the first %u s, to all %u s\n",
	       n, window, loss, first, half, all, dead_first, dead_all);
	net_free(net);
}

int main(int argc, char **argv)
{
	static const unsigned sizes[][2] = {{4, 16}, {32, 16}, {100, 16}, {256, 32}};
	unsigned i, k, hours = argc > 1 ? 200 : 10; /* node-hours */

	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	for (i = 0; i < 4; i++)
		for (k = 0; k <= 2; k += 2)
			ages(sizes[i][0], sizes[i][1], k);
	if (argc > 1) {
		ages(1000, 64, 0);
		ages(1000, 64, 2);
		death(1000, 64, 0);
	}
	for (i = 0; i < 4; i++)
		for (k = 0; k <= 10; k += 10)
			false_alarms(sizes[i][0], sizes[i][1], k, hours * 3600 / sizes[i][0]);
	for (i = 0; i < 4; i++)
		for (k = 0; k <= 10; k += 10)
			death(sizes[i][0], sizes[i][1], k);
	for (i = 0; i < 3; i++) {
		stall(sizes[i][0], sizes[i][1], 5);
		stall(sizes[i][0], sizes[i][1], 10);
		stall(sizes[i][0], sizes[i][1], 30);
	}
	return 0;
}
