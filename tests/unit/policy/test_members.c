/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How fresh, how dear and how sure gossip is: the ages and costs that are promised, and who is held for dead, when
 * messages are lost and nodes are slow. The figures of docs/policy.md come from figures.c beside this.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "net.h"

static struct policy_params params(unsigned window)
{
	struct policy_params p;

	policy_params_init(&p);
	p.window = window;
	return p;
}

/* Without questions, as the formulas have it. */
static struct policy_params only_telling(unsigned window)
{
	struct policy_params p = params(window);

	p.pull_every = 0;
	p.suspect_ms = p.dead_ms = 600000;
	return p;
}

struct ages {
	uint64_t avg_us, max_us; /* of an entry; the greatest that a node has, on average */
	double sent; /* entries by one node in a second */
};

static struct ages measure(unsigned n, const struct policy_params *par, unsigned warm)
{
	const unsigned rounds = n > 256 ? 2 : 8;
	struct net *net = net_new(n, par, 7);
	struct ages a = {0};
	unsigned i, round;
	uint64_t sum = 0, max_sum = 0, entries;

	net_run(net, warm);
	entries = net->entries;
	for (round = 0; round < rounds; round++) {
		net_run(net, 10);
		for (i = 0; i < n; i++) {
			struct policy_node_view v;
			unsigned cursor = 0, known = 0;
			uint64_t max = 0;

			while (policy_node_next(net->node[i].policy, &cursor, &v)) {
				if (v.health == POLICY_SELF)
					continue;
				known++;
				sum += v.age_us;
				max = v.age_us > max ? v.age_us : max;
			}
			assert_int_equal(known, n - 1); /* all know all */
			max_sum += max;
		}
	}
	a.avg_us = sum / ((uint64_t)rounds * n * (n - 1));
	a.max_us = max_sum / ((uint64_t)rounds * n);
	a.sent = (double)(net->entries - entries) / n / rounds / 10;
	net_free(net);
	return a;
}

/* Within 20 % and half an interval, by which the formulas' common steps are slower than nodes at phases of their own.
 */
static void check_formula(unsigned n, unsigned window, unsigned warm)
{
	struct policy_params par = only_telling(window);
	struct ages a = measure(n, &par, warm);
	uint64_t avg = policy_gossip_avg_age(n, window) * 1000, max = policy_gossip_max_age(n, window) * 1000;

	assert_in_range(a.avg_us, avg * 80 / 100 - 500000, avg * 120 / 100);
	assert_in_range(a.max_us, max * 80 / 100 - 500000, max * 120 / 100);
	assert_true(a.sent > window * 0.95 && a.sent < window * 1.01);
}

static void ages_follow_the_formula(void **state)
{
	check_formula(32, 8, 60);
	check_formula(32, 16, 60);
	check_formula(100, 16, 120);
	check_formula(160, 32, 60);
}

static void ages_follow_the_formula_on_a_thousand_nodes(void **state)
{
	check_formula(1000, 64, 130);
}

/* With questions, the default, ages are better than the formulas, for the same bytes whatever the size. */
static void questions_make_no_more_traffic(void **state)
{
	static const unsigned sizes[] = {32, 64, 128};
	unsigned i;

	for (i = 0; i < 3; i++) {
		struct policy_params par = params(16);
		struct ages a = measure(sizes[i], &par, 60);

		assert_true(a.avg_us < policy_gossip_avg_age(sizes[i], 16) * 1000);
		assert_true(a.max_us < policy_gossip_max_age(sizes[i], 16) * 1000);
		assert_true(a.sent > 10 && a.sent < 16 * 1.35);
	}
}

static void the_window_grows_for_the_wanted_ages(void **state)
{
	static const unsigned sizes[] = {16, 64, 100};
	struct policy_params par = only_telling(1);
	unsigned i;

	for (i = 0; i < 3; i++) {
		par.want_avg_age_ms = 6000;
		par.want_max_age_ms = 0;
		assert_in_range(measure(sizes[i], &par, 60).avg_us, 0, 6000000 * 12 / 10);
		par.want_avg_age_ms = 0;
		par.want_max_age_ms = 20000;
		assert_in_range(measure(sizes[i], &par, 60).max_us, 0, 20000000 * 12 / 10);
	}
}

