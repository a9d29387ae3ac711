/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Each rule by itself: which process, which target, and that policy_why() tells what the decisions do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "cluster.h"

static struct cluster *two_nodes(void)
{
	struct cluster *c = cluster_new();

	(void)cluster_node(c, 1000, 10000);
	(void)cluster_node(c, 1000, 10000);
	cluster_start(c);
	return c;
}

/* Is `why` among the reasons for which the process stays, about that node ("" = itself or this node)? */
static bool has_reason(struct cluster *c, unsigned proc, unsigned why, const char *node)
{
	struct policy_reason r[64];
	struct policy_id id = cluster_id(c, proc, c->proc[proc].node);
	int n = policy_why(c->node[c->proc[proc].node].policy, &id, r, 64), i;

	assert_in_range(n, 0, 64);
	for (i = 0; i < n; i++)
		if (r[i].why == why && strcmp(r[i].node, node) == 0)
			return true;
	return false;
}

static void processes_that_may_not_move_stay(void **state)
{
	struct cluster *c = two_nodes();
	unsigned confined = cluster_proc(c, 0), stranger = cluster_proc(c, 0), pinned = cluster_proc(c, 0);
	struct policy_event ev = {.type = POLICY_EV_ADMIN};

	c->proc[confined].confined = 7;
	c->proc[stranger].flags = 0;
	c->proc[pinned].flags |= POLICY_PROC_PINNED;
	cluster_run(c, 30000);
	assert_int_equal(cluster_moves(c), 0);
	assert_true(has_reason(c, confined, POLICY_WHY_CONFINED, ""));
	assert_true(has_reason(c, stranger, POLICY_WHY_NOT_FAMILY, ""));
	assert_true(has_reason(c, pinned, POLICY_WHY_PINNED, ""));
	assert_false(has_reason(c, pinned, POLICY_WHY_LOW_LOAD, ""));
	/* pinned by request instead of by flag, and released */
	c->proc[pinned].flags &= ~(uint32_t)POLICY_PROC_PINNED;
	ev.admin.op = POLICY_ADMIN_PIN;
	ev.admin.id = cluster_id(c, pinned, 0);
	cluster_event(c, 0, &ev);
	cluster_run(c, 10000);
	assert_int_equal(cluster_moves(c), 0);
	ev.admin.op = POLICY_ADMIN_UNPIN;
	cluster_event(c, 0, &ev);
	cluster_run(c, 5000);
	assert_int_equal(c->proc[pinned].node, 1);
	cluster_free(c);
}

static void idle_young_and_new_ones_stay(void **state)
{
	struct cluster *c = two_nodes();
	unsigned busy = cluster_proc(c, 0), second = cluster_proc(c, 0), idle = cluster_proc(c, 0);

	c->proc[idle].demand_milli = 20;
	c->proc[busy].flags = c->proc[second].flags = 0;
	cluster_run(c, 10000);
	assert_true(has_reason(c, idle, POLICY_WHY_IDLE, ""));
	assert_true(has_reason(c, idle, POLICY_WHY_YOUNG, ""));
	assert_int_equal(cluster_moves(c), 0);
	{
		unsigned fresh = cluster_proc(c, 0);

		c->proc[fresh].demand_milli =
		    300; /* one that wants all would have shown soon that it is there to stay */
		cluster_run(c, 2000);
		assert_true(has_reason(c, fresh, POLICY_WHY_RESIDENCE, ""));
		assert_true(has_reason(c, fresh, POLICY_WHY_YOUNG, ""));
		cluster_run(c, 10000);
		assert_int_equal(c->proc[fresh].node, 1);
	}
	cluster_free(c);
}

static void the_older_process_goes(void **state)
{
	struct cluster *c = two_nodes();
	unsigned young = cluster_proc(c, 0), old = cluster_proc(c, 0), big = cluster_proc(c, 0);

	c->proc[old].cpu_us = 30000000; /* expected to run for 30 s more */
	c->proc[big].cpu_us = 30000000;
	c->proc[big].rss = 2 * GIB; /* but 20 s to move */
	cluster_run(c, 6000);
	assert_int_equal(c->proc[old].node, 1);
	assert_int_equal(c->proc[young].node, 0);
	assert_int_equal(c->proc[big].node, 0);
	cluster_free(c);
}

