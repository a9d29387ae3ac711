/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Narratives of balancing in virtual time: where processes end, how soon, and that they then rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cluster.h"

/* As the daemon reports them: what was started here has no time of arrival. */
static void start(struct cluster *c, unsigned node, unsigned n)
{
	while (n--)
		c->proc[cluster_proc(c, node)].arrived = 0;
}

/* Runs until the moves under way are done and then a while, in which nothing more may move. */
static void assert_rest(struct cluster *c, unsigned ms)
{
	unsigned moves = cluster_moves(c);

	cluster_run(c, ms);
	assert_int_equal(cluster_moves(c), moves);
}

static struct cluster *equal_nodes(unsigned n)
{
	struct cluster *c = cluster_new();

	while (n--)
		(void)cluster_node(c, 1000, 10000);
	cluster_start(c);
	return c;
}

static void four_on_two_nodes_become_two_and_two(void **state)
{
	struct cluster *c = equal_nodes(2);

	start(c, 0, 4);
	cluster_run(c, 3000);
	assert_int_equal(cluster_at(c, 1), 2); /* both at once: jobs of some seconds gain by it, too */
	cluster_run(c, 7000);
	assert_int_equal(cluster_at(c, 0), 2);
	assert_int_equal(cluster_at(c, 1), 2);
	assert_int_equal(cluster_moves(c), 2);
	assert_rest(c, 120000);
	cluster_free(c);
}

static void six_on_three_nodes_become_two_each(void **state)
{
	struct cluster *c = equal_nodes(3);

	start(c, 0, 6);
	cluster_run(c, 20000);
	assert_int_equal(cluster_at(c, 0), 2);
	assert_int_equal(cluster_at(c, 1), 2);
	assert_int_equal(cluster_at(c, 2), 2);
	assert_int_equal(cluster_moves(c), 4);
	assert_rest(c, 120000);
	cluster_free(c);
}

static void three_on_two_nodes_become_two_and_one_and_stay(void **state)
{
	struct cluster *c = equal_nodes(2);

	start(c, 0, 3);
	cluster_run(c, 10000);
	assert_int_equal(cluster_at(c, 0), 2);
	assert_int_equal(cluster_at(c, 1), 1);
	assert_rest(c, 300000);
	cluster_free(c);
}

static void a_lone_process_stays(void **state)
{
	struct cluster *c = equal_nodes(4);

	start(c, 0, 1);
	assert_rest(c, 120000);
	assert_int_equal(cluster_at(c, 0), 1);
	cluster_free(c);
}

static void short_jobs_are_left_alone(void **state)
{
	struct cluster *c = equal_nodes(2);
	unsigned i, t;

	for (t = 0; t < 40; t++) { /* two at a time, of a third of a second of CPU time each */
		unsigned p[2] = {cluster_proc(c, 0), cluster_proc(c, 0)};

		c->proc[p[0]].arrived = c->proc[p[1]].arrived = 0;
		cluster_run(c, 700);
		for (i = 0; i < 2; i++) {
			struct policy_event ev = {.type = POLICY_EV_PROCESS_GONE, .id = cluster_id(c, p[i], 0)};
			struct policy_actions ret;

			ev.now_ns = c->now;
			(void)!policy_step(c->node[0].policy, &ev, &ret); /* most were never measured */
			c->proc[p[i]].used = false;
		}
	}
	assert_int_equal(cluster_moves(c), 0);
	cluster_free(c);
}

static void two_processes_part(void **state)
{
	struct cluster *c = equal_nodes(2);

	start(c, 0, 2);
	cluster_run(c, 10000);
	assert_int_equal(cluster_at(c, 0), 1);
	assert_int_equal(cluster_at(c, 1), 1);
	assert_rest(c, 300000);
	cluster_free(c);
}

static void cpus_count(void **state)
{
	struct cluster *c = cluster_new();

	(void)cluster_node(c, 2000, 10000);
	(void)cluster_node(c, 1000, 10000);
	cluster_start(c);
	start(c, 1, 5); /* all on the node with one CPU */
	cluster_run(c, 20000);
	assert_int_equal(cluster_at(c, 0), 3);
	assert_int_equal(cluster_at(c, 1), 2);
	assert_rest(c, 120000);
	cluster_free(c);
}

static void free_cpus_of_a_node_keep_its_processes(void **state)
{
	struct cluster *c = cluster_new();

	(void)cluster_node(c, 8000, 10000);
	(void)cluster_node(c, 1000, 10000);
	cluster_start(c);
	start(c, 0, 8);
	assert_rest(c, 60000);
	cluster_free(c);
}

