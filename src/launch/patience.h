/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a guest may wait for memory at the limit of the guests' group (version 1).
 * Promise: while this watches, who needs a page beyond the limit sleeps instead of being killed, so that the daemon can
 * send guests home and raise the limit; when nobody does that for PATIENCE_NS, the kernel may end one after all, so
 * that nobody sleeps for ever. Must not: choose who that is.
 */
#ifndef GODWIT_LAUNCH_PATIENCE_H
#define GODWIT_LAUNCH_PATIENCE_H

#include "base/clock.h"
#include "base/loop.h"
#include "group.h"

#define PATIENCE_NS (5 * NSEC_PER_SEC)

struct patience {
	struct loop *loop;
	const struct group *group;
	struct loop_watch *watch, *timer;
	unsigned seen; /* looks in a row that found somebody waiting */
	int fd; /* -1: nothing is watched */
};

/* Watches the group, which is there; again for one that is watched already: nothing. Where that cannot be had the
 * kernel kills at the limit, as it does by itself. */
void patience_begin(struct patience *p, struct loop *loop, const struct group *g);
/* Watches no more, and lets nobody sleep. */
void patience_end(struct patience *p);

#endif
