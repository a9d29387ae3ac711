/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Recordings: those of real daemons are decided the same again, a difference is told, damage is no crash.
 * The files of the command line come from three nodes of a sandbox on which five busy jobs were started on n1; they
 * spread, n3 lost its power and came back. After a wanted change of the policy: godwit sim --replay --rewrite.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/file.h"
#include "policy/record.h"
#include "sim/internal.h"

#define FILES 3

static uint8_t *bytes[FILES];
static size_t size[FILES];
static struct policy_record rec;

static void decided_the_same(void **state)
{
	uint64_t moves = 0, steps = 0;
	unsigned i;

	(void)state;
	for (i = 0; i < FILES; i++) {
		struct sim_replay r;
		struct err e = {0};

		if (sim_replay(bytes[i], size[i], &r, &e) < 0)
			fail_msg("recording %u: %s", i + 1, e.text);
		assert_false(r.cut);
		assert_true(r.starts >= 1 && r.actions > 0);
		moves += r.moves;
		steps += r.steps;
	}
	assert_true(steps > 500 && moves >= 3); /* they are about something */
}

/* What is read and written again is the same, byte for byte: so nothing of an event is left out. */
static void comes_back_whole(void **state)
{
	uint8_t again[POLICY_RECORD_MAX + 4];
	unsigned i, n;

	(void)state;
	for (i = 0; i < FILES; i++) {
		size_t at = POLICY_RECORD_HEAD, used;

		for (n = 0; at < size[i]; n++, at += used) {
			assert_int_equal(policy_record_get(bytes[i] + at, size[i] - at, &rec, &used), 0);
			assert_int_equal(policy_record_put(&rec, again, sizeof(again)), used);
			assert_memory_equal(again, bytes[i] + at, used);
		}
		assert_true(n > 40);
	}
}

/* A recording that is the first one but for one record (or each start), which `change` spoils. */
static int replay_changed(void (*change)(struct policy_record *), enum policy_record_kind kind,
			  enum policy_action_type action, struct err *e)
{
	uint8_t *copy = malloc(size[0] + POLICY_RECORD_MAX);
	size_t at = POLICY_RECORD_HEAD, to = POLICY_RECORD_HEAD, used;
	bool changed = false;
	struct sim_replay r;
	unsigned i;
	int k;

	assert_non_null(copy);
	policy_record_head(copy);
	for (; at < size[0]; at += used) {
		bool it = false;

		assert_int_equal(policy_record_get(bytes[0] + at, size[0] - at, &rec, &used), 0);
		for (i = 0; i < rec.n; i++)
			it = it || rec.a[i].type == action;
		if ((!changed || kind == POLICY_RECORD_START) && rec.kind == kind &&
		    (it || kind != POLICY_RECORD_STEP)) {
			change(&rec);
			changed = true;
		}
		to += policy_record_put(&rec, copy + to, POLICY_RECORD_MAX);
	}
	assert_true(changed);
	k = sim_replay(copy, to, &r, e);
	free(copy);
	return k;
}

static void elsewhere(struct policy_record *r)
{
	unsigned i;

	for (i = 0; i < r->n; i++)
		if (r->a[i].type == POLICY_DO_MOVE)
			(void)snprintf(r->a[i].move.to, sizeof(r->a[i].move.to), "nowhere");
}

static void less(struct policy_record *r)
{
	r->n = 0;
}

static void other_result(struct policy_record *r)
{
	r->result = -ENOENT;
}

static void other_window(struct policy_record *r)
{
	r->window++;
}

static void other_rules(struct policy_record *r)
{
	r->event.config.params.act_percent = 1000;
}

static void tells_the_difference(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(replay_changed(elsewhere, POLICY_RECORD_STEP, POLICY_DO_MOVE, &e), -EILSEQ);
	assert_non_null(strstr(e.text, "(tick, after "));
	assert_non_null(strstr(e.text, "to nowhere"));
	assert_non_null(strstr(e.text, "is now: move process "));
	assert_int_equal(replay_changed(less, POLICY_RECORD_STEP, POLICY_DO_GOSSIP, &e), -EILSEQ);
	assert_non_null(strstr(e.text, "was: nothing more; is now: "));
	assert_int_equal(replay_changed(other_result, POLICY_RECORD_STEP, POLICY_DO_GOSSIP, &e), -EILSEQ);
	assert_non_null(strstr(e.text, "the result was -2 and is now 0"));
	assert_int_equal(replay_changed(other_window, POLICY_RECORD_STEP, POLICY_DO_GOSSIP, &e), -EILSEQ);
	assert_non_null(strstr(e.text, "but not the same"));
	assert_int_equal(replay_changed(other_window, POLICY_RECORD_WINDOW, POLICY_DO_GOSSIP, &e), -EILSEQ);
	assert_int_equal(replay_changed(other_rules, POLICY_RECORD_START, POLICY_DO_GOSSIP, &e), -EILSEQ);
	assert_non_null(strstr(e.text, "was: move process "));
}

static void refuses_what_is_none(void **state)
{
	uint8_t head[POLICY_RECORD_HEAD + 4] = {0};
	struct sim_replay r;
	struct err e = {0};

	(void)state;
	assert_int_equal(sim_replay(head, 0, &r, &e), -EBADMSG);
	assert_int_equal(sim_replay(head, sizeof(head), &r, &e), -EBADMSG);
	policy_record_head(head);
	assert_int_equal(sim_replay(head, POLICY_RECORD_HEAD, &r, &e), 0); /* a daemon that has not begun */
	head[8]++;
	assert_int_equal(sim_replay(head, POLICY_RECORD_HEAD, &r, &e), -EPROTONOSUPPORT);
	head[8]--;
	memset(head + POLICY_RECORD_HEAD, 0xff, 4); /* a record of 4 GiB */
	assert_int_equal(sim_replay(head, sizeof(head), &r, &e), -EBADMSG);
	assert_int_equal(sim_replay(bytes[2], size[2] - 5, &r, &e), 0);
	assert_true(r.cut);
}

static void survives_damage(void **state)
{
	const char *given = getenv("GODWIT_SEED");
	struct luck l = luck_of(given ? strtoull(given, NULL, 10) : 1, 2);
	uint8_t *copy = malloc(size[2]);
	unsigned i, k, bad = 0;

	(void)state;
	assert_non_null(copy);
	for (i = 0; i < 3000; i++) {
		size_t n = i % 4 ? size[2] : luck_below(&l, (uint32_t)size[2]);
		struct sim_replay r;
		struct err e = {0};

		memcpy(copy, bytes[2], size[2]);
		for (k = 0; k <= i % 3; k++)
			copy[luck_below(&l, (uint32_t)size[2])] = (uint8_t)luck_next(&l);
		if (sim_replay(copy, n, &r, &e) < 0) {
			bad++;
			assert_true(*e.text);
		}
	}
	assert_true(bad > 1000);
	free(copy);
}

int main(int argc, char **argv)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(decided_the_same),     cmocka_unit_test(comes_back_whole),
	    cmocka_unit_test(tells_the_difference), cmocka_unit_test(refuses_what_is_none),
	    cmocka_unit_test(survives_damage),
	};
	int i, r;

	if (argc != FILES + 1)
		return 2;
	for (i = 0; i < FILES; i++)
		if (file_read_all(argv[i + 1], 1 << 20, (char **)&bytes[i], &size[i]) < 0)
			return 2;
	r = cmocka_run_group_tests(tests, NULL, NULL);
	for (i = 0; i < FILES; i++)
		free(bytes[i]);
	return r;
}
