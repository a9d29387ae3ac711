/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Gossip and membership in virtual time. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cluster.h"

static struct cluster *nodes(unsigned n, unsigned window)
{
	struct cluster *c = cluster_new();

	while (n--)
		c->node[cluster_node(c, 1000, 10000)].config.params.window = window;
	cluster_start(c);
	return c;
}

static enum policy_health health(struct cluster *c, unsigned i, unsigned of)
{
	struct policy_node_view v;
	char name[16];

	snprintf(name, sizeof(name), "n%u", of);
	if (!policy_node_find(c->node[i].policy, name, &v))
		return 0;
	return v.health;
}

static void healthy_nodes_are_seldom_suspect_and_not_dead(void **state)
{
	struct cluster *c = nodes(32, 16);
	unsigned i, k, dead = 0, suspect = 0;

	cluster_run(c, 600000);
	for (i = 0; i < 32; i++) {
		dead += c->node[i].dead_notices;
		for (k = 0; k < 32; k++)
			suspect += health(c, i, k) == POLICY_SUSPECT;
	}
	assert_in_range(dead, 0, 30); /* of 32 * 31 pairs in ten minutes */
	assert_in_range(suspect, 0, 32 * 31 / 20); /* at one moment */
	cluster_free(c);
}

static void a_silent_node_is_suspect_then_dead_then_forgotten(void **state)
{
	struct cluster *c = nodes(4, 16);
	unsigned i;

	cluster_run(c, 20000);
	cluster_stop_node(c, 3);
	for (i = 0; i < 3; i++)
		assert_int_not_equal(health(c, i, 3), POLICY_DEAD);
	cluster_run(c, 12000);
	for (i = 0; i < 3; i++) {
		assert_int_equal(health(c, i, 3), POLICY_DEAD);
		assert_in_range(c->node[i].dead_notices, 1, 1);
		assert_int_equal(health(c, i, (i + 1) % 3), POLICY_ALIVE);
	}
	cluster_run(c, 600000);
	for (i = 0; i < 3; i++)
		assert_int_equal(health(c, i, 3), 0);
	cluster_free(c);
}

static void all_know(struct cluster *c, unsigned node)
{
	unsigned i;

	for (i = 0; i < c->n; i++) {
		struct policy_node_view v;

		assert_true(policy_node_find(c->node[i].policy, c->node[node].config.name, &v));
		assert_int_equal(v.node->incarnation, c->node[node].config.incarnation);
		assert_int_not_equal(v.health, POLICY_DEAD); /* one may be suspect for a moment */
		assert_int_not_equal(health(c, node, i), POLICY_DEAD);
		assert_int_not_equal(health(c, node, i), 0);
	}
}

static void a_node_comes_back_with_a_new_incarnation(void **state)
{
	struct cluster *c = nodes(8, 16);

	cluster_run(c, 30000);
	cluster_stop_node(c, 5);
	cluster_run(c, 30000);
	assert_int_equal(health(c, 0, 5), POLICY_DEAD);
	cluster_restart_node(c, 5); /* its seq begins at 0 again, and only n0 is told */
	cluster_run(c, 12000);
	all_know(c, 5);
	cluster_stop_node(c, 5);
	cluster_run(c, 30000);
	c->node[5].config.incarnation -= 2; /* its clock was set back meanwhile */
	cluster_restart_node(c, 5);
	cluster_run(c, 12000);
	all_know(c, 5);
	cluster_free(c);
}

/* Each half holds the other for dead; the calls to the dead find them again. */
static void a_split_heals_without_help(void **state)
{
	struct cluster *c = nodes(6, 16);
	unsigned i, k;

	cluster_run(c, 20000);
	for (i = 0; i < 6; i++)
		c->node[i].group = i < 3;
	cluster_run(c, 60000);
	for (i = 0; i < 6; i++)
		for (k = 0; k < 6; k++)
			assert_true((health(c, i, k) == POLICY_DEAD) == ((i < 3) != (k < 3)));
	for (i = 0; i < 6; i++)
		c->node[i].group = 0;
	cluster_run(c, 60000);
	for (i = 0; i < 6; i++)
		for (k = 0; k < 6; k++)
			assert_in_range(health(c, i, k), POLICY_SELF, POLICY_SUSPECT);
	cluster_free(c);
}

