/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control groups of a sandbox, in version 1 hierarchies, version 2, or the mixture of both.
 * Promise: what there is, is found by looking (/proc/self/mountinfo, cgroup.controllers), never assumed; what is
 * missing is said in words. Must not: touch a group that is not named after the sandbox, except to hand a version 2
 * controller down from the root.
 */
#ifndef GODWIT_CLI_CGROUP_H
#define GODWIT_CLI_CGROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <stddef.h>
#include "base/err.h"

enum cgroup_kind { CGROUP_CPU, CGROUP_CPUSET, CGROUP_MEMORY, CGROUP_FREEZER, CGROUP_PIDS, CGROUP__MAX };

struct cgroups {
	char v1[CGROUP__MAX][96]; /* mount point, "" if there is none */
	char v2[96];
	bool v2_has[CGROUP__MAX]; /* controllers that version 2 offers */
};

void cgroup_probe(struct cgroups *cg);
bool cgroup_has(const struct cgroups *cg, enum cgroup_kind kind);
/* One sentence for each missing piece and what it means, into buf; "" when all is there. */
void cgroup_missing(const struct cgroups *cg, char *buf, size_t cap);

/* Makes the groups of one node, and that of the sandbox above. */
int cgroup_make(const struct cgroups *cg, const char *sandbox, const char *node, struct err *e) _must_check_;
/* Moves the calling process into them. */
int cgroup_enter(const struct cgroups *cg, const char *sandbox, const char *node, struct err *e) _must_check_;
/* list: processors that the node may use, NULL for all; cpus: quota in processors, 0 for none. */
int cgroup_set_cpus(const struct cgroups *cg, const char *sandbox, const char *node, const char *list, double cpus,
		    struct err *e) _must_check_;
int cgroup_set_memory(const struct cgroups *cg, const char *sandbox, const char *node, uint64_t bytes,
		      struct err *e) _must_check_;
/* The limits in force: processors (0: no quota) and bytes (0: none). */
double cgroup_get_cpus(const struct cgroups *cg, const char *sandbox, const char *node);
uint64_t cgroup_get_memory(const struct cgroups *cg, const char *sandbox, const char *node);
/* Freezes or thaws a node, waits up to 5 s until it is so. */
int cgroup_freeze(const struct cgroups *cg, const char *sandbox, const char *node, bool frozen,
		  struct err *e) _must_check_;
/* Thaws the whole sandbox, as a frozen process of version 1 cannot die; best effort. */
void cgroup_thaw_all(const struct cgroups *cg, const char *sandbox);
bool cgroup_is_frozen(const struct cgroups *cg, const char *sandbox, const char *node);
/* Asks the kernel to kill the whole sandbox (version 2 only); best effort. */
void cgroup_kill(const struct cgroups *cg, const char *sandbox);
/* Removes all groups of the sandbox, also those made by its processes. Names the first that is left. */
int cgroup_remove(const struct cgroups *cg, const char *sandbox, uint64_t deadline, struct err *e) _must_check_;

#endif
