/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The opportunity-cost algorithm: what a process costs on a node, in one currency for CPU, memory and calls to home.
 * Promise: integers only, the same result everywhere; limits on when a process may move are those of judge.c. Must
 * not: decide by itself; `algorithm` chooses between this and the classic rules.
 * Reference: Amir, Awerbuch, Barak, Borgstrom, Keren 2000: a resource used to the part u of what there is costs n^u in
 * a cluster of n nodes. Of CPU there is no most; the least power of two above the highest load known stands for it.
 */
#include "internal.h"

#define PART_ONE 1000000 /* of a resource, in millionths */
#define PART_MAX (2 * PART_ONE) /* a machine that swaps uses more than there is */
#define DEAREST (1ULL << 56) /* Q20; two of them are still a number */
#define STEPS 64 /* of the table, for the factor 2 */
#define LOAD_CREDIBLE 64000 /* processes for each CPU, milli: a neighbour that claims more does not raise the limit */

/* 2^(i/64), Q30. Between two of them the chord is too high by (ln 2 / 64)^2 / 8 = 1.5e-5 at most. */
static const uint32_t powers[STEPS + 1] = {
    1073741824, 1085434106, 1097253708, 1109202018, 1121280436, 1133490379, 1145833280, 1158310587, 1170923762,
    1183674286, 1196563654, 1209593378, 1222764986, 1236080024, 1249540052, 1263146652, 1276901417, 1290805962,
    1304861917, 1319070932, 1333434672, 1347954824, 1362633090, 1377471191, 1392470869, 1407633882, 1422962010,
    1438457051, 1454120821, 1469955159, 1485961921, 1502142985, 1518500250, 1535035634, 1551751076, 1568648537,
    1585730000, 1602997467, 1620452965, 1638098541, 1655936265, 1673968228, 1692196547, 1710623359, 1729250827,
    1748081133, 1767116489, 1786359126, 1805811301, 1825475297, 1845353420, 1865448001, 1885761398, 1906295993,
    1927054196, 1948038440, 1969251188, 1990694927, 2012372174, 2034285470, 2056437387, 2078830522, 2101467502,
    2124350982, 2147483648};

static uint64_t power(uint64_t log2, uint32_t x)
{
	uint64_t e = log2 * x / PART_ONE, fraction,
		 value; /* log2 of the result, Q32: below 2^37 * 2^21 before the division */
	uint32_t step;

	step = (uint32_t)(e >> 26) % STEPS;
	fraction = e & ((1U << 26) - 1);
	value = powers[step] + (((uint64_t)(powers[step + 1] - powers[step]) * fraction) >> 26);
	e >>= 32;
	return e >= 10 ? value << (e - 10) : value >> (10 - e);
}

uint64_t policy_power(uint32_t n, uint32_t x_millionths)
{
	n = n < 2 ? 2 : n > 1 << 17 ? 1 << 17 : n;
	return power(policy_log2(n), x_millionths < PART_MAX ? x_millionths : PART_MAX);
}

static uint32_t part_of(uint64_t used, uint64_t most)
{
	while (used >> 40) { /* so that the product fits */
		used >>= 10;
		most >>= 10;
	}
	if (!most || used >= 2 * most)
		return PART_MAX;
	return (uint32_t)(used * PART_ONE / most);
}

/* What more costs, of a resource of which so much is used. Where the scale ends nothing is cheap. */
static uint64_t price(const struct policy *p, uint64_t used, uint64_t more, uint64_t most)
{
	if (used >= 2 * most)
		return DEAREST;
	return power(p->econ_log2, part_of(used + more, most)) - power(p->econ_log2, part_of(used, most));
}

/* What is on its way there included. */
static uint64_t load_of(const struct hot *h)
{
	return (uint64_t)h->export_milli + (uint64_t)h->one_milli * h->out_milli / 1000;
}

/* Also between two ticks, as placements come in. */
void economic_prepare(struct policy *p, uint32_t first)
{
	uint32_t limit = 1024, i, n = p->n_alive < LOOK_MAX ? p->n_alive : LOOK_MAX;
	uint64_t highest = 0, load;

	for (i = 0; i < n; i++) {
		load = load_of(&p->hot[p->alive[(first + i) % p->n_alive]]);
		highest = load > highest ? load : highest;
	}

	if (highest > LOAD_CREDIBLE)
		highest = LOAD_CREDIBLE;
	if (highest < p->self.export_milli)
		highest = p->self.export_milli;
	while (limit <= highest && limit < 1U << 30)
		limit *= 2;
	p->econ_limit = limit;
	p->econ_log2 = policy_log2(p->n_alive + 1 > 2 ? p->n_alive + 1 : 2);
}

/* Memory that is not free counts as used. */
uint64_t economic_cost(const struct policy *p, const struct hot *h, uint64_t bytes, uint64_t demand_milli)
{
	const struct policy_node *e = &p->node[h - p->hot];

	return price(p, load_of(h), h->one_milli * demand_milli / 1000, p->econ_limit) +
	       price(p, e->mem_total - e->mem_free + h->out_bytes, bytes, e->mem_total);
}

/* Of one more process on this node. */
uint64_t economic_cost_new(const struct policy *p, uint64_t bytes)
{
	return price(p, p->self.export_milli, p->own_one, p->econ_limit) +
	       price(p, p->self.mem_total - p->self.mem_free, bytes, p->self.mem_total);
}

/* Of one that runs here: what would be saved without it. */
static uint64_t cost_here(const struct policy *p, const struct here *here, uint64_t bytes, uint64_t demand_milli)
{
	uint64_t load = here->load < here->load_last ? here->load : here->load_last;
	uint64_t own = p->own_one * demand_milli / 1000, used = p->self.mem_total - p->self.mem_free;

	own = own < load ? own : load;
	bytes = bytes < used ? bytes : used;
	return price(p, load - own, own, p->econ_limit) + price(p, used - bytes, bytes, p->self.mem_total);
}

/* Of the link to its home: the part of each second that forwarded calls take. */
static uint64_t cost_calls(const struct policy *p, const struct proc *pr)
{
	if (pr->last.flags & POLICY_PROC_CPU)
		return 0;
	return price(p, 0, (uint64_t)pr->last.calls * p->par.call_us, 1000000);
}

/* The cost must fall by hysteresis_percent. The process that lowers it most is the one to be sent. */
bool economic_gains(const struct policy *p, const struct here *here, const struct proc *pr, const struct hot *h,
		    bool to_home, struct verdict *ret)
{
	uint64_t demand = pr->last.demand_milli, bytes = pr->last.rss, calls = cost_calls(p, pr);
	uint64_t stay = cost_here(p, here, bytes, demand) + (pr->home_hash ? calls : 0);
	uint64_t go = economic_cost(p, h, bytes, demand) + (to_home ? 0 : calls);

	ret->value = (int64_t)go;
	ret->threshold = (int64_t)(stay * 100 / (100 + p->par.hysteresis_percent));
	ret->score = (int64_t)(stay - go);
	return go < stay && go * (100 + p->par.hysteresis_percent) < stay * 100;
}
