/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whole runs with the daemon's policy: the same twice, nothing lost, and what the policy promises.
 * Must not: hold a figure that luck decides; each promise has room.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "sim/internal.h"

static struct sim_result run(const char *text, const char *strategy, uint64_t seed)
{
	static struct sim_scenario s;
	struct err e = {0};
	struct sim_result r = {.jobs = 0};

	if (sim_scenario_parse("test", text, &s, &e) < 0 || sim_run(&s, sim_strategy_find(strategy), seed, &r, &e) < 0)
		fail_msg("%s", e.text);
	return r;
}

/* All that is printed of a run, as one text; the caller frees. */
static char *printed(const char *text, const char *strategy, uint64_t seed)
{
	struct sim_column c = {.how = sim_strategy_find(strategy), .result = run(text, strategy, seed)};
	char *ret = NULL;
	size_t n;
	FILE *f = open_memstream(&ret, &n);

	assert_non_null(f);
	sim_print_table(f, &c, 1);
	sim_print_csv(f, &c, 1, seed);
	sim_print_json(f, &c, 1, seed);
	sim_print_svg(f, &c, 1);
	(void)fclose(f);
	sim_result_release(&c.result);
	return ret;
}

static const char mixed[] =
    "[run]\nduration_s = 120\n[nodes]\ncount = 12\ncpus = uniform 1 4\nspeed = uniform 5000 15000\n"
    "memory = 4G\n[jobs]\narrive = load 0.7\nwork = pareto 1 1 60\nmemory = uniform 1M 400M\n"
    "calls = exponential 200\n[network]\nloss_percent = 3\ndelay_ms = exponential 5\n";

static void same_seed_same_bytes(void **state)
{
	char *a = printed(mixed, "policy", 7), *b = printed(mixed, "policy", 7), *c = printed(mixed, "policy", 8);

	(void)state;
	assert_string_equal(a, b);
	assert_string_not_equal(a, c);
	free(a);
	free(b);
	free(c);
}

static void no_job_is_lost(void **state)
{
	unsigned i, seed;

	(void)state;
	for (seed = 1; seed <= 5; seed++)
		for (i = 0; sim_strategy_at(i); i++) {
			struct sim_result r = run(mixed, sim_strategy_at(i)->name, seed);

			assert_true(r.jobs > 50);
			assert_true(r.ended == r.jobs && r.lost == 0 && r.unfinished == 0);
			assert_true(r.mean_slowdown >= r.bound_slowdown);
			sim_result_release(&r);
		}
}

/* A busy cluster and work of unknown length: moving is better than leaving it, and than dealing it out. */
static void policy_beats_static_ones(void **state)
{
	static const char text[] = "[run]\nduration_s = 400\n[nodes]\ncount = 16\n[jobs]\narrive = load 0.9\n"
				   "work = pareto 1 2 300\n";
	double none = 0, round = 0, moved = 0, policy = 0, ideal = 0;
	unsigned seed;

	(void)state;
	for (seed = 1; seed <= 5; seed++) {
		static const char *const names[] = {"none", "round-robin", "policy-move", "policy", "one-machine"};
		double *const sums[] = {&none, &round, &moved, &policy, &ideal};
		unsigned i;

		for (i = 0; i < ARRAY_SIZE(names); i++) {
			struct sim_result r = run(text, names[i], seed);

			*sums[i] += r.mean_slowdown;
			sim_result_release(&r);
		}
	}
	assert_true(moved < 0.75 * none);
	assert_true(moved < 0.95 * round);
	assert_true(policy < 0.75 * none);
	assert_true(moved < 2 * ideal);
}

/* A crowd on one of 32 nodes spreads, and nothing goes to and fro. */
static void crowd_spreads(void **state)
{
	struct sim_result r = run(
	    "[run]\nduration_s = 10\n[nodes]\ncount = 32\n[jobs]\narrive = once 64\nhome = 1\nwork = 60\n",
	    "policy-move", 2);

	(void)state;
	assert_true(r.makespan_s < 60 * 2 * 1.35); /* two for each node would be 120 s */
	assert_true(r.moves < 1.3);
	assert_true(r.wasted <= 5);
	sim_result_release(&r);
}

static void gossip_is_as_old_as_the_formula_says(void **state)
{
	static const struct {
		unsigned n, window, seconds;
	} cases[] = {{32, 16, 300}, {100, 32, 300}, {100, 16, 300}, {256, 32, 200}, {1000, 64, 250}};
	unsigned i, many = getenv("GODWIT_FULL") ? 5 : 4;

	(void)state;
	for (i = 0; i < many; i++) {
		char text[200];
		struct sim_result r;

		(void)snprintf(text, sizeof(text),
			       "[run]\nduration_s = %u\n[nodes]\ncount = %u\n[network]\nanswer = 0\ndelay_ms = 0\n"
			       "[policy]\nwindow = %u\npull_every = 0\n"
			       "suspect_ms = 600000\ndead_ms = 600000\n",
			       cases[i].seconds, cases[i].n, cases[i].window);
		r = run(text, "policy", 1);
		if (fabs(r.age_average / r.age_average_formula - 1) > 0.15 ||
		    fabs(r.age_greatest / r.age_greatest_formula - 1) > 0.20)
			fail_msg("%u nodes, window %u: ages %.2f and %.2f, by the formulas %.2f and %.2f", cases[i].n,
				 cases[i].window, r.age_average, r.age_greatest, r.age_average_formula,
				 r.age_greatest_formula);
		sim_result_release(&r);
	}
}