static void a_move_that_costs_more_than_it_saves_is_not_made(void **state)
{
	struct cluster *c = two_nodes();
	unsigned a = cluster_proc(c, 0), b = cluster_proc(c, 0);

	c->proc[a].flags = 0;
	c->proc[b].rss = 1 * GIB; /* about 10 s: worth it once it has used about as much */
	cluster_run(c, 8000);
	assert_true(has_reason(c, b, POLICY_WHY_COST, "n1"));
	assert_int_equal(cluster_moves(c), 0);
	cluster_run(c, 40000);
	assert_int_equal(c->proc[b].node, 1);
	assert_in_range(c->proc[b].moves, 1, 1);
	cluster_free(c);
}

static void forwarded_calls_keep_a_process_home(void **state)
{
	struct cluster *c = two_nodes();
	unsigned a = cluster_proc(c, 0), b = cluster_proc(c, 0);

	/* half a CPU each; 10000 calls a second would cost 1 s a second away */
	c->proc[a].calls = c->proc[b].calls = 10000;
	cluster_run(c, 60000);
	assert_int_equal(cluster_moves(c), 0);
	assert_true(has_reason(c, a, POLICY_WHY_NO_GAIN, "n1"));
	c->proc[b].calls = 100; /* it has changed its ways */
	cluster_run(c, 30000);
	assert_int_equal(c->proc[a].node, 0);
	assert_int_equal(c->proc[b].node, 1);
	cluster_free(c);
}

static void a_process_is_treated_as_its_user_says(void **state)
{
	struct cluster *c = cluster_new();
	unsigned a, b;

	(void)cluster_node(c, 1000, 10000);
	(void)cluster_node(c, 1000, 10000);
	c->node[0].config.mem_total = 1 * GIB;
	cluster_start(c);
	a = cluster_proc(c, 0);
	b = cluster_proc(c, 0);
	/* the calls of one that is said to compute do not count */
	c->proc[a].calls = c->proc[b].calls = 10000;
	c->proc[b].flags |= POLICY_PROC_CPU;
	cluster_run(c, 30000);
	assert_int_equal(c->proc[a].node, 0);
	assert_int_equal(c->proc[b].node, 1);
	/* one that is said to be I/O-bound goes home, also to a busier node, and stays there */
	c->proc[b].calls = 0;
	c->proc[b].flags ^= POLICY_PROC_CPU | POLICY_PROC_IO;
	cluster_run(c, 10000);
	assert_int_equal(c->proc[b].node, 0);
	c->proc[a].flags |= POLICY_PROC_PINNED;
	cluster_run(c, 60000);
	assert_int_equal(c->proc[b].node, 0);
	assert_int_equal(c->proc[b].moves, 2);
	assert_true(has_reason(c, b, POLICY_WHY_IO_BOUND, ""));
	/* until its node is short of memory */
	c->proc[a].rss = 620 * MIB;
	c->proc[b].rss = 400 * MIB;
	cluster_run(c, 60000);
	assert_int_equal(c->proc[b].node, 1);
	assert_int_equal(c->proc[b].moves, 3);
	cluster_free(c);
}

static void a_calling_guest_returns_when_home_is_free(void **state)
{
	struct cluster *c = two_nodes();
	unsigned stays = cluster_proc(c, 0), goes = cluster_proc(c, 0), quiet;
	struct policy_event ev = {.type = POLICY_EV_PROCESS_GONE};

	c->proc[stays].flags = 0;
	cluster_run(c, 10000);
	assert_int_equal(c->proc[goes].node, 1);
	c->proc[goes].calls = 2000; /* loses a fifth of its time */
	cluster_run(c, 30000);
	assert_int_equal(c->proc[goes].node, 1); /* home is busy: half a CPU there would be less */
	ev.id = cluster_id(c, stays, 0);
	cluster_event(c, 0, &ev);
	c->proc[stays].used = false;
	cluster_run(c, 40000);
	assert_int_equal(c->proc[goes].node, 0);
	assert_int_equal(c->proc[goes].moves, 2);
	/* one that makes no calls has no reason to go back */
	quiet = cluster_proc(c, 0);
	c->proc[goes].flags |= POLICY_PROC_PINNED;
	cluster_run(c, 20000);
	assert_int_equal(c->proc[quiet].node, 1);
	ev.id = cluster_id(c, goes, 0);
	cluster_event(c, 0, &ev);
	c->proc[goes].used = false;
	cluster_run(c, 60000);
	assert_int_equal(c->proc[quiet].node, 1);
	cluster_free(c);
}