static struct policy_event entry_event(const char *name, uint64_t incarnation, uint64_t seq, uint64_t age_us)
{
	struct policy_event ev = {.type = POLICY_EV_ENTRY};

	snprintf(ev.entry.name, sizeof(ev.entry.name), "%s", name);
	ev.entry.incarnation = incarnation;
	ev.entry.seq = seq;
	ev.entry.age_us = age_us;
	ev.entry.state = POLICY_UP;
	ev.entry.cpus_milli = 1000;
	ev.entry.speed = 10000;
	ev.entry.mem_total = ev.entry.mem_free = GIB;
	return ev;
}

static uint32_t export_of(struct cluster *c, const char *name)
{
	struct policy_node_view v;

	assert_true(policy_node_find(c->node[0].policy, name, &v));
	return v.node->export_milli;
}

static void the_newer_entry_wins(void **state)
{
	struct cluster *c = nodes(1, 16);
	static const struct {
		uint64_t incarnation, seq;
		uint32_t load, expect;
	} rows[] = {{5, 10, 100, 100}, {5, 9, 200, 100}, {5, 10, 300, 100},         {5, 11, 400, 400},
		    {4, 99, 500, 400}, {6, 1, 600, 600}, {5, UINT64_MAX, 700, 600}, {6, 2, 800, 800}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy_event ev = entry_event("x", rows[i].incarnation, rows[i].seq, 1000);

		ev.entry.export_milli = rows[i].load;
		cluster_event(c, 0, &ev);
		assert_int_equal(export_of(c, "x"), rows[i].expect);
	}
	cluster_free(c);
}

static void nonsense_does_no_harm(void **state)
{
	struct cluster *c = nodes(1, 16);
	struct policy_event ev = entry_event("x", 1, 1, UINT64_MAX - 5); /* five before now: from the future */
	struct policy_node_view v;

	cluster_event(c, 0, &ev);
	assert_false(policy_node_find(c->node[0].policy, "x", &v));
	ev = entry_event("x", 1, 1, 0);
	ev.entry.export_milli = ev.entry.load_milli = UINT32_MAX;
	ev.entry.mem_free = UINT64_MAX;
	cluster_event(c, 0, &ev);
	assert_int_equal(export_of(c, "x"), POLICY_LOAD_MAX);
	assert_true(policy_node_find(c->node[0].policy, "x", &v));
	assert_int_equal(v.node->mem_free, v.node->mem_total);
	ev = entry_event("y", 1, 1, 0);
	ev.entry.speed = 0;
	assert_int_equal(policy_step(c->node[0].policy, &ev, &c->act), -EINVAL);
	ev = entry_event("", 1, 1, 0);
	assert_int_equal(policy_step(c->node[0].policy, &ev, &c->act), -EINVAL);
	ev = entry_event("y", 1, 1, 0);
	memset(ev.entry.name, 'a', sizeof(ev.entry.name));
	assert_int_equal(policy_step(c->node[0].policy, &ev, &c->act), -EINVAL);
	/* what is long dead is not learnt again */
	ev = entry_event("z", 1, 1, 30000000);
	cluster_event(c, 0, &ev);
	assert_false(policy_node_find(c->node[0].policy, "z", &v));
	cluster_free(c);
}

static void who_speaks_for_us_is_outbid(void **state)
{
	struct cluster *c = nodes(2, 16);
	struct policy_event ev = entry_event("n0", 7, 5, 0);

	ev.entry.export_milli = 99999;
	cluster_event(c, 0, &ev);
	assert_int_equal(policy_self(c->node[0].policy)->incarnation, 8);
	assert_int_equal(policy_self(c->node[0].policy)->export_milli, 0);
	cluster_event(c, 1, &ev); /* n1 believes it */
	cluster_run(c, 15000);
	{
		struct policy_node_view v;

		assert_true(policy_node_find(c->node[1].policy, "n0", &v));
		assert_int_equal(v.node->incarnation, 8);
		assert_int_equal(v.node->export_milli, 0);
	}
	cluster_free(c);
}

