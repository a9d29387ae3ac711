/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parser of scenarios: what it takes, and that whatever is wrong has a sentence with its line.
 * Must not: run a simulation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "sim/internal.h"

static struct sim_scenario s;

static void reads_everything(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(sim_scenario_parse("f",
					    "# a comment\n"
					    "[run]\n seed = 9 # another\n\r\n duration_s=100\n"
					    "[nodes]\ncount = 4..8\ncpus = uniform 1 4\nmemory = 2G\n"
					    "[nodes]\nspeed = fixed 20000\n"
					    "[jobs]\narrive = load 0.5..0.9\nhome = 3\nwork = pareto 1.5 1 100..200\n"
					    "[event]\nat_s = 5\ndie = 2\n"
					    "[policy]\nwindow = 32\n[network]\ndelay_ms = exponential 2\n",
					    &s, &e),
			 0);
	assert_int_equal(s.n_nodes, 2);
	assert_int_equal(s.n_jobs, 1);
	assert_int_equal(s.n_event, 1);
	assert_true(s.run.seed.p[0].low == 9);
	assert_true(s.nodes[0].count.p[0].low == 4 && s.nodes[0].count.p[0].high == 8);
	assert_true(s.nodes[0].memory.p[0].low == 2147483648.0);
	assert_int_equal(s.nodes[1].speed.word, SIM_FIXED);
	assert_int_equal(s.jobs[0].arrive.word, SIM_LOAD);
	assert_int_equal(s.jobs[0].work.word, SIM_PARETO);
	assert_true(s.jobs[0].work.p[2].high == 200);
	assert_int_equal(s.params.window, 32);
	assert_true(s.model.bandwidth_mib.p[0].low == 100); /* a default */
	assert_int_equal(sim_scenario_set(&s, "policy.window=64,network.loss_percent=5", &e), 0);
	assert_int_equal(s.params.window, 64);
	assert_true(s.network.loss_percent.p[0].low == 5);
	assert_int_equal(sim_scenario_set(&s, "jobs.work=7", &e), 0);
	assert_true(s.jobs[0].work.p[0].low == 7);
}

static void says_what_is_wrong(void **state)
{
	static const struct {
		const char *text, *sentence;
	} cases[] = {
	    {"", "f: there is no section [nodes]"},
	    {"count = 3", "f:1: count stands before the first [section]"},
	    {"[nodes]\n\n[gnodes]", "f:3: there is no section [gnodes]"},
	    {"[nodes", "f:1: a section is one word in brackets, alone on its line"},
	    {"[nodes] x", "f:1: a section is one word in brackets, alone on its line"},
	    {"[nodes]\nrabbits = 3", "f:2: [nodes] has no key rabbits"},
	    {"[nodes]\ncount", "f:2: neither a [section] nor KEY = VALUE"},
	    {"[nodes]\ncount = ", "f:2: count wants 1 number"},
	    {"[nodes]\ncount = many", "f:2: many is no number, and no range of two numbers, for count"},
	    {"[nodes]\ncount = 3 4", "f:2: 4 is one word too many for count"},
	    {"[nodes]\ncount = 0x10", "f:2: 0x10 is no number, and no range of two numbers, for count"},
	    {"[nodes]\ncount = 9..3", "f:2: 9..3 is no number, and no range of two numbers, for count"},
	    {"[nodes]\ncount = 1e6", "f:2: count must be from 1 to 100000"},
	    {"[nodes]\ncount = -1", "f:2: -1 is no number, and no range of two numbers, for count"},
	    {"[nodes]\ncpus = uniform 2", "f:2: cpus wants 2 numbers behind uniform"},
	    {"[nodes]\ncpus = uniform 4 2",
	     "f:2: the least of a law must be above 0 (pareto) and not above the greatest"},
	    {"[nodes]\ncount = uniform 4 5", "f:2: uniform is no number, and no range of two numbers, for count"},
	    {"[nodes]\n[jobs]\nwork = pareto 1 5", "f:3: work wants 3 numbers behind pareto"},
	    {"[nodes]\n[jobs]\nwork = pareto 0 1 5", "f:3: the exponent of a Pareto law must be from 0.01 to 100"},
	    {"[nodes]\n[jobs]\narrive = 5", "f:3: arrive begins with poisson, load, once or every"},
	    {"[nodes]\n[jobs]\narrive = poisson 0", "f:3: poisson wants a number above 0"},
	    {"[nodes]\n[jobs]\narrive = load 11", "f:3: load 1 is what the cluster can do; it may not be above 10"},
	    {"[nodes]\n[jobs]\nhome = none", "f:3: none is no number, and no range of two numbers, for home"},
	    {"[nodes]\n[policy]\nwindow = 999", "f:3: 999 is outside the bounds of the policy's window"},
	    {"[nodes]\n[policy]\nwindow = 3.5", "f:3: 3.5 is no whole number for the policy's window"},
	    {"[nodes]\n[policy]\nluck = 1", "f:3: the policy has no parameter luck"},
	    {"[nodes]\n[event]\nat_s = 3", "f: [event] 1 needs either die or join"},
	    {"[nodes]\n[event]\ndie = 1\njoin = 1", "f: [event] 1 needs either die or join"},
	    {"[nodes]\ncpus = nan", "f:2: nan is no number, and no range of two numbers, for cpus"},
	    {"[nodes]\ncpus = 1e999", "f:2: 1e999 is no number, and no range of two numbers, for cpus"},
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		struct err e = {0};

		assert_true(sim_scenario_parse("f", cases[i].text, &s, &e) < 0);
		assert_string_equal(e.text, cases[i].sentence);
	}
}

