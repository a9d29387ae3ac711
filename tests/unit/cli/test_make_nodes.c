/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many recipes a node may have, and which is best: src/cli/make_nodes.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "cli/client.h"
#include "cli/make.h"

#define S NSEC_PER_SEC

static json_t *node(const char *name, bool self, double cpus, double load)
{
	return json_pack("{s:s, s:b, s:s, s:f, s:i, s:f, s:b}", "name", name, "self", self, "state", "up", "cpus", cpus,
			 "speed", 10000, "load", load, "blocked", 0);
}

/* Two nodes with these loads for each CPU, of which the first, with one CPU, is this one; the other has four. */
static void update(struct make_nodes *all, double here, double there, uint64_t now)
{
	_cleanup_json_ json_t *reply = json_pack("{s:[o,o]}", "nodes", node("n2", false, 4, there),
						 node("n1", true, 1, here));

	assert_non_null(reply);
	make_nodes_update(all, reply, now);
	assert_int_equal(all->n, 2);
	assert_string_equal(all->list[0].name, "n1");
}

static void test_alone(void **state)
{
	struct make_nodes all;

	assert_int_equal(make_nodes_init(&all, 2), 0);
	assert_int_equal(all.list[0].slots, 2);
	assert_int_equal(make_nodes_choose(&all, false, S), 0);
	make_nodes_begin(&all, 0, S);
	make_nodes_begin(&all, 0, S);
	assert_int_equal(make_nodes_choose(&all, false, S), -1);
	make_nodes_end(&all, 0, S);
	assert_int_equal(make_nodes_choose(&all, false, S), 0);
	make_nodes_release(&all);
}

static void test_slots(void **state)
{
	struct make_nodes all;

	assert_int_equal(make_nodes_init(&all, 1), 0);
	update(&all, 0, 0, S);
	assert_int_equal(all.list[1].slots, 4);
	assert_int_equal(make_nodes_choose(&all, false, S), 1); /* one of four is less than one of one */
	assert_int_equal(make_nodes_choose(&all, true, S), 0);
	/* others use three of its CPUs, and all of ours: one place is left everywhere */
	for (uint64_t t = 2; t < 6; t++)
		update(&all, 1.5, 0.75, t * S);
	assert_int_equal(all.list[0].slots, 1);
	assert_int_equal(all.list[1].slots, 1);
	for (uint64_t t = 6; t < 10; t++)
		update(&all, 1, 1.2, t * S);
	assert_int_equal(all.list[1].slots, 0);
	assert_int_equal(make_nodes_choose(&all, false, 10 * S), 0);
	make_nodes_forget(&all);
	assert_int_equal(all.list[1].slots, 0);
	make_nodes_release(&all);
}

/* What is ours does not count as others', also when it has ended and the load has not noticed yet. */
static void test_own_load(void **state)
{
	struct make_nodes all;

	assert_int_equal(make_nodes_init(&all, 1), 0);
	update(&all, 0, 0, S);
	for (int i = 0; i < 4; i++)
		make_nodes_begin(&all, 1, S);
	update(&all, 0, 1, 3 * S);
	assert_int_equal(all.list[1].slots, 4);
	for (int i = 0; i < 4; i++)
		make_nodes_end(&all, 1, 3 * S);
	update(&all, 0, 1, 5 * S);
	assert_int_equal(all.list[1].slots, 4);
	update(&all, 0, 1, 7 * S);
	update(&all, 0, 1, 9 * S);
	assert_int_equal(all.list[1].slots, 0); /* by now it is another's */
	make_nodes_release(&all);
}

static void test_failed(void **state)
{
	struct make_nodes all;
	uint64_t now = 2 * S;

	assert_int_equal(make_nodes_init(&all, 1), 0);
	update(&all, 0, 0, S);
	assert_false(make_nodes_failed(&all, 0, now)); /* this one is always there */
	assert_true(make_nodes_failed(&all, 1, now));
	assert_false(make_nodes_failed(&all, 1, now)); /* told once */
	assert_int_equal(make_nodes_choose(&all, false, now), 0);
	now = all.list[1].until_ns;
	assert_int_equal(now, 7 * S);
	assert_int_equal(make_nodes_choose(&all, false, now), 1);
	assert_true(make_nodes_failed(&all, 1, now));
	assert_int_equal(all.list[1].until_ns - now, 10 * S);
	for (int i = 0; i < 20; i++)
		(void)make_nodes_failed(&all, 1, now = all.list[1].until_ns);
	assert_int_equal(all.list[1].until_ns - now, 320 * S);
	make_nodes_release(&all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_alone),
	    cmocka_unit_test(test_slots),
	    cmocka_unit_test(test_own_load),
	    cmocka_unit_test(test_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