static void short_memory_at_the_target_vetoes(void **state)
{
	struct cluster *c = cluster_new();
	unsigned a, b;

	(void)cluster_node(c, 1000, 10000);
	(void)cluster_node(c, 1000, 10000);
	c->node[1].config.mem_total = 1 * GIB;
	cluster_start(c);
	a = cluster_proc(c, 0);
	b = cluster_proc(c, 0);
	c->proc[a].rss = c->proc[b].rss = 1000 * MIB; /* more than 95 per cent of it */
	c->proc[a].cpu_us = c->proc[b].cpu_us = 60000000;
	cluster_run(c, 20000);
	assert_int_equal(cluster_moves(c), 0);
	assert_true(has_reason(c, a, POLICY_WHY_NODE_MEMORY, "n1"));
	c->proc[b].rss = 900 * MIB;
	cluster_run(c, 30000);
	assert_int_equal(c->proc[b].node, 1);
	cluster_free(c);
}

static void a_node_without_memory_sends_a_process_whatever_the_load(void **state)
{
	struct cluster *c = cluster_new();
	unsigned big, small, tiny;

	(void)cluster_node(c, 4000, 10000);
	(void)cluster_node(c, 1000, 10000);
	c->node[0].config.mem_total = 4 * GIB;
	cluster_start(c);
	big = cluster_proc(c, 0);
	small = cluster_proc(c, 0);
	tiny = cluster_proc(c, 0);
	c->proc[big].rss = 3500 * MIB;
	c->proc[small].rss = 500 * MIB;
	c->proc[tiny].rss = 90 * MIB; /* 6 MiB are free; 205 should be */
	cluster_run(c, 15000);
	assert_int_equal(c->proc[small].node, 1);
	assert_int_equal(c->proc[big].node, 0);
	assert_int_equal(c->proc[tiny].node, 0);
	cluster_free(c);
}

/* 4 GiB, of which big and small leave 596 MiB: little, but more than the reserve. n1 has 16 GiB. */
static struct cluster *little_memory(unsigned *big, unsigned *small)
{
	struct cluster *c = cluster_new();

	(void)cluster_node(c, 4000, 10000);
	(void)cluster_node(c, 4000, 10000);
	c->node[0].config.mem_total = 4 * GIB;
	cluster_start(c);
	*big = cluster_proc(c, 0);
	*small = cluster_proc(c, 0);
	c->proc[*big].rss = 3000 * MIB;
	c->proc[*small].rss = 500 * MIB;
	cluster_run(c, 15000);
	assert_int_equal(cluster_moves(c), 0);
	return c;
}

static void signs_of_paging_send_a_process(void **state)
{
	unsigned big, small, pass;
	struct cluster *c;

	for (pass = 0; pass < 2; pass++) {
		c = little_memory(&big, &small);
		c->node[0].stalled_milli = 99;
		c->node[0].faults = 999;
		cluster_run(c, 10000);
		assert_int_equal(cluster_moves(c), 0);
		if (pass)
			c->node[0].faults = 1000;
		else
			c->node[0].stalled_milli = 100;
		cluster_run(c, 10000);
		assert_int_equal(c->proc[small].node, 1);
		/* Now it has memory: whatever they wait for, it is not for want of that. */
		cluster_run(c, 10000);
		assert_int_equal(c->proc[big].node, 0);
		cluster_free(c);
	}
	/* it can be left out */
	c = little_memory(&big, &small);
	c->node[0].config.params.usher_percent = 0;
	{
		struct policy_event ev = {.type = POLICY_EV_CONFIG, .config = c->node[0].config};

		cluster_event(c, 0, &ev);
	}
	c->node[0].stalled_milli = 500;
	c->proc[small].rss = 1096 * MIB;
	cluster_run(c, 10000);
	assert_int_equal(cluster_moves(c), 0);
	cluster_free(c);
}