static void settings_are_checked(void **state)
{
	static const char *const bad[] = {
	    "",      "window=3",   "policy.window",     "nodes.count=3", "policy.window=0",
	    "x.y=1", "run.seed=x", "policy.window=16,", "run.rabbits=1"};
	struct err e = {0};
	size_t i;

	(void)state;
	assert_int_equal(sim_scenario_parse("f", "[nodes]\n[nodes]", &s, &e), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		e = (struct err){0};
		assert_true(sim_scenario_set(&s, bad[i], &e) < 0);
		assert_true(*e.text);
	}
}

/* Damaged files: a byte changed, a piece dropped or doubled. The answer is a scenario or a sentence. */
static void survives_damage(void **state)
{
	static const char good[] =
	    "[run]\nseed = 9\n[nodes]\ncount = 4..8\ncpus = uniform 1 4\n[jobs]\narrive = load 0.5\n"
	    "home = 3\nwork = pareto 1.5 1 100\n[event]\nat_s = 5\ndie = 2\n[policy]\nwindow = 32\n";
	const char *given = getenv("GODWIT_SEED");
	struct luck l = luck_of(given ? strtoull(given, NULL, 10) : 1, 1);
	unsigned i, taken = 0;

	(void)state;
	for (i = 0; i < 20000; i++) {
		char text[2 * sizeof(good)];
		size_t n = sizeof(good) - 1, at = luck_below(&l, (uint32_t)n), k = luck_below(&l, 12);
		struct err e = {0};

		memcpy(text, good, sizeof(good));
		if (at + k > n)
			k = n - at;
		if (i % 3 == 0) {
			text[at] = (char)(1 + luck_below(&l, 255));
		} else if (i % 3 == 1) {
			memmove(text + at, text + at + k, n - at - k + 1);
		} else {
			memmove(text + at + k, text + at, n - at + 1);
		}
		if (sim_scenario_parse("f", text, &s, &e) < 0)
			assert_true(strncmp(e.text, "f:", 2) == 0);
		else
			taken++;
	}
	assert_true(taken > 100 && taken < 19000); /* both happened */
}

static void draws_ranges_once(void **state)
{
	struct sim_scenario a, b;
	struct err e = {0};

	(void)state;
	assert_int_equal(sim_scenario_parse("f", "[nodes]\ncount = 10..90\n[jobs]\narrive = load 0.1..0.9\n", &s, &e),
			 0);
	a = b = s;
	scenario_draw(&a, 5);
	scenario_draw(&b, 5);
	assert_memory_equal(&a, &b, sizeof(a));
	assert_true(number(&a.nodes[0].count) > 10 && number(&a.nodes[0].count) < 90);
	scenario_draw(&b, 5); /* nothing is left to draw */
	assert_memory_equal(&a, &b, sizeof(a));
	b = s;
	scenario_draw(&b, 6);
	assert_true(number(&a.nodes[0].count) != number(&b.nodes[0].count));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(reads_everything),     cmocka_unit_test(says_what_is_wrong),
	    cmocka_unit_test(settings_are_checked), cmocka_unit_test(survives_damage),
	    cmocka_unit_test(draws_ranges_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
