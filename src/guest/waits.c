/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waits for a futex until a point in time: made by this host's kernel, in a time namespace whose CLOCK_MONOTONIC is
 * nearly home's.
 * Promise: no such wait ends before the clock that the guest reads has come to that point; it ends late by LAG and a
 * message's way, at most LATEST. Must not: touch CLOCK_REALTIME, which no namespace has: until.c.
 *
 * The offset of a time namespace can be set only until the first task is in it, and by nobody without privilege: so it
 * comes from the daemon, which had it from the offer, before anything of a peer is read. It stays as it was while
 * home's clock and this host's drift apart. Therefore the namespace is made a little late, each wait is looked at when
 * it begins and each second of its duration, and one that might end early, or too late, is made in the way of until.c.
 * The kernel itself turns a point in time of the namespace into one of the host:
 * kernel/futex/syscalls.c, futex_init_timeout(). After a move the wait is made again with the same point in time, which
 * is home's.
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/file.h"

/* The namespace is made so much later than home: the clock that the guest reads is late, too, by the way of home's
 * messages, which is more on a busy machine, and by 122 us for each second without one (clock.c). */
#define LAG (4 * (int64_t)NSEC_PER_MSEC)
#define LATEST (50 * (int64_t)NSEC_PER_MSEC)
/* From one look to the next, the two clocks come nearer by much less. */
#define MARGIN ((int64_t)NSEC_PER_MSEC)

#define FARTHEST (INT64_MAX / 4)
#define SYS_futex_wait_ 455 /* 6.7 */
#define OFFSETS "/proc/self/timens_offsets"

/* Offsets count from the machine's own clock. We may be in such a namespace ourselves, in a container. */
static int our_offset(int64_t *ret_ns)
{
	long long s, ns;
	char text[200];
	ssize_t n = file_read_small(OFFSETS, text, sizeof(text));

	if (n < 0)
		return (int)n;
	if (sscanf(text, "monotonic %lld %lld", &s, &ns) != 2)
		return -EINVAL;
	*ret_ns = s * (int64_t)NSEC_PER_SEC + ns;
	return 0;
}

int agent_waits_prepare(struct agent *a)
{
	struct agent_waits *w = &a->waits;
	int64_t offset, s;
	char text[80];
	int r;

	if (w->ahead_ns > FARTHEST || w->ahead_ns < -FARTHEST)
		return -ERANGE;
	w->ahead_ns -= LAG;
	if (unshare(CLONE_NEWTIME) < 0)
		return -errno;
	r = our_offset(&offset);
	if (r < 0)
		return r;
	offset += w->ahead_ns;
	s = offset / (int64_t)NSEC_PER_SEC - (offset < 0);
	(void)snprintf(text, sizeof(text), "monotonic %lld %lld\n", (long long)s,
		       (long long)(offset - s * (int64_t)NSEC_PER_SEC));
	r = file_write(OFFSETS, text, strlen(text));
	w->usable = r == 0;
	return r;
}

int64_t agent_waits_now(const struct agent *a)
{
	return (int64_t)clock_mono_ns() + (a->waits.usable ? a->waits.ahead_ns : 0);
}

/* Would a wait end in time, if the clocks went on alike? */
static bool in_time(const struct agent *a)
{
	int64_t guest = agent_clock_now(a, CLOCK_MONOTONIC), late = guest - agent_waits_now(a);

	return a->waits.usable && guest >= 0 && late >= MARGIN && late <= LATEST;
}

static bool is_wait(unsigned nr)
{
	return nr == SYS_futex || nr == SYS_futex_waitv || nr == SYS_futex_wait_;
}

bool agent_waits_native(struct guest_thread *g, unsigned nr, const uint64_t args[6])
{
	g->waits = until_clock(nr, args) == CLOCK_MONOTONIC && in_time(g->a);
	return g->waits;
}

/* A thread that has made other calls since, which nobody told us of, does not wait any more. */
static bool waits_still(const struct guest_thread *g)
{
	char path[60], text[256];

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", g->t.pid);
	if (!g->waits || file_read_small(path, text, sizeof(text)) <= 0)
		return g->waits;
	return is_wait((unsigned)strtol(text, NULL, 10)); /* "running" is 0 */
}

void agent_waits_look(struct agent *a)
{
	bool right = in_time(a);

	if (a->state != AGENT_RUNNING || a->freeze_wanted || a->home_asked || a->b.head.stopped)
		return;
	for (size_t i = 0; i < a->threads_n; i++) {
		struct guest_thread *g = a->threads[i];

		if (!right)
			g->waits = waits_still(g);
		/* It makes its call again. One that has ended meanwhile is no matter. */
		if (g->t.stop == TRACEE_RUNNING && (until_astray(g) || (!right && g->waits)))
			(void)!tracee_interrupt(&g->t);
	}
}