static void falling_memory_sends_a_process_in_time(void **state)
{
	unsigned big, small, t;
	struct cluster *c = little_memory(&big, &small);

	/* At once is no growth. */
	c->proc[small].rss += 100 * MIB;
	cluster_run(c, 5000);
	assert_int_equal(cluster_moves(c), 0);
	for (t = 0; t < 20 && !c->proc[small].moving && c->proc[small].node == 0; t++) {
		c->proc[small].rss += 30 * MIB;
		cluster_run(c, 1000);
	}
	/* The threshold is 3 %, 123 MiB, but in 3 s, and the 8 s that the move takes, it takes 330 MiB more. */
	assert_in_range(4096 - 3000 - c->proc[small].rss / MIB, 300, 460);
	cluster_run(c, 15000);
	assert_int_equal(c->proc[small].node, 1);
	cluster_free(c);
}

/* Two nodes that are short of memory, and one that has room for what one of them sends. */
static void what_was_promised_to_one_is_not_given_to_another(void **state)
{
	struct cluster *c = cluster_new();
	unsigned i, there = 0;

	for (i = 0; i < 3; i++) {
		(void)cluster_node(c, 4000, 10000);
		c->node[i].config.mem_total = 4 * GIB;
	}
	cluster_start(c);
	for (i = 0; i < 4; i++)
		c->proc[cluster_proc(c, i / 2)].rss = 2040 * MIB;
	c->proc[cluster_proc(c, 2)].rss = 1500 * MIB;
	for (i = 0; i < 60; i++) {
		uint64_t used = 0;
		unsigned k;

		cluster_run(c, 1000);
		for (k = 0, there = 0; k < 5; k++) {
			bool comes = c->proc[k].node == 2 || (c->proc[k].moving && c->proc[k].to == 2);

			used += comes ? c->proc[k].rss : 0;
			there += comes && k < 4;
		}
		assert_true(used <= 4 * GIB / 100 * 95);
	}
	assert_int_equal(there, 1);
	cluster_free(c);
}

static void why_and_decisions_agree(void **state)
{
	struct cluster *c = two_nodes();
	unsigned t, i, free_before[4], was[4], unexplained = 0, moved = 0;

	for (i = 0; i < 4; i++)
		(void)cluster_proc(c, 0);
	for (t = 0; t < 40; t++) {
		for (i = 0; i < 4; i++) {
			struct policy_id id = cluster_id(c, i, c->proc[i].node);
			struct policy_reason r[16];

			was[i] = c->proc[i].moves + c->proc[i].moving;
			free_before[i] = policy_why(c->node[c->proc[i].node].policy, &id, r, 16) == 0;
		}
		cluster_run(c, 1000);
		for (i = 0; i < 4; i++) {
			unsigned now = c->proc[i].moves + c->proc[i].moving;

			moved += now > was[i];
			/* nothing was against it, yet it stayed: at most until the next sample, which may change all */
			unexplained += free_before[i] && now == was[i];
		}
	}
	assert_int_equal(moved, 2);
	assert_in_range(unexplained, 0, 2);
	/* at rest each has a reason, and the reason is that the other node is no better or this one not loaded */
	for (i = 0; i < 4; i++)
		assert_true(has_reason(c, i, POLICY_WHY_NODE_LOADED, c->proc[i].node ? "n0" : "n1"));
	cluster_free(c);
}

static void why_names_the_better_one(void **state)
{
	struct cluster *c = two_nodes();
	unsigned young = cluster_proc(c, 0), old = cluster_proc(c, 0);
	struct policy_event ev = {.type = POLICY_EV_ADMIN};
	struct policy_id nobody = {.pid = 99};
	struct policy_reason r;

	c->proc[old].cpu_us = 30000000;
	ev.admin.op = POLICY_ADMIN_STAY;
	cluster_event(c, 0, &ev);
	cluster_run(c, 10000);
	assert_true(has_reason(c, young, POLICY_WHY_STAY, ""));
	assert_true(has_reason(c, young, POLICY_WHY_NOT_CHOSEN, "n1"));
	assert_true(has_reason(c, old, POLICY_WHY_STAY, ""));
	assert_false(has_reason(c, old, POLICY_WHY_NOT_CHOSEN, "n1"));
	assert_int_equal(policy_why(c->node[0].policy, &nobody, &r, 1), -ENOENT);
	cluster_free(c);
}

