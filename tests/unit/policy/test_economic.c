/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The opportunity-cost algorithm: its arithmetic, what it prefers, and that it comes to rest as soon as the classic
 * one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cluster.h"

static void power_is_near_the_true_one(void **state)
{
	static const uint32_t sizes[] = {2, 3, 10, 100, 1000, 10000, 131072};
	uint32_t x;
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		for (x = 0; x <= 2000000; x += 997) {
			double is = (double)policy_power(sizes[i], x) / (1 << 20), should = pow(sizes[i], x / 1e6);

			assert_true(is >= should * (1 - 1e-6) - 2.0 / (1 << 20));
			assert_true(is <= should * (1 + 2e-5) + 2.0 / (1 << 20));
		}
		assert_int_equal(policy_power(sizes[i], 0), 1 << 20);
	}
	assert_int_equal(policy_power(0, 500000), policy_power(2, 500000));
	assert_int_equal(policy_power(UINT32_MAX, UINT32_MAX), policy_power(1 << 17, 2000000));
}

static struct cluster *nodes(unsigned n, uint32_t algorithm)
{
	struct cluster *c = cluster_new();
	unsigned i;

	for (i = 0; i < n; i++)
		c->node[cluster_node(c, 1000, 10000)].config.params.algorithm = algorithm;
	return c;
}

static void start(struct cluster *c, unsigned node, unsigned n)
{
	while (n--)
		c->proc[cluster_proc(c, node)].arrived = 0;
}

static void assert_rest(struct cluster *c, unsigned ms)
{
	unsigned moves = cluster_moves(c);

	cluster_run(c, ms);
	assert_int_equal(cluster_moves(c), moves);
}

struct run {
	unsigned moves, seconds;
};

/* Two for each node, all begun on the first. */
static struct run spread(unsigned n, uint32_t algorithm)
{
	struct cluster *c = nodes(n, algorithm);
	struct run r = {0};
	unsigned i, at;

	cluster_start(c);
	cluster_run(c, 5000);
	start(c, 0, 2 * n);
	do {
		cluster_run(c, 1000);
		for (i = at = 0; i < n; i++)
			at += cluster_at(c, i) == 2;
	} while (++r.seconds < 300 && at < n);
	assert_rest(c, 300000);
	r.moves = cluster_moves(c);
	cluster_free(c);
	return r;
}

static void equal_machines_get_equal_loads(void **state)
{
	static const unsigned sizes[] = {2, 3, 8, 16};
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct run classic = spread(sizes[i], 0), economic = spread(sizes[i], 1);

		assert_in_range(economic.seconds, 1, classic.seconds * 3 / 2 + 5);
		assert_in_range(economic.moves, 2 * sizes[i] - 2, classic.moves * 5 / 4 + 1);
	}
}

static void a_faster_machine_gets_more(void **state)
{
	struct cluster *c = nodes(2, 1);

	c->node[1].config.speed = 30000;
	cluster_start(c);
	start(c, 0, 8);
	cluster_run(c, 60000);
	assert_in_range(cluster_at(c, 1), 5, 7); /* 7: the eighth load is cheaper there than the second here */
	assert_rest(c, 300000);
	cluster_free(c);
}

static void three_on_two_come_to_rest(void **state)
{
	struct cluster *c = nodes(2, 1);

	cluster_start(c);
	start(c, 0, 3);
	cluster_run(c, 30000);
	assert_int_equal(cluster_at(c, 1), 1);
	assert_rest(c, 300000);
	cluster_free(c);
}

/* n1 has four processes and 3 of its 16 GiB left, n2 five small ones. */
static struct cluster *full_or_loaded(uint32_t algorithm)
{
	struct cluster *c = nodes(3, algorithm);
	unsigned i;

	cluster_start(c);
	start(c, 1, 4);
	start(c, 2, 5);
	c->proc[0].rss = 13 * GIB;
	for (i = 0; i < 9; i++)
		c->proc[i].confined = 1;
	cluster_run(c, 10000);
	return c;
}

static void free_memory_goes_before_a_little_less_load(void **state)
{
	struct cluster *c = full_or_loaded(1), *classic = full_or_loaded(0);
	struct policy_event ev = {.type = POLICY_EV_PLACE};

	ev.place.bytes = GIB;
	ev.place.not_here = true;
	cluster_event(c, 0, &ev);
	assert_string_equal(c->act.a[0].place.to, "n2");
	cluster_event(classic, 0, &ev);
	assert_string_equal(classic->act.a[0].place.to, "n1");
	cluster_free(c);
	cluster_free(classic);
}

static void who_talks_to_its_home_stays_there(void **state)
{
	struct cluster *c = nodes(2, 1);
	unsigned i;

	cluster_start(c);
	start(c, 0, 2);
	for (i = 0; i < 2; i++)
		c->proc[i].calls = 9000;
	cluster_run(c, 60000);
	assert_int_equal(cluster_moves(c), 0);
	cluster_free(c);
}

/* Stale gossip and a hundred placements in a second: reservations keep them apart, by either algorithm. */
static void a_burst_of_placements_is_spread(void **state)
{
	uint32_t algorithm;

	for (algorithm = 0; algorithm < 2; algorithm++) {
		struct cluster *c = nodes(32, algorithm);
		unsigned got[32] = {0}, i, n;

		cluster_start(c);
		cluster_run(c, 30000);
		for (i = 0; i < 96; i++) {
			struct policy_event ev = {.type = POLICY_EV_PLACE};

			cluster_event(c, 0, &ev);
			assert_int_equal(sscanf(c->act.a[0].place.to, "n%u", &n), 1);
			got[n]++;
		}
		for (i = 0; i < 32; i++)
			assert_in_range(got[i], 2, 4);
		cluster_free(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(power_is_near_the_true_one),
	    cmocka_unit_test(equal_machines_get_equal_loads),
	    cmocka_unit_test(a_faster_machine_gets_more),
	    cmocka_unit_test(three_on_two_come_to_rest),
	    cmocka_unit_test(free_memory_goes_before_a_little_less_load),
	    cmocka_unit_test(who_talks_to_its_home_stays_there),
	    cmocka_unit_test(a_burst_of_placements_is_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