static void the_inverse_is_the_least_window(void **state)
{
	static const unsigned sizes[] = {2, 5, 32, 100, 1000, 20000};
	unsigned i;

	for (i = 0; i < 6; i++) {
		unsigned n = sizes[i];
		uint32_t w = policy_gossip_window(n, 9000, 0);

		assert_true(w == POLICY_WINDOW_MAX || policy_gossip_avg_age(n, w) <= 9000);
		assert_true(w == 1 || policy_gossip_avg_age(n, w - 1) > 9000);
		w = policy_gossip_window(n, 0, 30000);
		assert_true(w == POLICY_WINDOW_MAX || policy_gossip_max_age(n, w) <= 30000);
		assert_true(w == 1 || policy_gossip_max_age(n, w - 1) > 30000);
		assert_true(policy_gossip_window(n, 9000, 30000) >= w);
		assert_int_equal(policy_gossip_window(n, 0, 0), 1);
	}
	assert_int_equal(policy_gossip_window(32, 0, 7749), 16);
	assert_int_equal(policy_gossip_window(20000, 1, 1), POLICY_WINDOW_MAX);
}

static void a_window_by_age_holds_what_is_young(void **state)
{
	struct policy_params par = params(16);
	struct net *net;
	unsigned i, size;

	par.window_age_ms = 3000;
	net = net_new(24, &par, 3);
	net_run(net, 200); /* until all have spoken to all: places are kept for those */
	for (i = 0; i < 24; i++) {
		const struct policy_node *w[POLICY_WINDOW_MAX];

		size = policy_window(net->node[i].policy, net->now, w, policy_window_size(net->node[i].policy));
		assert_in_range(size, 2, 24);
		assert_true(w[size - 1]->age_us <= 4000000); /* a second since the last sweep */
	}
	net_free(net);
}

/* A tick that comes some milliseconds early does not cost an interval. */
static void an_early_tick_gossips_too(void **state)
{
	struct policy_params par = only_telling(16);
	struct net *net = net_new(2, &par, 1);
	struct policy_event ev = {.type = POLICY_EV_TICK, .now_ns = net->now};
	unsigned i, sent = 0;

	for (i = 0; i < 100; i++) {
		ev.now_ns = net->now + i * 1000000000ULL + (i % 2 ? 3000000 : 9000000);
		assert_int_equal(policy_step(net->node[0].policy, &ev, &net->act), 0);
		sent += net->act.n > 0 && net->act.a[0].type == POLICY_DO_GOSSIP;
	}
	assert_true(sent >= 95);
	net_free(net);
}

static unsigned total(const struct net *net, bool dead)
{
	unsigned i, n = 0;

	for (i = 0; i < net->n; i++)
		n += dead ? net->node[i].false_dead : net->node[i].false_suspect;
	return n;
}

static void healthy_nodes_are_not_accused(void **state)
{
	struct policy_params par = params(16);
	struct net *net = net_new(32, &par, 5);

	net_run(net, 900); /* 8 node-hours */
	assert_int_equal(total(net, true), 0);
	assert_in_range(total(net, false), 0, 4);
	net_free(net);
}

static void lost_messages_bury_nobody(void **state)
{
	struct policy_params par = params(16);
	struct net *net = net_new(32, &par, 6);

	net->loss_percent = 10;
	net_run(net, 900);
	assert_int_equal(total(net, true), 0);
	assert_in_range(total(net, false), 0, 8 * 100); /* and that is soon taken back */
	net_free(net);
}

