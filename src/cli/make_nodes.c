/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many recipes each node may have, and which node is best for the next one.
 * Promise: at least one at home, whatever happens; elsewhere only what is free there. Must not: ask anybody.
 *
 * The load that nodes tell of contains our own recipes, with the delay of its mean. So what ran of ours is kept for as
 * long, and the most of it is taken off: a CPU that was ours is not taken for a foreign one when we have left it.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "make.h"
#include "out.h"

#define SPEED_STANDARD 10000.0
#define IDLE 0.1 /* less of a CPU than this is nobody's */
#define ALONE_MIN_NS (5 * NSEC_PER_SEC)
#define ALONE_DOUBLINGS 6

int make_nodes_init(struct make_nodes *all, double cpus)
{
	*all = (struct make_nodes){.list = calloc(1, sizeof(*all->list)), .n = 1};
	if (!all->list)
		return -ENOMEM;
	(void)strcpy(all->list[0].name, "here");
	all->list[0].cpus = all->list[0].power = cpus;
	make_nodes_forget(all);
	return 0;
}

void make_nodes_release(struct make_nodes *all)
{
	free(all->list);
	*all = (struct make_nodes){0};
}

static void count_slots(struct make_node *n, bool here)
{
	double spare = ceil(n->cpus - n->foreign - IDLE);

	n->slots = n->usable && spare > 0 ? (unsigned)spare : 0;
	if (here && !n->slots)
		n->slots = 1;
}

void make_nodes_forget(struct make_nodes *all)
{
	for (unsigned i = 0; i < all->n; i++) {
		all->list[i].usable = i == 0;
		all->list[i].foreign = 0;
		count_slots(&all->list[i], i == 0);
	}
}

static struct make_node *find(struct make_nodes *all, const char *name, bool self)
{
	struct make_node *list;

	for (unsigned i = 1; !self && i < all->n; i++)
		if (!strcmp(all->list[i].name, name))
			return &all->list[i];
	if (self)
		return &all->list[0];
	if (all->n >= MAKE_NODES_MAX || strlen(name) >= sizeof(list->name))
		return NULL;
	list = realloc(all->list, (all->n + 1) * sizeof(*list));
	if (!list)
		return NULL;
	all->list = list;
	list += all->n++;
	*list = (struct make_node){0};
	return list;
}

static void work_until(struct make_node *n, uint64_t now)
{
	if (n->since_ns && now > n->since_ns)
		n->work_ns += (now - n->since_ns) * n->running;
	n->since_ns = now;
}

/* What others use, from what runs there in all. */
static void look(struct make_node *n, uint64_t since, uint64_t now)
{
	double ours = 0;

	work_until(n, now);
	(void)memmove(n->lately + 1, n->lately, sizeof(n->lately) - sizeof(*n->lately));
	n->lately[0] = now > since ? (double)n->work_ns / (double)(now - since) : n->running;
	n->work_ns = 0;
	for (unsigned i = 0; i < MAKE_HISTORY; i++)
		ours = fmax(ours, n->lately[i]);
	n->foreign = fmax(0, n->runnable - ours);
}

void make_nodes_update(struct make_nodes *all, const json_t *reply, uint64_t now)
{
	uint64_t since = all->looked_ns;
	const json_t *j;
	size_t i;

	for (i = 1; i < all->n; i++)
		all->list[i].usable = false; /* those that are not listed any more */
	json_array_foreach(json_object_get(reply, "nodes"), i, j)
	{
		bool self = out_bool(j, "self");
		struct make_node *n = find(all, out_str(j, "name"), self);

		if (!n)
			continue;
		(void)snprintf(n->name, sizeof(n->name), "%s", out_str(j, "name"));
		n->cpus = out_num(j, "cpus");
		n->power = n->cpus * out_num(j, "speed") / SPEED_STANDARD;
		n->runnable = out_num(j, "load") * n->power;
		n->usable = self || (!strcmp(out_str(j, "state"), "up") && !out_bool(j, "blocked") && n->power > 0);
		if (self && n->power <= 0)
			n->power = n->cpus = 1;
		look(n, since, now);
	}
	for (i = 0; i < all->n; i++)
		count_slots(&all->list[i], i == 0);
	all->looked_ns = now;
}

int make_nodes_choose(const struct make_nodes *all, bool here, uint64_t now)
{
	unsigned ties = 0;
	double best = 0;
	int found = -1;

	for (unsigned i = 0; i < (here ? 1 : all->n); i++) {
		const struct make_node *n = &all->list[i];
		double cost = (n->running + n->foreign + 1) / n->power;

		if (n->running >= n->slots || now < n->until_ns)
			continue;
		if (found >= 0 && cost > best)
			continue;
		ties = found >= 0 && cost == best ? ties + 1 : 1;
		if (ties > 1 && random() % ties)
			continue;
		found = (int)i;
		best = cost;
	}
	return found;
}

void make_nodes_begin(struct make_nodes *all, int i, uint64_t now)
{
	work_until(&all->list[i], now);
	all->list[i].running++;
}

void make_nodes_end(struct make_nodes *all, int i, uint64_t now)
{
	work_until(&all->list[i], now);
	all->list[i].running--;
}

bool make_nodes_failed(struct make_nodes *all, int i, uint64_t now)
{
	struct make_node *n = &all->list[i];

	if (i == 0 || now < n->until_ns)
		return false;
	n->until_ns = now + (ALONE_MIN_NS << n->failures);
	if (n->failures < ALONE_DOUBLINGS)
		n->failures++;
	return true;
}