static void a_lone_process_is_told_that_its_node_is_not_loaded(void **state)
{
	struct cluster *c = two_nodes();
	unsigned a = cluster_proc(c, 0);

	cluster_run(c, 10000);
	assert_true(has_reason(c, a, POLICY_WHY_LOW_LOAD, ""));
	cluster_free(c);
}

/* Three threads and one: were the three to go, the other node would be the fuller one, and they would come back. */
static void a_move_never_turns_the_pair_round(void **state)
{
	struct cluster *c = two_nodes();
	unsigned wide = cluster_proc(c, 0), narrow = cluster_proc(c, 0);
	struct policy_event ev = {.type = POLICY_EV_ADMIN};

	c->proc[wide].demand_milli = 3000;
	ev.admin.op = POLICY_ADMIN_STAY;
	cluster_event(c, 0, &ev);
	cluster_run(c, 10000);
	assert_true(has_reason(c, wide, POLICY_WHY_REVERSED, "n1"));
	assert_false(has_reason(c, narrow, POLICY_WHY_REVERSED, "n1"));
	ev.admin.op = POLICY_ADMIN_NOSTAY;
	cluster_event(c, 0, &ev);
	cluster_run(c, 60000);
	assert_int_equal(c->proc[wide].moves, 0);
	assert_int_equal(c->proc[narrow].node, 1);
	cluster_free(c);
}

static uint32_t expected_at(struct cluster *c, const char *node)
{
	struct policy_node_view v;

	assert_true(policy_node_find(c->node[0].policy, node, &v));
	return v.expected_milli;
}

static void a_move_counts_until_the_target_has_spoken(void **state)
{
	struct cluster *c = two_nodes();
	struct policy_event ev = {.type = POLICY_EV_MOVE_STARTED}, heard = {.type = POLICY_EV_ENTRY};
	unsigned a = cluster_proc(c, 0);

	c->proc[a].flags = 0; /* moved by hand */
	cluster_run(c, 3000);
	ev.move.id = cluster_id(c, a, 0);
	snprintf(ev.move.to, sizeof(ev.move.to), "n1");
	cluster_event(c, 0, &ev);
	assert_in_range(expected_at(c, "n1"), 900, 1000);
	assert_true(has_reason(c, a, POLICY_WHY_MOVING, ""));
	heard.entry = *policy_self(c->node[1].policy); /* not loaded */
	heard.entry.seq = 1000;
	cluster_event(c, 0, &heard);
	assert_in_range(expected_at(c, "n1"), 900, 1000); /* under way: news do not count */
	c->now += 1000000000;
	ev.type = POLICY_EV_MOVE_DONE;
	ev.move.ok = true;
	cluster_event(c, 0, &ev);
	c->now += 100000000;
	heard.entry.seq++;
	heard.entry.age_us = 500000; /* said before the end of the move */
	cluster_event(c, 0, &heard);
	assert_in_range(expected_at(c, "n1"), 900, 1000);
	heard.entry.seq++;
	heard.entry.age_us = 50000;
	cluster_event(c, 0, &heard);
	assert_int_equal(expected_at(c, "n1"), 0);
	cluster_free(c);
}

/* ---- admission ------------------------------------------------------------------------------------------- */

static const struct policy_action *offer(struct cluster *c, uint64_t mig, uint64_t bytes, bool automatic)
{
	struct policy_event ev = {.type = POLICY_EV_GUEST_OFFER};

	ev.offer.mig = mig;
	ev.offer.bytes = bytes;
	ev.offer.features_ok = true;
	ev.offer.automatic = automatic;
	snprintf(ev.offer.from, sizeof(ev.offer.from), "n0");
	cluster_event(c, 1, &ev);
	assert_int_equal(c->act.n, 1);
	assert_int_equal(c->act.a[0].type, POLICY_DO_ADMIT);
	assert_int_equal(c->act.a[0].admit.mig, mig);
	return &c->act.a[0];
}

