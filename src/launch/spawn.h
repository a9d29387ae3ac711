/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts a helper program with a clean slate.
 * Promise: the child has a new session, the descriptors 0 to 2 only, default signals, and no environment but PATH,
 * GODWIT_LOG, GODWIT_RUN and GODWIT_FAULT*; that its program could not be executed is told to the caller. Must not:
 * know what helpers do.
 */
#ifndef GODWIT_LAUNCH_SPAWN_H
#define GODWIT_LAUNCH_SPAWN_H

#include <sys/types.h>
#include "base/err.h"

/* argv[0] is the path; group: the cgroup.procs of a control group to enter first, NULL: none. Returns the pid, or
 * -errno with e; no child is left behind then. */
pid_t spawn_helper(char *const argv[], const char *group, struct err *e) _must_check_;

/* Finds the helper `name` beside this program, or in ../libexec/godwit. 0 or -ENOENT with e. */
int spawn_find(const char *name, char *buf, size_t cap, struct err *e) _must_check_;

#endif
