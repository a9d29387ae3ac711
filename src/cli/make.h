/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of godwit make. Must not: be included outside of src/cli/make*.c.
 */
#ifndef GODWIT_CLI_MAKE_H
#define GODWIT_CLI_MAKE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include "base/cleanup.h"
#include "base/clock.h"

#define MAKE_LOOK_NS (2 * NSEC_PER_SEC) /* between two looks at the nodes */
#define MAKE_NODES_MAX 1024
#define MAKE_HISTORY 3

/* A node, and what of ours runs there. The first one is this node. */
struct make_node {
	char name[68];
	bool usable;
	double cpus, power, runnable; /* power: CPUs of a standard machine */
	unsigned running; /* of our recipes */
	uint64_t work_ns, since_ns; /* sum of their times since the last look, up to since_ns */
	double lately[MAKE_HISTORY]; /* how many ran, in each of the last times between two looks */
	double foreign; /* CPUs that others use */
	unsigned slots;
	unsigned failures;
	uint64_t until_ns; /* it is left alone */
	/* for the summary */
	unsigned done;
	uint64_t wall_ns;
	uint64_t cpu_us; /* of recipes elsewhere, those that failed there included */
};

struct make_nodes {
	struct make_node *list;
	unsigned n;
	uint64_t looked_ns; /* when the daemon was heard last */
};

/* make_nodes.c: pure but for memory and luck; times are CLOCK_MONOTONIC ns. */
/* Before any daemon has answered there is this node alone, with so many CPUs. -ENOMEM */
int make_nodes_init(struct make_nodes *all, double cpus) _must_check_;
void make_nodes_release(struct make_nodes *all);
/* The daemon's answer to Nodes. */
void make_nodes_update(struct make_nodes *all, const json_t *reply, uint64_t now);
/* The daemon does not answer: only this node is used. */
void make_nodes_forget(struct make_nodes *all);
/* Where a recipe may begin now: an index, or -1. here: only on this node. */
int make_nodes_choose(const struct make_nodes *all, bool here, uint64_t now);
void make_nodes_begin(struct make_nodes *all, int i, uint64_t now);
void make_nodes_end(struct make_nodes *all, int i, uint64_t now);
/* It has failed: true, unless it is being left alone already. */
bool make_nodes_failed(struct make_nodes *all, int i, uint64_t now);

struct make_record {
	char *command;
	int node, status; /* -1: not known, it ran here */
	uint64_t begin_ns, end_ns, cpu_us; /* cpu_us: not known of what ran here */
	bool again; /* it ran once more elsewhere */
};

struct make_history {
	struct make_record *list;
	size_t n, cap;
	uint64_t begin_ns;
};

/* make_report.c */
void make_summary(const struct make_history *h, const struct make_nodes *all, double cpu_here, FILE *f);
int make_report(const struct make_history *h, const struct make_nodes *all, const char *path) _must_check_; /* -errno */

#endif