static void a_promise_counts_at_once(void **state)
{
	struct cluster *c = two_nodes();
	struct policy_event ev = {.type = POLICY_EV_GUEST_DONE};
	uint64_t mem_free;

	cluster_run(c, 5000);
	mem_free = policy_self(c->node[1].policy)->mem_free;
	assert_true(offer(c, 1, 8 * GIB, false)->admit.accept);
	assert_int_equal(policy_self(c->node[1].policy)->export_milli, 1000);
	assert_int_equal(policy_self(c->node[1].policy)->load_milli, 0);
	/* the others hear of it: who looks for room finds less */
	assert_int_equal(policy_self(c->node[1].policy)->mem_free, mem_free - 8 * GIB);
	assert_int_equal(offer(c, 2, 8 * GIB, false)->admit.why, POLICY_WHY_NODE_MEMORY);
	/* another automatic one: 1 + 1.3 here, nothing known to run at n0 */
	assert_int_equal(offer(c, 3, MIB, true)->admit.why, POLICY_WHY_CROWDED);
	assert_true(offer(c, 4, MIB, false)->admit.accept); /* a person may */
	ev.guest.mig = 1;
	cluster_event(c, 1, &ev); /* not ok */
	ev.guest.mig = 4;
	cluster_event(c, 1, &ev);
	assert_int_equal(policy_self(c->node[1].policy)->export_milli, 0);
	assert_int_equal(policy_self(c->node[1].policy)->mem_free, mem_free);
	assert_true(offer(c, 5, 8 * GIB, true)->admit.accept);
	/* one that never comes is forgotten */
	cluster_run(c, 31000);
	assert_int_equal(policy_self(c->node[1].policy)->export_milli, 0);
	ev.guest.mig = 5;
	ev.now_ns = c->now;
	assert_int_equal(policy_step(c->node[1].policy, &ev, &c->act), -ENOENT);
	cluster_free(c);
}

static void refusals_name_their_reason(void **state)
{
	struct cluster *c = two_nodes();
	struct policy_event ev = {.type = POLICY_EV_ADMIN}, of = {.type = POLICY_EV_GUEST_OFFER};

	cluster_run(c, 5000);
	ev.admin.op = POLICY_ADMIN_BLOCK;
	cluster_event(c, 1, &ev);
	assert_int_equal(offer(c, 1, MIB, false)->admit.why, POLICY_WHY_NODE_BLOCKED);
	of.offer.mig = 2;
	of.offer.features_ok = of.offer.returning = true;
	cluster_event(c, 1, &of);
	assert_true(c->act.a[0].admit.accept); /* its own process comes home all the same */
	of.offer.mig = 3;
	of.offer.features_ok = false;
	cluster_event(c, 1, &of);
	assert_int_equal(c->act.a[0].admit.why, POLICY_WHY_FEATURES);
	ev.admin.op = POLICY_ADMIN_UNBLOCK;
	cluster_event(c, 1, &ev);
	ev.type = POLICY_EV_LEAVE;
	cluster_event(c, 1, &ev);
	assert_int_equal(offer(c, 4, MIB, false)->admit.why, POLICY_WHY_NODE_LEAVING);
	cluster_free(c);
}

/* ---- placement ------------------------------------------------------------------------------------------- */

static void placements_spread(void **state)
{
	struct cluster *c = cluster_new();
	struct policy_event ev = {.type = POLICY_EV_PLACE};
	unsigned i, n[4] = {0};

	for (i = 0; i < 4; i++)
		(void)cluster_node(c, 1000, 10000);
	cluster_start(c);
	cluster_run(c, 5000);
	for (i = 0; i < 12; i++) {
		ev.place.token = i;
		cluster_event(c, 0, &ev);
		assert_int_equal(c->act.n, 1);
		assert_int_equal(c->act.a[0].place.token, i);
		n[c->act.a[0].place.to[1] - '0']++;
		assert_int_equal(c->act.a[0].place.to[0], 'n');
	}
	for (i = 0; i < 4; i++)
		assert_int_equal(n[i], 3); /* as if each picked one worked already */
	cluster_run(c, 5000); /* the reservations end */
	ev.place.not_here = true;
	cluster_event(c, 0, &ev);
	assert_string_not_equal(c->act.a[0].place.to, "n0");
	ev.place.bytes = 1000 * GIB;
	cluster_event(c, 0, &ev);
	assert_string_equal(c->act.a[0].place.to, "");
	cluster_free(c);
}

