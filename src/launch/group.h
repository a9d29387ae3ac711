/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control group that bounds the memory of all guests of this node together.
 * Promise: agents, and what they start, live in it from their first instruction; the daemon may write its limit, and
 * ask to hear of it, and nothing else of it; it is gone when the last of them is. Where there is no such group, agents
 * run without one and the reason is known. Must not: touch any other group, or move a process that is not an agent.
 *
 * Version 1: below the launcher's own group. Version 2 does not let a group with processes have such children, so there
 * it stands beside the launcher's own group, under a name that tells whose it is.
 */
#ifndef GODWIT_LAUNCH_GROUP_H
#define GODWIT_LAUNCH_GROUP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

struct group {
	char dir[512]; /* "": there is none */
	bool v2;
};

/* Where it belongs, from the texts of /proc/self/mounts and /proc/self/cgroup; tag ends the name. -ENOTSUP with e: no
 * memory controller. */
int group_place(struct group *g, const char *tag, const char *mounts, const char *cgroup, struct err *e) _must_check_;
/* The same for this process. Launchers with other run directories than /run/godwit have groups of their own. */
int group_find(struct group *g, const char *run, struct err *e) _must_check_;
/* Makes it, with a limit of so many bytes (0: none yet), which `user` may change. Writes the name of the file that
 * takes new members. -errno with e; nothing is left behind then. */
int group_make(const struct group *g, uint64_t bytes, uid_t user, char *procs, size_t cap, struct err *e) _must_check_;
/* Version 1: with sleep, who needs a page beyond the limit waits for it instead of being killed (patience.c ends that).
 * -ENOTSUP for version 2, where memory.high slows down whom memory.max would kill. */
int group_sleep(const struct group *g, bool sleep) _must_check_;
/* Does somebody wait so? */
bool group_stuck(const struct group *g);
/* A descriptor (eventfd, not blocking) that tells when somebody begins to wait, or the group is removed; or -errno. */
int group_events(const struct group *g) _must_check_;
/* Removes it. -EBUSY: somebody lives in it. */
int group_remove(const struct group *g);

#endif
