/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A neighbour that lies or is mad. Each second it tells every node something untrue; what the others then decide is
 * what they decide without it, or keeps to the bound that docs/policy.md states.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cluster.h"

static struct cluster *nodes(unsigned n)
{
	struct cluster *c = cluster_new();

	while (n--)
		(void)cluster_node(c, 1000, 10000);
	cluster_start(c);
	return c;
}

static void start(struct cluster *c, unsigned node, unsigned n)
{
	while (n--)
		c->proc[cluster_proc(c, node)].arrived = 0;
}

static struct policy_event lie(const char *name)
{
	struct policy_event ev = {.type = POLICY_EV_ENTRY};

	(void)snprintf(ev.entry.name, sizeof(ev.entry.name), "%s", name);
	(void)snprintf(ev.entry.address, sizeof(ev.entry.address), "10.9.9.9");
	ev.entry.incarnation = 1;
	ev.entry.state = POLICY_UP;
	ev.entry.cpus_milli = 1000;
	ev.entry.speed = 10000;
	ev.entry.mem_total = ev.entry.mem_free = GIB;
	return ev;
}

/* To every living node; a full table may refuse it. */
static void spread(struct cluster *c, const struct policy_event *ev)
{
	struct policy_event copy = *ev;
	unsigned i;

	copy.now_ns = c->now;
	for (i = 0; i < c->n; i++)
		if (c->node[i].up)
			(void)!policy_step(c->node[i].policy, &copy, &c->act);
}

static void lie_of(struct cluster *c, unsigned of, uint64_t incarnation, uint64_t seq, uint32_t load)
{
	struct policy_event ev = lie(c->node[of].config.name);

	ev.entry.incarnation = incarnation;
	ev.entry.seq = seq;
	ev.entry.export_milli = ev.entry.load_milli = load;
	spread(c, &ev);
}

static bool knows(struct cluster *c, unsigned i, unsigned of, uint64_t max_age_ms)
{
	const struct policy_node *self = policy_self(c->node[of].policy);
	struct policy_node_view v;

	return policy_node_find(c->node[i].policy, self->name, &v) && v.health == POLICY_ALIVE &&
	       v.node->incarnation == self->incarnation && v.age_us < max_age_ms * 1000 &&
	       v.node->cpus_milli == self->cpus_milli && strcmp(v.node->address, self->address) == 0;
}

static bool all_know_all(struct cluster *c)
{
	unsigned i, k;

	for (i = 0; i < c->n; i++)
		for (k = 0; k < c->n; k++)
			if (i != k && !knows(c, i, k, 8000))
				return false;
	return true;
}

static void assert_healed(struct cluster *c, unsigned seconds)
{
	while (seconds-- && !all_know_all(c))
		cluster_run(c, 1000);
	assert_true(all_know_all(c));
}

/* "It has said number UINT64_MAX already": the node goes above it as soon as it hears of it. */
static void a_node_cannot_be_silenced_by_its_number(void **state)
{
	struct cluster *c = nodes(16);

	cluster_run(c, 30000);
	lie_of(c, 5, c->node[5].config.incarnation, UINT64_MAX, 0);
	assert_false(all_know_all(c));
	assert_healed(c, 15);
	lie_of(c, 5, 1000, UINT64_MAX, 0);
	assert_false(all_know_all(c));
	assert_healed(c, 15);
	/* the highest that is believed still leaves room above it */
	lie_of(c, 5, (1ULL << 61) + 1, UINT64_MAX, 0);
	assert_false(all_know_all(c));
	assert_healed(c, 15);
	cluster_free(c);
}

/* Only one node has been lied to: it asks the silenced one in time, and is corrected. */
static void who_alone_was_lied_to_is_corrected(void **state)
{
	struct cluster *c = nodes(16);
	struct policy_event ev = lie("n5");

	cluster_run(c, 30000);
	ev.entry.incarnation = 9;
	ev.entry.seq = UINT64_MAX;
	ev.entry.age_us = 2900000; /* old enough that nobody passes it on */
	cluster_event(c, 0, &ev);
	assert_false(knows(c, 0, 5, 8000));
	assert_healed(c, 20);
	cluster_free(c);
}