static void dead_nodes_are_avoided_and_new_ones_used(void **state)
{
	static const char text[] =
	    "[run]\nduration_s = 200\n[nodes]\ncount = 10\n[jobs]\narrive = load 0.9\nwork = exponential 8\n"
	    "[event]\nat_s = 50\ndie = 3\n[event]\nat_s = 60\njoin = 10\n";
	struct sim_result r = run(text, "policy", 4);

	(void)state;
	assert_true(r.lost > 0);
	assert_true(r.ended + r.lost == r.jobs && r.unfinished == 0);
	assert_true(r.death_avoid_s < 30);
	assert_true(r.join_work_s < 20);
	sim_result_release(&r);
}

static void gone_nodes_are_noticed_in_order(void **state)
{
	static const char text[] = "[run]\nduration_s = 200\n[nodes]\ncount = 32\n[event]\nat_s = 50\ndie = 3\n";
	struct sim_result r = run(text, "policy", 4);

	(void)state;
	assert_true(r.death_first_s > 1 && r.death_first_s < 12);
	assert_true(r.death_first_s < r.death_half_s && r.death_half_s <= r.death_all_s);
	assert_true(r.death_all_s < r.death_dead_s && r.death_dead_s < 60);
	sim_result_release(&r);
}

/* Who is slow itself is wrong about many, and is suspected; the others hardly suspect each other for that. */
static void slow_nodes_do_not_spoil_the_others(void **state)
{
	static const char text[] = "[run]\nduration_s = 300\n[nodes]\ncount = 64\n[model]\nslow_percent = 5\n";
	struct sim_result r = run(text, "policy", 2);

	(void)state;
	assert_true(r.false_suspicions > 20);
	assert_true(r.false_suspicions_well < r.false_suspicions / 10);
	sim_result_release(&r);
}

/* Each user at a machine of his own, with 8 to 52 jobs of the same kind. Luck is in the mean over the seeds. */
static void users_are_slowed_alike(void **state)
{
	static const unsigned jobs[] = {8, 12, 16, 24, 32, 52};
	double sum[ARRAY_SIZE(jobs)] = {0}, least = INFINITY, greatest = 0;
	char text[1000] = "[run]\nduration_s = 1\n[nodes]\ncount = 8\n";
	unsigned i, seed;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		size_t n = strlen(text);

		(void)snprintf(text + n, sizeof(text) - n,
			       "[jobs]\nuser = %u\nhome = %u\narrive = once %u\nwork = uniform 20 40\n", i + 1, i + 1,
			       jobs[i]);
	}
	for (seed = 1; seed <= 10; seed++) {
		struct sim_result r = run(text, "policy", seed);

		assert_true(r.ended == r.jobs);
		assert_true(r.unfairness < 1.3);
		for (i = 0; i < ARRAY_SIZE(jobs); i++)
			sum[i] += r.user_slowdown[i + 1];
		sim_result_release(&r);
	}
	for (i = 0; i < ARRAY_SIZE(jobs); i++) {
		least = fmin(least, sum[i]);
		greatest = fmax(greatest, sum[i]);
	}
	assert_true(greatest / least <= 1.1);
}

static void comparison_has_all(void **state)
{
	static struct sim_scenario s;
	struct sim_comparison c;
	struct err e = {0};
	unsigned k;

	(void)state;
	assert_int_equal(
	    sim_scenario_parse("test",
			       "[run]\nduration_s = 60\n[nodes]\ncount = 3..6\n[jobs]\narrive = load 0.4..1\n"
			       "work = pareto 1 1 30\n",
			       &s, &e),
	    0);
	assert_int_equal(sim_compare(&s, 5, 1, NULL, &c, &e), 0);
	assert_true(c.n >= 7 && c.jobs > 20);
	for (k = 0; k < c.n; k++)
		assert_true(c.slowdown[k] >= c.bound);
}

/* Those of docs/scenarios: each is understood, and with little work every job ends. */
static void shipped_scenarios_run(void **state)
{
	char **path = *state;
	static struct sim_scenario s;
	unsigned i, k;

	assert_non_null(*path);
	for (; *path; path++) {
		struct err e = {0};
		uint32_t nodes = 0;

		if (sim_scenario_read(*path, &s, &e) < 0)
			fail_msg("%s", e.text);
		for (i = 0; i < s.n_nodes; i++)
			nodes += (uint32_t)s.nodes[i].count.p[0].low;
		assert_int_equal(
		    sim_scenario_set(&s, getenv("GODWIT_FULL") ? "run.warmup_s=10" : "run.duration_s=20", &e), 0);
		for (k = 0; sim_strategy_at(k); k++) {
			struct sim_result r;

			if (nodes > 1000 && sim_strategy_has_daemons(sim_strategy_at(k)))
				continue; /* for minutes */
			if (sim_run(&s, sim_strategy_at(k), 1, &r, &e) < 0)
				fail_msg("%s, %s: %s", *path, sim_strategy_at(k)->name, e.text);
			assert_true((r.jobs > 0 || !s.n_jobs) && r.ended + r.lost == r.jobs);
			sim_result_release(&r);
		}
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(same_seed_same_bytes),
	    cmocka_unit_test(no_job_is_lost),
	    cmocka_unit_test(policy_beats_static_ones),
	    cmocka_unit_test(crowd_spreads),
	    cmocka_unit_test(gossip_is_as_old_as_the_formula_says),
	    cmocka_unit_test(dead_nodes_are_avoided_and_new_ones_used),
	    cmocka_unit_test(gone_nodes_are_noticed_in_order),
	    cmocka_unit_test(slow_nodes_do_not_spoil_the_others),
	    cmocka_unit_test(users_are_slowed_alike),
	    cmocka_unit_test(comparison_has_all),
	    cmocka_unit_test_prestate(shipped_scenarios_run, argv + 1),
	};

	(void)argc;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
