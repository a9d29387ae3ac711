/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same events give the same actions; random events of every kind never break a promise of policy.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "policy/policy.h"

static uint64_t luck;

static uint64_t rnd(void)
{
	luck ^= luck << 13;
	luck ^= luck >> 7;
	luck ^= luck << 17;
	return luck;
}

static struct policy_config config(void)
{
	struct policy_config c = {.name = "me",
				  .address = "a",
				  .version = "1",
				  .port = 7117,
				  .incarnation = 5,
				  .seed = 9,
				  .cpus_milli = 2000,
				  .speed = 10000,
				  .mem_total = 1ULL << 34};

	policy_params_init(&c.params);
	return c;
}

static struct policy *make(void)
{
	const struct policy_limits lim = {.nodes = 8, .processes = 8}; /* small, so that they are reached */
	struct policy_config c = config();
	struct policy *p;

	assert_int_equal(policy_new(&lim, &c, 1000000000ULL, &p), 0);
	return p;
}

/* A number with a taste for the edges. */
static uint64_t number(void)
{
	static const uint64_t edges[] = {0, 1, 999, 1000, 10000, UINT32_MAX, INT64_MAX, UINT64_MAX - 1, UINT64_MAX};

	return rnd() % 3 ? rnd() >> (rnd() % 64) : edges[rnd() % ARRAY_SIZE(edges)];
}

static void name(char *s)
{
	switch (rnd() % 12) {
	case 0:
		strcpy(s, "me");
		break;
	case 1:
		s[0] = 0;
		break;
	case 2:
		memset(s, 'x', POLICY_NAME_MAX + 1);
		break;
	default:
		snprintf(s, 8, "n%u", (unsigned)(rnd() % 12));
	}
}

static void id(struct policy_id *i)
{
	if (rnd() % 2)
		name(i->home);
	i->pid = rnd() % 8 ? (int64_t)(rnd() % 12) + 1 : (int64_t)number();
	i->start_time = rnd() % 4 ? 1 : number();
}

static void random_node(struct policy_node *e)
{
	name(e->name);
	strcpy(e->address, "b");
	e->incarnation = rnd() % 4 ? 1 + rnd() % 3 : number();
	e->seq = rnd() % 4 ? rnd() % 1000 : number();
	e->age_us = rnd() % 4 ? rnd() % 20000000 : number();
	e->state = rnd() % 4 ? POLICY_UP : (uint32_t)number();
	e->cpus_milli = rnd() % 4 ? 1000 : (uint32_t)number();
	e->speed = rnd() % 4 ? 10000 : (uint32_t)number();
	e->load_milli = (uint32_t)number();
	e->export_milli = rnd() % 2 ? 0 : (uint32_t)number();
	e->mem_total = rnd() % 4 ? 1ULL << 34 : number();
	e->mem_free = rnd() % 4 ? 1ULL << 33 : number();
}

static void random_process(struct policy_process *q)
{
	id(&q->id);
	q->flags = rnd() % 4 ? POLICY_PROC_FAMILY : (uint32_t)number();
	q->confined = rnd() % 8 ? 0 : (uint32_t)number();
	q->cpu_milli = rnd() % 2 ? 500 : (uint32_t)number();
	q->demand_milli = rnd() % 2 ? 1000 : (uint32_t)number();
	q->cpu_age_us = number();
	q->rss = rnd() % 2 ? 1 << 20 : number();
	q->arrived_ns = rnd() % 2 ? 0 : number();
	q->calls = rnd() % 2 ? 0 : (uint32_t)number();
}

static void random_event(struct policy_event *ev)
{
	memset(ev, 0, sizeof(*ev));
	ev->type = rnd() % 4 ? (enum policy_event_type)(rnd() % (POLICY_EV__MAX + 1)) : POLICY_EV_TICK;
	switch (ev->type) {
	case POLICY_EV_CONFIG:
		ev->config = config();
		if (rnd() % 2)
			ev->config.params.window = rnd() % 300;
		ev->config.cpus_milli = rnd() % 2 ? 4000 : (uint32_t)number();
		ev->config.speed = rnd() % 2 ? 10000 : (uint32_t)number();
		ev->config.mem_total = rnd() % 2 ? 1ULL << 34 : number();
		break;
	case POLICY_EV_SAMPLE:
		ev->sample.dt_ns = number();
		ev->sample.runnable_milli = rnd() % 2 ? 9000 : (uint32_t)number();
		ev->sample.mem_free = number();
		break;
	case POLICY_EV_PROCESS:
		random_process(&ev->process);
		break;
	case POLICY_EV_PROCESS_GONE:
		id(&ev->id);
		break;
	case POLICY_EV_ENTRY:
		random_node(&ev->entry);
		break;
	case POLICY_EV_MOVE_STARTED:
	case POLICY_EV_MOVE_DONE:
		id(&ev->move.id);
		name(ev->move.to);
		ev->move.ok = rnd() % 2;
		ev->move.target_fault = rnd() % 2;
		break;
	case POLICY_EV_GUEST_OFFER:
		ev->offer.mig = rnd() % 200;
		name(ev->offer.from);
		ev->offer.bytes = number();
		ev->offer.demand_milli = (uint32_t)number();
		ev->offer.features_ok = rnd() % 4;
		ev->offer.automatic = rnd() % 2;
		ev->offer.returning = rnd() % 8 == 0;
		break;
	case POLICY_EV_GUEST_DONE:
		ev->guest.mig = rnd() % 200;
		ev->guest.ok = rnd() % 2;
		break;
	case POLICY_EV_ADMIN:
		ev->admin.op = (enum policy_admin_op)(rnd() % (POLICY_ADMIN__MAX + 1));
		id(&ev->admin.id);
		break;
	case POLICY_EV_PEER_FAILED:
	case POLICY_EV_PEER_LEFT:
		name(ev->peer.name);
		break;
	case POLICY_EV_PLACE:
		ev->place.bytes = number();
		ev->place.not_here = rnd() % 2;
		break;
	case POLICY_EV_LEAVE:
		if (rnd() % 50) /* it ends most of what there is to test */
			ev->type = POLICY_EV_TICK;
		break;
	default:
		break;
	}
}