static void a_run_of_the_far_future_is_not_believed(void **state)
{
	struct cluster *c = nodes(8);

	cluster_run(c, 30000);
	lie_of(c, 5, UINT64_MAX, UINT64_MAX, 0);
	lie_of(c, 5, UINT64_MAX - 1, 1, 0);
	lie_of(c, 5, 1ULL << 63, 1, 0);
	assert_int_equal(policy_self(c->node[5].policy)->incarnation, c->node[5].config.incarnation);
	assert_true(all_know_all(c));
	cluster_free(c);
}

/* Two processes for each node, all started on the first. What is done with and without lies is compared. */
struct outcome {
	unsigned moves, refused, most, seconds; /* most: on one node at the end */
};

static struct outcome balance(void (*tell)(struct cluster *c, unsigned second))
{
	struct cluster *c = nodes(8);
	struct outcome o = {0};
	unsigned i, t;

	cluster_run(c, 20000);
	start(c, 0, 16);
	for (t = 0; t < 1000; t++) {
		if (tell)
			tell(c, t);
		cluster_run(c, 1000);
		for (i = 0; !o.seconds && i < 8 && cluster_at(c, i) == 2; i++)
			if (i == 7)
				o.seconds = t + 1;
	}
	o.moves = cluster_moves(c);
	for (i = 0; i < 8; i++) {
		o.refused += c->node[i].refused;
		o.most = cluster_at(c, i) > o.most ? cluster_at(c, i) : o.most;
	}
	cluster_free(c);
	return o;
}

/* Nothing is ever sent to a node that has not spoken itself (begin_move() of the cluster would fail), names beyond the
 * table's bound throw no true one out, and gossip goes on. */
static void a_million_names(struct cluster *c, unsigned second)
{
	char name[32];
	unsigned i;

	for (i = 0; i < 1000; i++) {
		struct policy_event ev;

		(void)snprintf(name, sizeof(name), "fake%u", second < 500 ? second * 1000 + i : i);
		ev = lie(name);
		ev.entry.seq = second;
		spread(c, &ev);
	}
}

static void invented_nodes_change_nothing(void **state)
{
	struct outcome calm = balance(NULL), mad = balance(a_million_names);

	assert_int_equal(calm.most, 2);
	assert_int_equal(mad.most, 2);
	assert_in_range(mad.moves, 14, calm.moves + 2);
	assert_in_range(mad.refused, 0, calm.refused + 60);
	assert_in_range(mad.seconds, 1, calm.seconds + 15);
}

static void a_true_node_gets_a_place_among_invented_ones(void **state)
{
	struct cluster *c = nodes(4);
	struct policy_event ev = lie("true");
	struct policy_node_view v;

	cluster_run(c, 10000);
	a_million_names(c, 1);
	assert_int_equal(policy_step(c->node[0].policy, &ev, &c->act), -ENOBUFS);
	ev.direct = true;
	cluster_event(c, 0, &ev);
	assert_true(policy_node_find(c->node[0].policy, "true", &v));
	assert_int_equal(v.health, POLICY_ALIVE);
	assert_true(knows(c, 0, 1, 8000) && knows(c, 0, 2, 8000) && knows(c, 0, 3, 8000));
	cluster_free(c);
}

static void absurd_loads(struct cluster *c, unsigned second)
{
	struct policy_event ev = lie("liar");

	ev.direct = true; /* it may say of itself what it likes */
	ev.entry.seq = second + 1;
	ev.entry.state = second % 3 ? POLICY_UP : UINT32_MAX;
	ev.entry.export_milli = ev.entry.load_milli = UINT32_MAX;
	ev.entry.speed = second % 2 ? 1 : UINT32_MAX;
	ev.entry.cpus_milli = second % 5 ? UINT32_MAX : 1;
	ev.entry.mem_total = ev.entry.mem_free = second % 7 ? UINT64_MAX : 0;
	ev.entry.guests = UINT32_MAX;
	ev.entry.age_us = second % 4 ? 0 : UINT64_MAX - second;
	spread(c, &ev);
}

static void absurd_claims_change_nothing(void **state)
{
	struct outcome calm = balance(NULL), mad = balance(absurd_loads);

	assert_int_equal(mad.most, 2);
	assert_in_range(mad.moves, 14, calm.moves + 2);
	assert_in_range(mad.refused, 0, calm.refused + 4);
	assert_in_range(mad.seconds, 1, calm.seconds + 15);
}

