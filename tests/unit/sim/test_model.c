/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Queue, luck and processor sharing against what is known in closed form.
 * Must not: depend on the policy; all runs are without daemons.
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

static void near(double is, double should, double part)
{
	if (!(fabs(is - should) <= part * fabs(should)))
		fail_msg("%g instead of %g", is, should);
}

static void queue_is_ordered(void **state)
{
	struct luck l = luck_of(1, 1);
	struct queue q = {.n = 0};
	struct event e, last = {.time = 0};
	unsigned i;

	(void)state;
	for (i = 0; i < 10000; i++)
		assert_int_equal(queue_put(&q, (struct event){.time = luck_below(&l, 1000), .a = i}), 0);
	for (i = 0; i < 10000; i++) {
		assert_true(queue_take(&q, &e));
		if (i)
			assert_true(e.time > last.time || (e.time == last.time && e.a > last.a));
		last = e;
		if (i % 4 == 0) /* also while it empties */
			assert_int_equal(queue_put(&q, (struct event){.time = e.time + 1, .a = 20000 + i}), 0);
	}
	assert_int_equal(q.n, 2500);
	queue_release(&q);
}

static void laws_have_their_means(void **state)
{
	static const struct sim_value laws[] = {
	    {.word = SIM_EXPONENTIAL, .p = {{5, 5}}},
	    {.word = SIM_UNIFORM, .p = {{2, 2}, {4, 4}}},
	    {.word = SIM_PARETO, .p = {{1, 1}, {1, 1}, {100, 100}}},
	    {.word = SIM_PARETO, .p = {{1.5, 1.5}, {2, 2}, {50, 50}}},
	};
	struct luck l = luck_of(3, 1);
	unsigned i, k;

	(void)state;
	near(law_mean(&laws[2]), 100.0 / 99 * log(100), 1e-9);
	for (i = 0; i < ARRAY_SIZE(laws); i++) {
		double sum = 0;

		for (k = 0; k < 200000; k++)
			sum += luck_draw(&l, &laws[i]);
		near(sum / 200000, law_mean(&laws[i]), 0.02);
	}
}

static void one_job_takes_its_work(void **state)
{
	struct sim_result r = run("[nodes]\n[jobs]\nwork = 7\n", "none", 1);

	(void)state;
	near(r.makespan_s, 7, 1e-6);
	near(r.mean_slowdown, 1, 1e-6);
	sim_result_release(&r);
	r = run("[nodes]\nspeed = 5000\ncpus = 4\n[jobs]\nwork = 7\n", "none", 1); /* it has one CPU, and a slow one */
	near(r.mean_slowdown, 2, 1e-6);
	sim_result_release(&r);
	r = run("[nodes]\ncpus = 0.25\n[jobs]\nwork = 7\n", "none", 1);
	near(r.mean_slowdown, 4, 1e-6);
	sim_result_release(&r);
}

static void jobs_share(void **state)
{
	struct sim_result r = run("[nodes]\ncpus = 2\n[jobs]\narrive = once 6\nwork = 5\n", "none", 1);

	(void)state;
	near(r.makespan_s, 15, 1e-6);
	sim_result_release(&r);
	/* 1 and 3 s at once: the short one ends at 2, the long one at 4 */
	r = run("[nodes]\n[jobs]\nwork = 1\n[jobs]\nwork = 3\n", "none", 1);
	near(r.mean_time_s, 3, 1e-6);
	near(r.makespan_s, 4, 1e-6);
	sim_result_release(&r);
	/* one more after 1 s: it has half of the CPU until the first ends at 3 */
	r = run("[nodes]\n[jobs]\nwork = 2\n[jobs]\narrive = every 1\nuntil_s = 1\nwork = 2\n", "none", 1);
	near(r.mean_time_s, (3.0 + 3.0) / 2, 1e-6);
	sim_result_release(&r);
}

/* Waits for calls away from home, and for memory, take no CPU: another job can have it. */
static void waits_take_no_cpu(void **state)
{
	struct sim_result r = {.jobs = 0};

	(void)state;
	/* 5000 calls of 100 us for each second: 0.5 s more; round robin sends the second job away from node 1 */
	r = run(
	    "[nodes]\ncount = 2\n[jobs]\narrive = once 2\nhome = 1\nwork = 10\ncalls = 5000\n[model]\nstart_ms = 0\n",
	    "round-robin", 1);
	near(r.mean_time_s, (10 + 15) / 2.0, 1e-6);
	sim_result_release(&r);
	/* memory for half of what is there: each second of work waits thrash * 1 = 10 s, and both share the CPU nearly
	 * free */
	r = run("[nodes]\nmemory = 100M\n[jobs]\narrive = once 2\nwork = 10\nmemory = 100M\n", "none", 1);
	near(r.makespan_s, 110, 1e-6);
	sim_result_release(&r);
}

/* M/M/1 with processor sharing, and by insensitivity also with other laws: T = x / (1 - load) for work x. */
static void shares_as_theory_has_it(void **state)
{
	struct sim_result r = run(
	    "[run]\nduration_s = 200000\n[nodes]\n[jobs]\narrive = load 0.6\nwork = exponential 1\n", "none", 3);

	(void)state;
	near(r.mean_slowdown, 2.5, 0.05);
	near(r.mean_time_s, 2.5, 0.05);
	near(r.utilisation, 60, 0.03);
	sim_result_release(&r);
	r = run("[run]\nduration_s = 400000\n[nodes]\n[jobs]\narrive = load 0.5\nwork = pareto 1.5 1 100\n", "none", 4);
	near(r.mean_slowdown, 2, 0.05);
	sim_result_release(&r);
}

static void least_loaded_is_least(void **state)
{
	struct sim_result r = run("[nodes]\ncount = 3\n[nodes]\nspeed = 20000\n[jobs]\narrive = once 5\nwork = 10\n"
				  "[model]\nstart_ms = 0\n",
				  "least-loaded", 1);

	(void)state;
	/* two on the fast one (10 s both), one on each of the others */
	near(r.mean_time_s, 10, 1e-6);
	sim_result_release(&r);
}

/* No strategy is below the bound; and one job after the other on one node, shortest first, is just at it. */
static void bound_is_one(void **state)
{
	static const char *const names[] = {"none", "round-robin", "least-loaded", "one-machine"};
	struct sim_result r = {.jobs = 0};
	unsigned i, seed;

	(void)state;
	for (seed = 1; seed <= 10; seed++)
		for (i = 0; i < ARRAY_SIZE(names); i++) {
			r = run("[run]\nduration_s = 200\n[nodes]\ncount = 4..8\nspeed = uniform 5000 20000\n[jobs]\n"
				"arrive = load 0.5..1.5\nwork = pareto 1 1 100\n",
				names[i], seed);
			assert_true(r.bound_slowdown > 0 && r.mean_slowdown >= r.bound_slowdown);
			sim_result_release(&r);
		}
	/* 10 equal jobs one after the other: slowdowns 1 .. 10 on average 5.5, of which the bound has M + 1/2 */
	r = run("[nodes]\n[jobs]\narrive = once 10\nwork = 3\n", "none", 1);
	near(r.bound_slowdown, 5.5, 1e-6);
	sim_result_release(&r);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(queue_is_ordered),       cmocka_unit_test(laws_have_their_means),
	    cmocka_unit_test(one_job_takes_its_work), cmocka_unit_test(jobs_share),
	    cmocka_unit_test(waits_take_no_cpu),      cmocka_unit_test(shares_as_theory_has_it),
	    cmocka_unit_test(least_loaded_is_least),  cmocka_unit_test(bound_is_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
