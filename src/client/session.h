/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One command, from the connection to its end.
 * Promise: nothing is read from standard input before the command has begun; every wait has a deadline. Must not: know
 * which system this is.
 */
#ifndef GODWIT_CLIENT_SESSION_H
#define GODWIT_CLIENT_SESSION_H

#include <stdbool.h>
#include "../base/buf.h"
#include "../base/err.h"
#include "key.h"

struct session_orders {
	struct key key;
	const char *node, *dir; /* "": the best one; the user's home */
	struct buf argv, env; /* strings, each with its NUL */
	bool no_stdin, no_tty;
};

/* 0 and *ret_status, a status of wait(2); -ECANCELED with e: the command has ended otherwise than by itself; else
 * -errno with e: it was not begun. */
int session_run(const struct session_orders *o, int *ret_status, struct err *e) _must_check_;

#endif
