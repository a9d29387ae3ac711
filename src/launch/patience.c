/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guests that wait for memory, and for how long: see patience.h.
 * Promise: needs no daemon, no message and no memory of its own when it matters. Must not: change the limit.
 */
#include "patience.h"

#include <sys/epoll.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/log.h"

#define LOOK_NS (250 * NSEC_PER_MSEC)

static void look(void *arg)
{
	struct patience *p = arg;

	p->timer = NULL;
	if (!group_stuck(p->group)) {
		if (p->seen >= PATIENCE_NS / LOOK_NS && group_sleep(p->group, true) < 0)
			log_warn("guests beyond their limit are killed from now on");
		p->seen = 0;
		return;
	}
	if (++p->seen == PATIENCE_NS / LOOK_NS) {
		log_warn("a guest has waited for memory for %llu s: the kernel ends one now",
			 (unsigned long long)(PATIENCE_NS / NSEC_PER_SEC));
		(void)!group_sleep(p->group, false);
	}
	p->timer = loop_add_timer(p->loop, clock_mono_ns() + LOOK_NS, look, p);
}

static void on_event(void *arg, int fd, uint32_t events)
{
	struct patience *p = arg;
	uint64_t count;

	(void)events;
	(void)!read(fd, &count, sizeof(count));
	if (!p->timer)
		p->timer = loop_add_timer(p->loop, clock_mono_ns() + LOOK_NS, look, p);
}

void patience_begin(struct patience *p, struct loop *loop, const struct group *g)
{
	if (p->fd >= 0 || g->v2 || !g->dir[0])
		return;
	*p = (struct patience){.loop = loop, .group = g, .fd = group_events(g)};
	p->watch = p->fd < 0 ? NULL : loop_add_fd(loop, p->fd, EPOLLIN, on_event, p);
	if (!p->watch || group_sleep(g, true) < 0) {
		log_warn("guests beyond their limit are killed: nobody can watch their control group");
		patience_end(p);
	}
}

void patience_end(struct patience *p)
{
	loop_remove(take_ptr(p->timer));
	loop_remove(take_ptr(p->watch));
	if (p->group)
		(void)!group_sleep(p->group, false);
	if (p->fd >= 0)
		(void)close(take_fd(&p->fd));
	p->seen = 0;
}