static void speed_counts(void **state)
{
	struct cluster *c = cluster_new();

	(void)cluster_node(c, 1000, 10000);
	(void)cluster_node(c, 1000, 30000);
	cluster_start(c);
	start(c, 0, 8);
	cluster_run(c, 30000);
	/* equal progress would be 2 and 6; the caution of the rules may keep one back */
	assert_in_range(cluster_at(c, 0), 2, 3);
	assert_rest(c, 120000);
	cluster_free(c);
}

static void nodes_of_nearly_one_speed_share(void **state)
{
	struct cluster *c = cluster_new();

	(void)cluster_node(c, 1000, 10000);
	(void)cluster_node(c, 1000, 9000);
	cluster_start(c);
	start(c, 0, 4);
	cluster_run(c, 10000);
	assert_int_equal(cluster_at(c, 1), 2); /* as measured, no two machines are quite equal */
	assert_rest(c, 120000);
	cluster_free(c);
}

static void a_slow_idle_node_does_not_tempt(void **state)
{
	struct cluster *c = cluster_new();

	(void)cluster_node(c, 1000, 10000);
	(void)cluster_node(c, 1000, 4000);
	cluster_start(c);
	start(c, 0, 2); /* half a CPU here is more than a whole one there */
	assert_rest(c, 60000);
	cluster_free(c);
}

static void a_burst_floods_nobody(void **state)
{
	struct cluster *c = equal_nodes(16);
	unsigned i, moved_on = 0;

	start(c, 0, 100);
	for (i = 0; i < 180; i++)
		cluster_run(c, 1000);
	for (i = 1; i < 16; i++) /* 100 / 16 is 6.25: never more than that and one in doubt */
		assert_in_range(c->node[i].max_guests, 1, 8);
	for (i = 0; i < CLUSTER_PROCS; i++)
		moved_on += c->proc[i].moves > 1;
	assert_in_range(cluster_at(c, 0), 6, 9);
	assert_in_range(moved_on, 0, 10);
	cluster_free(c);
}

static void many_senders_do_not_flood_an_idle_node(void **state)
{
	struct cluster *c = equal_nodes(24);
	unsigned i, total = 0;

	for (i = 1; i < 24; i++)
		start(c, i, 3);
	cluster_run(c, 60000);
	assert_in_range(c->node[0].max_guests, 1, 3);
	for (i = 0; i < 24; i++)
		total += cluster_at(c, i);
	assert_int_equal(total, 69); /* none lost, none twice */
	assert_rest(c, 60000);
	cluster_free(c);
}

static void the_end_of_processes_is_noticed(void **state)
{
	struct cluster *c = equal_nodes(2);
	struct policy_event ev = {.type = POLICY_EV_PROCESS_GONE};
	unsigned i;

	start(c, 0, 4);
	cluster_run(c, 15000);
	assert_int_equal(cluster_at(c, 1), 2);
	for (i = 0; i < 4; i++) { /* both at n0 end: a guest may return to the free home, or one of n1 is relieved */
		if (c->proc[i].node != 0)
			continue;
		ev.id = cluster_id(c, i, 0);
		cluster_event(c, 0, &ev);
		c->proc[i].used = false;
	}
	cluster_run(c, 30000);
	assert_int_equal(cluster_at(c, 0), 1);
	assert_int_equal(cluster_at(c, 1), 1);
	assert_rest(c, 60000);
	cluster_free(c);
}

static void no_ping_pong_under_changing_load(void **state)
{
	struct cluster *c = equal_nodes(4);
	unsigned i, t;

	start(c, 0, 10);
	cluster_run(c, 30000);
	/* two local processes at n3 come and go every 4 s: demand that changes faster than a move pays */
	for (t = 0; t < 15; t++) {
		unsigned a = cluster_proc(c, 3), b = cluster_proc(c, 3);

		c->proc[a].flags = c->proc[b].flags = 0;
		cluster_run(c, 4000);
		for (i = 0; i < 2; i++) {
			unsigned k = i ? b : a;
			struct policy_event ev = {.type = POLICY_EV_PROCESS_GONE, .id = cluster_id(c, k, 3)};

			cluster_event(c, 3, &ev);
			c->proc[k].used = false;
		}
		cluster_run(c, 4000);
	}
	for (i = 0; i < 10; i++)
		assert_in_range(c->proc[i].moves, 0, 6); /* in two and a half minutes */
	assert_in_range(cluster_moves(c), 6, 30);
	cluster_free(c);
}

