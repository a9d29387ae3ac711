/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which processes a shepherd may be started for, and which users an executor.
 * Promise: never for init, a kernel thread, a part of Godwit or a process that does not exist; never as the daemon's
 * user, who holds the keys. Must not: change anything, nor ask a directory service.
 */
#ifndef GODWIT_LAUNCH_CHECK_H
#define GODWIT_LAUNCH_CHECK_H

#include <sys/types.h>
#include "base/err.h"

/* daemon: pid of the daemon that asks. 0, -ESRCH or -EPERM with e. */
int check_target(int64_t pid, pid_t daemon, struct err *e) _must_check_;

/* Whose commands may be executed here when another node asks for it. */
enum exec_users { EXEC_NOBODY, EXEC_USERS /* all but root */, EXEC_ALL, EXEC_USERS__MAX };
int exec_users_find(const char *word, enum exec_users *ret) _must_check_; /* -EINVAL */

/* daemon: its user id. Whether name and number belong together, the executor finds out itself. 0 or -EPERM with e. */
int check_user(const char *user, uid_t uid, uid_t daemon, enum exec_users who, struct err *e) _must_check_;

#endif
