/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The published formulas against their published or hand-computed values, and the table of parameters. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "policy/policy.h"

static void load_is_normalised(void **state)
{
	assert_int_equal(policy_load(1000, 1000, 10000), 1000);
	assert_int_equal(policy_load(1000, 2000, 10000), 500);
	assert_int_equal(policy_load(1000, 1000, 20000), 500);
	assert_int_equal(policy_load(3000, 2000, 5000), 3000);
	assert_int_equal(policy_load(0, 4000, 10000), 0);
	assert_int_equal(policy_load(UINT64_MAX, 1, 1), POLICY_LOAD_MAX);
	assert_int_equal(policy_load(1000, 0, 0), POLICY_LOAD_MAX); /* nonsense, not a division by zero */
}

static void local_view_rises_slowly_and_falls_at_once(void **state)
{
	assert_int_equal(policy_decay_local(0, 8000), 3000);
	assert_int_equal(policy_decay_local(3000, 8000), 4875); /* (5*3000 + 3*8000) / 8 */
	assert_int_equal(policy_decay_local(4875, 1000), 1000);
	assert_int_equal(policy_decay_local(1000, 1000), 1000);
}

static void exported_view_rises_at_once_and_falls_slowly(void **state)
{
	assert_int_equal(policy_decay_export(0, 8000), 8000);
	assert_int_equal(policy_decay_export(8000, 0), 7000);
	assert_int_equal(policy_decay_export(7000, 1000), 6250); /* (7*7000 + 1000) / 8 */
	assert_int_equal(policy_decay_export(500, 500), 500);
}

/* Steps: average and greatest age, computed by hand from the formulas. */
static void gossip_ages_are_those_of_the_formulas(void **state)
{
	static const struct {
		uint32_t n, w, avg, max;
	} rows[] = {{32, 8, 5600, 15400},     {32, 16, 4500, 7700},    {100, 16, 8600, 31900},
		    {100, 32, 6300, 16000},   {256, 32, 11000, 48700}, {1000, 16, 65000, 467000},
		    {1000, 64, 19000, 117000}};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		uint64_t avg = policy_gossip_avg_age(rows[i].n, rows[i].w);
		uint64_t max = policy_gossip_max_age(rows[i].n, rows[i].w);

		/* the reference is given with two or three digits */
		assert_in_range(avg, rows[i].avg * 97ULL / 100, rows[i].avg * 103ULL / 100);
		assert_in_range(max, rows[i].max * 99ULL / 100, rows[i].max * 101ULL / 100);
	}
	assert_int_equal(policy_gossip_max_age(0, 16), 0);
	assert_int_equal(policy_gossip_max_age(1, 16), 0);
	assert_int_equal(policy_gossip_max_age(2, 16), 1000);
	assert_in_range(policy_gossip_max_age(3, 16), 1000, 1500);
	assert_in_range(policy_gossip_avg_age(UINT32_MAX, 1), 100000000, 10000000000); /* as for a million */
}

static void parameters_have_bounds(void **state)
{
	struct policy_params p, before;

	policy_params_init(&p);
	assert_int_equal(p.window, 16);
	assert_int_equal(p.act_percent, 150);
	assert_int_equal(p.stable_percent, 130);
	assert_int_equal(p.min_interval_ms, 900);
	assert_int_equal(policy_param_set(&p, "window", "32"), 0);
	assert_int_equal(p.window, 32);
	before = p;
	assert_int_equal(policy_param_set(&p, "window", "0"), -ERANGE);
	assert_int_equal(policy_param_set(&p, "window", "257"), -ERANGE);
	assert_int_equal(policy_param_set(&p, "window", "99999999999999999999999"), -ERANGE);
	assert_int_equal(policy_param_set(&p, "window", ""), -EINVAL);
	assert_int_equal(policy_param_set(&p, "window", "-1"), -EINVAL);
	assert_int_equal(policy_param_set(&p, "window", "1k"), -EINVAL);
	assert_int_equal(policy_param_set(&p, "windows", "1"), -ENOENT);
	assert_memory_equal(&p, &before, sizeof(p));
}

static void tables_are_complete(void **state)
{
	const struct policy_param_info *info;
	const struct policy_why_info *why;
	unsigned i;

	for (i = 0; (info = policy_param_at(i)); i++) {
		assert_true(info->min <= info->def && info->def <= info->max);
		assert_true(strlen(info->help) > 10 && *info->unit);
	}
	assert_int_equal(i, sizeof(struct policy_params) / sizeof(uint32_t));
	for (i = 0; (why = policy_why_info(i)); i++)
		assert_true(*why->sentence && *why->reason);
	assert_int_equal(i, POLICY_WHY__MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(load_is_normalised),
	    cmocka_unit_test(local_view_rises_slowly_and_falls_at_once),
	    cmocka_unit_test(exported_view_rises_at_once_and_falls_slowly),
	    cmocka_unit_test(gossip_ages_are_those_of_the_formulas),
	    cmocka_unit_test(parameters_have_bounds),
	    cmocka_unit_test(tables_are_complete),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