/* Of every node, with higher numbers than its own, each second: now idle, now full. The receiving node has the last
 * word, so that nobody is flooded, and what is told again and again only delays. */
static void lies_of_all(struct cluster *c, unsigned second)
{
	unsigned i;

	if (second >= 300)
		return;
	for (i = 0; i < c->n; i++)
		lie_of(c, i, policy_self(c->node[i].policy)->incarnation, UINT64_MAX,
		       (second + i) % 2 ? 0 : UINT32_MAX);
}

static void lies_of_others_only_delay(void **state)
{
	struct outcome mad = balance(lies_of_all);

	assert_int_equal(mad.most, 2);
	assert_in_range(mad.moves, 14, 16 * 15); /* without the growing residence 835 */
	assert_in_range(mad.seconds, 1, 300 + 3 * 32 + 30);
}

/* A dead node is said to live and to be idle: each sender tries it now and then, less and less often, but not for each
 * of its "new" runs anew. */
static void a_dead_node_that_is_said_to_live_costs_little(void **state)
{
	struct cluster *c = nodes(3);
	unsigned t;

	cluster_run(c, 20000);
	cluster_stop_node(c, 2);
	start(c, 0, 6);
	for (t = 0; t < 1000; t++) {
		struct policy_event ev = lie("n2");

		ev.entry.incarnation = 100 + t;
		ev.entry.mem_total = ev.entry.mem_free = 16 * GIB;
		spread(c, &ev);
		cluster_run(c, 1000);
	}
	assert_int_equal(cluster_at(c, 0), 3);
	assert_int_equal(cluster_at(c, 1), 3);
	assert_in_range(c->node[0].refused, 0, 6 + 1000 / 96 + 2);
	assert_in_range(c->node[1].refused, 0, 6 + 1000 / 96 + 2);
	cluster_free(c);
}

/* Slander makes others ask; the answer clears it. */
static void slander_is_no_verdict(void **state)
{
	struct cluster *c = nodes(8);
	unsigned t, i;

	cluster_run(c, 30000);
	for (i = 0; i < 8; i++)
		c->node[i].suspect_notices = c->node[i].dead_notices = 0;
	for (t = 0; t < 1000; t++) {
		struct policy_event ev = lie("n3");

		ev.entry.state |= POLICY_ACCUSED;
		ev.entry.seq = t * 100;
		ev.entry.age_us = t % 2 ? 0 : 5000000;
		spread(c, &ev);
		cluster_run(c, 1000);
	}
	assert_healed(c, 15);
	for (i = 0; i < 8; i++) {
		assert_int_equal(c->node[i].suspect_notices, 0);
		assert_int_equal(c->node[i].dead_notices, 0);
	}
	cluster_free(c);
}

/* What it says of a node to that node itself changes no more than the numbers. */
static void nobody_is_told_about_himself(void **state)
{
	struct cluster *c = nodes(2);
	struct policy_node before = *policy_self(c->node[0].policy), after;
	unsigned t;

	for (t = 0; t < 1000; t++)
		lie_of(c, 0, t, t * 7, 123456);
	after = *policy_self(c->node[0].policy);
	assert_true(after.incarnation >= 1000 && after.incarnation < 1002);
	after.incarnation = before.incarnation;
	after.seq = before.seq;
	assert_memory_equal(&before, &after, sizeof(before));
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_node_cannot_be_silenced_by_its_number),
	    cmocka_unit_test(who_alone_was_lied_to_is_corrected),
	    cmocka_unit_test(a_run_of_the_far_future_is_not_believed),
	    cmocka_unit_test(invented_nodes_change_nothing),
	    cmocka_unit_test(a_true_node_gets_a_place_among_invented_ones),
	    cmocka_unit_test(absurd_claims_change_nothing),
	    cmocka_unit_test(lies_of_others_only_delay),
	    cmocka_unit_test(a_dead_node_that_is_said_to_live_costs_little),
	    cmocka_unit_test(slander_is_no_verdict),
	    cmocka_unit_test(nobody_is_told_about_himself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