static void a_silent_node_is_better_than_none_for_a_placement(void **state)
{
	struct cluster *c = two_nodes();
	struct policy_event ev = {.type = POLICY_EV_PLACE};
	struct policy_node_view v;

	cluster_run(c, 5000);
	c->node[1].group = 1;
	cluster_run(c, 5000);
	assert_true(policy_node_find(c->node[0].policy, "n1", &v));
	assert_int_equal(v.health, POLICY_SUSPECT);
	ev.place.not_here = true;
	cluster_event(c, 0, &ev);
	assert_string_equal(c->act.a[0].place.to, "n1");
	ev.place.not_here = false;
	cluster_event(c, 0, &ev);
	assert_string_equal(c->act.a[0].place.to, "n0");
	cluster_run(c, 10000); /* dead */
	ev.place.not_here = true;
	cluster_event(c, 0, &ev);
	assert_string_equal(c->act.a[0].place.to, "");
	cluster_free(c);
}

static void luck_decides_among_equals(void **state)
{
	unsigned chosen[9] = {0}, kinds = 0, seed, i;

	for (seed = 0; seed < 30; seed++) {
		struct cluster *c = cluster_new();
		struct policy_event ev = {.type = POLICY_EV_PLACE};

		for (i = 0; i < 9; i++)
			c->node[cluster_node(c, 1000, 10000)].config.seed += seed * 1000;
		cluster_start(c);
		cluster_run(c, 10000);
		ev.place.not_here = true;
		cluster_event(c, 0, &ev);
		chosen[c->act.a[0].place.to[1] - '0']++;
		cluster_free(c);
	}
	assert_int_equal(chosen[0], 0);
	for (i = 1; i < 9; i++)
		kinds += chosen[i] > 0;
	assert_in_range(kinds, 6, 8);
}

static void the_best_node_is_asked_for(void **state)
{
	struct cluster *c = cluster_new();
	char best[POLICY_NAME_MAX + 1];
	unsigned i;

	for (i = 0; i < 3; i++)
		(void)cluster_node(c, 1000, i == 2 ? 20000 : 10000);
	cluster_start(c);
	for (i = 0; i < 2; i++)
		c->proc[cluster_proc(c, 0)].flags = 0;
	cluster_run(c, 3000);
	assert_true(policy_best(c->node[0].policy, "n0", 1000, 0, best));
	assert_string_equal(best, "n2");
	assert_false(policy_best(c->node[0].policy, "n2", 1000, 0, best)); /* it is there already */
	assert_true(policy_best(c->node[0].policy, "n1", 1000, 0, best));
	assert_string_equal(best, "n2");
	assert_false(policy_best(c->node[1].policy, "n1", 1000, 1ULL << 50, best)); /* nobody has that much memory */
	cluster_free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(processes_that_may_not_move_stay),
	    cmocka_unit_test(idle_young_and_new_ones_stay),
	    cmocka_unit_test(the_older_process_goes),
	    cmocka_unit_test(a_move_that_costs_more_than_it_saves_is_not_made),
	    cmocka_unit_test(forwarded_calls_keep_a_process_home),
	    cmocka_unit_test(a_process_is_treated_as_its_user_says),
	    cmocka_unit_test(a_calling_guest_returns_when_home_is_free),
	    cmocka_unit_test(short_memory_at_the_target_vetoes),
	    cmocka_unit_test(a_node_without_memory_sends_a_process_whatever_the_load),
	    cmocka_unit_test(signs_of_paging_send_a_process),
	    cmocka_unit_test(falling_memory_sends_a_process_in_time),
	    cmocka_unit_test(what_was_promised_to_one_is_not_given_to_another),
	    cmocka_unit_test(why_and_decisions_agree),
	    cmocka_unit_test(why_names_the_better_one),
	    cmocka_unit_test(a_lone_process_is_told_that_its_node_is_not_loaded),
	    cmocka_unit_test(a_move_never_turns_the_pair_round),
	    cmocka_unit_test(a_move_counts_until_the_target_has_spoken),
	    cmocka_unit_test(a_promise_counts_at_once),
	    cmocka_unit_test(refusals_name_their_reason),
	    cmocka_unit_test(placements_spread),
	    cmocka_unit_test(a_silent_node_is_better_than_none_for_a_placement),
	    cmocka_unit_test(luck_decides_among_equals),
	    cmocka_unit_test(the_best_node_is_asked_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