/* Who stands still for ten seconds is not dead; for half a minute he is, until he speaks again. */
static void a_slow_node_is_not_buried_alive(void **state)
{
	struct policy_params par = params(16);
	struct net *net = net_new(32, &par, 8);
	unsigned i, t;

	net_run(net, 120);
	net_stall(net, 3, 10);
	for (t = 0; t < 20; t++) {
		net_run(net, 1);
		assert_int_equal(net_seen_as(net, 3, POLICY_DEAD), 0);
	}
	net_run(net, 10);
	assert_int_equal(net_seen_as(net, 3, POLICY_SUSPECT), 0);
	net_stall(net, 3, 30);
	net_run(net, 29);
	assert_true(net_seen_as(net, 3, POLICY_DEAD) > 15);
	net_run(net, 12);
	assert_int_equal(net_seen_as(net, 3, POLICY_SUSPECT), 0);
	for (i = 0; i < 32; i++) /* the stalled one had not heard of anybody */
		assert_int_equal(net->node[i].false_dead, 0);
	assert_int_equal(net->node[3].dead_notices, 0);
	net_free(net);
}

/* One that is slow all the time doubts itself: it buries nobody, and nobody buries it. */
static void a_node_that_stalls_again_and_again_buries_nobody(void **state)
{
	struct policy_params par = params(16);
	struct net *net = net_new(32, &par, 9);
	unsigned i, t;

	net_run(net, 60);
	for (t = 0; t < 60; t++) {
		net_stall(net, 3, 4 + t % 5);
		net_run(net, 5 + t % 5 + t % 3);
	}
	for (i = 0; i < 32; i++)
		assert_int_equal(net->node[i].dead_notices, 0);
	net_free(net);
}

static void a_dead_node_is_avoided_and_confirmed_in_time(void **state)
{
	static const struct {
		unsigned n, suspect, dead;
	} rows[] = {{4, 6, 20}, {32, 14, 30}, {100, 40, 55}};
	unsigned i;

	for (i = 0; i < 3; i++) {
		struct policy_params par = params(16);
		struct net *net = net_new(rows[i].n, &par, 10);

		net_run(net, 100);
		net_stop(net, 1);
		net_run(net, rows[i].suspect);
		assert_int_equal(net_seen_as(net, 1, POLICY_SUSPECT), rows[i].n - 1);
		net_run(net, rows[i].dead - rows[i].suspect);
		assert_int_equal(net_seen_as(net, 1, POLICY_DEAD), rows[i].n - 1);
		if (i == 0) {
			net_run(net, 620);
			assert_int_equal(net_health(net, 0, 1), 0); /* forgotten */
		}
		net_free(net);
	}
}

/* Half of the nodes die at once; nobody else is blamed for it. */
static void a_power_cut_is_survived(void **state)
{
	struct policy_params par = params(16);
	struct net *net = net_new(64, &par, 11);
	unsigned i;

	net_run(net, 100);
	for (i = 0; i < 64; i += 2)
		net_stop(net, i);
	net_run(net, 120);
	for (i = 0; i < 64; i++)
		assert_int_equal(net_seen_as(net, i, POLICY_DEAD), i % 2 ? 0 : 32);
	assert_int_equal(total(net, true), 0);
	net_free(net);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(ages_follow_the_formula),
	    cmocka_unit_test(ages_follow_the_formula_on_a_thousand_nodes),
	    cmocka_unit_test(questions_make_no_more_traffic),
	    cmocka_unit_test(the_window_grows_for_the_wanted_ages),
	    cmocka_unit_test(the_inverse_is_the_least_window),
	    cmocka_unit_test(a_window_by_age_holds_what_is_young),
	    cmocka_unit_test(an_early_tick_gossips_too),
	    cmocka_unit_test(healthy_nodes_are_not_accused),
	    cmocka_unit_test(lost_messages_bury_nobody),
	    cmocka_unit_test(a_slow_node_is_not_buried_alive),
	    cmocka_unit_test(a_node_that_stalls_again_and_again_buries_nobody),
	    cmocka_unit_test(a_dead_node_is_avoided_and_confirmed_in_time),
	    cmocka_unit_test(a_power_cut_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
