/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which processes a shepherd may be started for.
 * Promise: never init, a kernel thread, a part of Godwit or a process that does not exist. Must not: change anything.
 */
#ifndef GODWIT_LAUNCH_CHECK_H
#define GODWIT_LAUNCH_CHECK_H

#include <sys/types.h>
#include "base/err.h"

/* daemon: pid of the daemon that asks. 0, -ESRCH or -EPERM with e. */
int check_target(int64_t pid, pid_t daemon, struct err *e) _must_check_;

#endif