static void check_actions(const struct policy *p, const struct policy_actions *act, int r)
{
	struct policy_node_view v;
	unsigned i;

	assert_true(act->n <= POLICY_ACTIONS_MAX && act->n_window <= policy_params(p)->window);
	if (r < 0)
		assert_int_equal(act->n, 0);
	for (i = 0; i < act->n; i++) {
		const struct policy_action *a = &act->a[i];

		assert_in_range(a->type, 1, POLICY_DO__MAX - 1);
		if (a->type == POLICY_DO_MOVE) {
			assert_string_not_equal(a->move.to, "me");
			assert_string_not_equal(a->move.to, "");
			assert_true(a->move.home == (strcmp(a->move.to, a->move.id.home) == 0));
			if (!a->move.home) {
				assert_true(policy_node_find(p, a->move.to, &v));
				assert_int_equal(v.health, POLICY_ALIVE);
			}
		}
	}
	for (i = 0; i < act->n_window; i++)
		assert_true(act->window[i]->age_us < policy_params(p)->forget_ms * 1000ULL);
}

static void check_state(const struct policy *p)
{
	struct policy_node_view v;
	unsigned cursor = 0, n = 0;

	while (policy_node_next(p, &cursor, &v)) {
		n++;
		assert_in_range(v.health, POLICY_SELF, POLICY_DEAD);
		assert_true(v.node->export_milli <= POLICY_LOAD_MAX && v.node->mem_free <= v.node->mem_total);
		assert_true(v.expected_milli >= v.node->export_milli); /* nothing negative is on its way */
	}
	assert_in_range(n, 1, 9);
	assert_in_range(policy_self(p)->guests, 0, 8);
}

static void ask_why(const struct policy *p)
{
	struct policy_reason r[4];
	struct policy_id who = {0};
	int n;

	id(&who);
	n = policy_why(p, &who, r, 4);
	assert_true(n >= 0 || n == -ENOENT);
}

/* Two policies take the same events, one of them is asked questions in between. */
static void history(uint64_t seed)
{
	static struct policy_actions a, b;
	struct policy *p = make(), *q = make();
	struct policy_event ev;
	uint64_t now = 1000000000ULL;
	unsigned i, k;

	luck = seed;
	for (i = 0; i < 2000; i++) {
		int r;

		random_event(&ev);
		now += rnd() % 400000000;
		ev.now_ns = rnd() % 100 ? now : number() >> 2;
		memset(&a, 0, sizeof(a));
		memset(&b, 0, sizeof(b));
		r = policy_step(p, &ev, &a);
		ask_why(p);
		assert_int_equal(policy_step(q, &ev, &b), r);
		assert_int_equal(a.n, b.n);
		assert_memory_equal(a.a, b.a, sizeof(a.a));
		assert_int_equal(a.n_window, b.n_window);
		for (k = 0; k < a.n_window; k++)
			assert_memory_equal(a.window[k], b.window[k], sizeof(*a.window[k]));
		check_actions(p, &a, r);
		check_state(p);
	}
	policy_free(p);
	policy_free(q);
}

static void random_histories_replay_and_keep_the_promises(void **state)
{
	uint64_t seed;

	for (seed = 1; seed <= 150; seed++)
		history(seed * 0x9e3779b97f4a7c15ULL);
}

static void bad_configurations_are_refused(void **state)
{
	struct policy_limits lim = {.nodes = 8, .processes = 8};
	struct policy_config good = config(), c;
	struct policy *p = NULL;

	c = good;
	c.cpus_milli = 0;
	assert_int_equal(policy_new(&lim, &c, 0, &p), -EINVAL);
	c = good;
	c.name[0] = 0;
	assert_int_equal(policy_new(&lim, &c, 0, &p), -EINVAL);
	c = good;
	c.params.window = 0;
	assert_int_equal(policy_new(&lim, &c, 0, &p), -EINVAL);
	lim.nodes = 0;
	assert_int_equal(policy_new(&lim, &good, 0, &p), -EINVAL);
	lim.nodes = 100001;
	assert_int_equal(policy_new(&lim, &good, 0, &p), -EINVAL);
	assert_null(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_histories_replay_and_keep_the_promises),
	    cmocka_unit_test(bad_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