static void a_refusing_target_is_left_alone(void **state)
{
	struct cluster *c = equal_nodes(2);

	c->moves_fail = true;
	start(c, 0, 4);
	cluster_run(c, 120000);
	/* 3, 6, 12, 24, 48 s apart */
	assert_in_range(c->node[0].refused, 3, 7);
	assert_int_equal(cluster_moves(c), 0);
	c->moves_fail = false;
	cluster_run(c, 120000);
	assert_int_equal(cluster_at(c, 1), 2);
	cluster_free(c);
}

static void a_mad_neighbour_is_not_flooded(void **state)
{
	struct cluster *c = equal_nodes(4);

	c->node[3].mad = true; /* says it is idle whatever comes */
	start(c, 0, 12);
	cluster_run(c, 120000);
	/* its own answer to offers is honest: it takes nothing beyond half of what the sender had, and passes on the
	 * rest */
	assert_in_range(c->node[3].max_guests, 1, 6);
	assert_in_range(cluster_at(c, 3), 2, 4);
	cluster_free(c);
}

static void stay_block_and_expel(void **state)
{
	struct cluster *c = equal_nodes(3);
	struct policy_event ev = {.type = POLICY_EV_ADMIN};

	ev.admin.op = POLICY_ADMIN_BLOCK;
	cluster_event(c, 1, &ev);
	start(c, 0, 4);
	ev.admin.op = POLICY_ADMIN_STAY;
	cluster_event(c, 0, &ev);
	assert_rest(c, 20000); /* stay */
	ev.admin.op = POLICY_ADMIN_NOSTAY;
	cluster_event(c, 0, &ev);
	cluster_run(c, 20000);
	assert_int_equal(cluster_at(c, 1), 0); /* blocked */
	assert_int_equal(cluster_at(c, 2), 2);
	ev.admin.op = POLICY_ADMIN_UNBLOCK;
	cluster_event(c, 1, &ev);
	ev.admin.op = POLICY_ADMIN_EXPEL;
	cluster_event(c, 2, &ev);
	cluster_run(c, 5000);
	assert_int_equal(cluster_at(c, 2), 0);
	assert_int_equal(c->node[2].expelled, 1);
	cluster_free(c);
}

static void a_leaving_node_is_emptied_and_gets_nothing(void **state)
{
	struct cluster *c = equal_nodes(3);
	struct policy_event ev = {.type = POLICY_EV_LEAVE};

	start(c, 0, 9);
	cluster_run(c, 40000);
	assert_int_equal(cluster_at(c, 1), 3);
	cluster_event(c, 1, &ev);
	cluster_run(c, 8000);
	assert_int_equal(cluster_at(c, 1), 0);
	cluster_run(c, 60000);
	assert_int_equal(cluster_at(c, 1), 0);
	assert_int_equal(cluster_at(c, 0) + cluster_at(c, 2), 9);
	assert_in_range(cluster_at(c, 2), 3, 5);
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(four_on_two_nodes_become_two_and_two),
	    cmocka_unit_test(six_on_three_nodes_become_two_each),
	    cmocka_unit_test(three_on_two_nodes_become_two_and_one_and_stay),
	    cmocka_unit_test(a_lone_process_stays),
	    cmocka_unit_test(short_jobs_are_left_alone),
	    cmocka_unit_test(two_processes_part),
	    cmocka_unit_test(cpus_count),
	    cmocka_unit_test(free_cpus_of_a_node_keep_its_processes),
	    cmocka_unit_test(speed_counts),
	    cmocka_unit_test(nodes_of_nearly_one_speed_share),
	    cmocka_unit_test(a_slow_idle_node_does_not_tempt),
	    cmocka_unit_test(a_burst_floods_nobody),
	    cmocka_unit_test(many_senders_do_not_flood_an_idle_node),
	    cmocka_unit_test(the_end_of_processes_is_noticed),
	    cmocka_unit_test(no_ping_pong_under_changing_load),
	    cmocka_unit_test(a_refusing_target_is_left_alone),
	    cmocka_unit_test(a_mad_neighbour_is_not_flooded),
	    cmocka_unit_test(stay_block_and_expel),
	    cmocka_unit_test(a_leaving_node_is_emptied_and_gets_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