static void names_are_bounded(void **state)
{
	struct cluster *c = nodes(1, 16);
	char name[16];
	unsigned i, full = 0;

	for (i = 0; i < 400; i++) { /* limit of the harness: 256 */
		struct policy_event ev;
		int r;

		snprintf(name, sizeof(name), "mad%u", i);
		ev = entry_event(name, 1, 1, 0);
		ev.now_ns = c->now;
		r = policy_step(c->node[0].policy, &ev, &c->act);
		assert_true(r == 0 || r == -ENOBUFS);
		full += r < 0;
	}
	assert_int_equal(full, 400 - 256);
	cluster_run(c, 300000); /* all dead by now: a true node finds a place */
	{
		struct policy_event ev = entry_event("true", 1, 1, 0);

		cluster_event(c, 0, &ev);
	}
	cluster_free(c);
}

static void failure_and_leave_are_known_at_once(void **state)
{
	struct cluster *c = nodes(1, 16);
	struct policy_event ev = entry_event("x", 1, 1, 0), gone = {.type = POLICY_EV_PEER_FAILED};

	cluster_event(c, 0, &ev);
	snprintf(gone.peer.name, sizeof(gone.peer.name), "x");
	cluster_run(c, 1000);
	cluster_event(c, 0, &gone);
	assert_int_equal(c->act.n, 1);
	assert_int_equal(c->act.a[0].type, POLICY_DO_NODE_DEAD);
	ev = entry_event("x", 1, 2, 900000); /* said before the failure */
	cluster_event(c, 0, &ev);
	{
		struct policy_node_view v;

		cluster_run(c, 100);
		ev = entry_event("x", 1, 3, 500000);
		cluster_event(c, 0, &ev);
		assert_true(policy_node_find(c->node[0].policy, "x", &v));
		assert_int_equal(v.health, POLICY_DEAD);
		ev = entry_event("x", 1, 4, 50000); /* since then */
		cluster_event(c, 0, &ev);
		assert_true(policy_node_find(c->node[0].policy, "x", &v));
		assert_int_equal(v.health, POLICY_ALIVE);
		gone.type = POLICY_EV_PEER_LEFT;
		cluster_event(c, 0, &gone);
		ev = entry_event("x", 1, 5, 0); /* a late echo of the one that left */
		cluster_event(c, 0, &ev);
		assert_true(policy_node_find(c->node[0].policy, "x", &v));
		assert_int_equal(v.health, POLICY_DEAD);
		ev = entry_event("x", 2, 1, 0);
		cluster_event(c, 0, &ev);
		assert_true(policy_node_find(c->node[0].policy, "x", &v));
		assert_int_equal(v.health, POLICY_ALIVE);
	}
	cluster_free(c);
}

static void the_window_holds_the_freshest(void **state)
{
	struct cluster *c = nodes(1, 16);
	const struct policy_node *w[POLICY_WINDOW_MAX];
	char name[16];
	unsigned i, n;

	for (i = 0; i < 100; i++) {
		struct policy_event ev;

		snprintf(name, sizeof(name), "x%u", i);
		ev = entry_event(name, 1, 1, (i * 37 % 100) * 10000); /* all different */
		cluster_event(c, 0, &ev);
	}
	n = policy_window(c->node[0].policy, c->now + 5000000, w, 16);
	assert_int_equal(n, 16);
	assert_ptr_equal(w[0], policy_self(c->node[0].policy));
	for (i = 1; i < n; i++)
		assert_int_equal(w[i]->age_us, (i - 1) * 10000 + 5000);
	assert_int_equal(policy_window(c->node[0].policy, 0, w, 1), 1);
	assert_int_equal(policy_window(c->node[0].policy, 0, w, 0), 0);
	assert_int_equal(policy_window(c->node[0].policy, 0, w, POLICY_WINDOW_MAX), 101);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(healthy_nodes_are_seldom_suspect_and_not_dead),
	    cmocka_unit_test(a_silent_node_is_suspect_then_dead_then_forgotten),
	    cmocka_unit_test(a_node_comes_back_with_a_new_incarnation),
	    cmocka_unit_test(a_split_heals_without_help),
	    cmocka_unit_test(the_newer_entry_wins),
	    cmocka_unit_test(nonsense_does_no_harm),
	    cmocka_unit_test(who_speaks_for_us_is_outbid),
	    cmocka_unit_test(names_are_bounded),
	    cmocka_unit_test(failure_and_leave_are_known_at_once),
	    cmocka_unit_test(the_window_holds_the_freshest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
