/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waits for a futex until a point in time that the kernel here cannot take as it is: of home's CLOCK_REALTIME, which no
 * namespace has, or of CLOCK_MONOTONIC when the namespace is not right any more.
 * Promise: such a wait never ends before the clock that the guest reads has come to that point; it ends late by some
 * ms, or by the second in which home tells the time again when that clock was set. Whatever becomes of it, the thread
 * stands afterwards as if it had made the call that it made. Must not: write into the guest's memory.
 *
 * The thread is taken out of its call and makes it at the stub's own instruction, by CLOCK_MONOTONIC, until a point
 * that the page of the clocks has for it. The end of the call is a stop, at which it gets its registers back. If it has
 * timed out by our reckoning but not by the guest's clock, it makes its call again; so there is no harm in a clock that
 * goes a little slower than was thought. One that was set, or has drifted, is seen when home tells the time: then the
 * thread is interrupted, and what it makes again is reckoned anew.
 */
#include "agent.h"

#include <errno.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>

#include "../base/clock.h"

#define STEP_NS (5 * NSEC_PER_SEC)
#define SYS_futex_wait_ 455 /* 6.7 */
#define FUTEX_LOCK_PI2_ 13 /* 5.14: FUTEX_LOCK_PI by CLOCK_MONOTONIC */
#define CLOCK_NONE (-1)
/* The guest's clock goes slower than ours by this part of the time, until home tells it again: clock.c. What is waited
 * longer for that, and a little, spares most waits being made twice. */
#define SLOWER 8192
#define SPARE ((int64_t)(50 * NSEC_PER_USEC))
#define ASTRAY ((int64_t)(4 * NSEC_PER_MSEC))
#define FARTHEST (INT64_MAX / 2)

/* The argument that points to the point in time. */
static unsigned timeout_arg(unsigned nr)
{
	return nr == SYS_futex_wait_ ? 4 : 3;
}

static uint32_t command(const uint64_t args[6])
{
	return (uint32_t)args[1] & (uint32_t)FUTEX_CMD_MASK;
}

clockid_t until_clock(unsigned nr, const uint64_t args[6])
{
	switch (nr) {
	case SYS_futex:
		return command(args) == FUTEX_LOCK_PI || (args[1] & FUTEX_CLOCK_REALTIME) ? CLOCK_REALTIME
											  : CLOCK_MONOTONIC;
	case SYS_futex_waitv:
		return (clockid_t)args[4];
	case SYS_futex_wait_:
		return (clockid_t)args[5];
	default:
		return CLOCK_NONE;
	}
}

/* The same wait by CLOCK_MONOTONIC. */
static void by_monotonic(unsigned nr, uint64_t args[6])
{
	if (nr == SYS_futex_waitv)
		args[4] = CLOCK_MONOTONIC;
	else if (nr == SYS_futex_wait_)
		args[5] = CLOCK_MONOTONIC;
	else if (command(args) == FUTEX_LOCK_PI)
		args[1] = (args[1] & FUTEX_PRIVATE_FLAG) | FUTEX_LOCK_PI2_;
	else
		args[1] &= ~(uint64_t)FUTEX_CLOCK_REALTIME;
}

/* False: we cannot read it, or no kernel would take it. */
static bool read_point(struct agent *a, uint64_t addr, int64_t *ret_ns)
{
	int64_t pair[2];

	if (agent_mem_read(a, addr, pair, sizeof(pair)) < 0 || pair[0] < 0 || (uint64_t)pair[1] >= NSEC_PER_SEC)
		return false;
	*ret_ns = pair[0] < FARTHEST / (int64_t)NSEC_PER_SEC ? pair[0] * (int64_t)NSEC_PER_SEC + pair[1] : FARTHEST;
	return true;
}

/* A place in the page that no other thread uses; VDSO_POINTS: there is none. */
static unsigned free_place(struct agent *a)
{
	bool used[VDSO_POINTS] = {false};
	unsigned i = 0;

	for (size_t k = 0; k < a->threads_n; k++) {
		if (a->threads[k]->until.active)
			used[a->threads[k]->until.point] = true;
	}
	while (i < VDSO_POINTS && used[i])
		i++;
	return i;
}

/* Puts the point where the guest's kernel will find it: the address. */
static uint64_t put_point(struct agent *a, unsigned place, int64_t ns)
{
	a->clock.page->point[place].sec = ns / (int64_t)NSEC_PER_SEC;
	a->clock.page->point[place].nsec = ns % (int64_t)NSEC_PER_SEC;
	return a->b.copy.stub + VDSO_STUB_SIZE / 2 + offsetof(struct vdso_clock, point) +
	       place * sizeof(a->clock.page->point[0]);
}

/* What the guest's clock is ahead of the one that the kernel here will wait by. */
static int64_t ahead(const struct agent *a, clockid_t clock)
{
	return agent_clock_now(a, clock) - agent_waits_now(a);
}

/* The point by the kernel's clock. */
static int64_t reckon(const struct agent *a, const struct guest_until *u)
{
	int64_t left = u->at - agent_clock_now(a, u->clock), at;

	if (left > 0)
		left += SPARE + (left < (int64_t)NSEC_PER_SEC ? left : (int64_t)NSEC_PER_SEC) / SLOWER;
	at = agent_waits_now(a) + left;
	return at > 0 ? at : 0;
}

static int make_call(struct guest_thread *g, const struct guest_until *u, unsigned nr, const uint64_t args[6])
{
	int r;

	g->t.syscall_ip = agent_own_call(g->a);
	r = tracee_begin_syscall(&g->t, nr, args, clock_mono_ns() + STEP_NS);
	g->t.syscall_ip = 0;
	if (r < 0)
		return r;
	g->until = *u;
	g->until.active = true;
	return 0;
}

int until_begin(struct guest_thread *g, const struct seccomp_notif *req)
{
	unsigned nr = (unsigned)req->data.nr, arg = timeout_arg(nr);
	struct agent *a = g->a;
	struct guest_until u = {0};
	uint64_t args[6];
	int r;

	memcpy(args, req->data.args, sizeof(args));
	u.clock = until_clock(nr, args);
	if ((u.clock != CLOCK_REALTIME && u.clock != CLOCK_MONOTONIC) || agent_clock_now(a, u.clock) < 0 ||
	    !a->clock.page || !agent_own_call(a) || !read_point(a, args[arg], &u.at))
		return 0;
	u.point = free_place(a);
	u.ahead = ahead(a, u.clock);
	if (u.point == VDSO_POINTS)
		return 0;
	args[arg] = put_point(a, u.point, reckon(a, &u));
	by_monotonic(nr, args);
	r = agent_take_out(g, req->id);
	if (r == 0)
		r = tracee_get_regs(&g->t, &u.regs);
	/* Reading may have brought news from home: then it stands as one that was about to wait. */
	if (r == 0 && (a->freeze_wanted || a->home_asked || a->b.head.stopped || signals_wait(g)))
		g->settled = agent_code_of_wait(req);
	else if (r == 0)
		r = make_call(g, &u, nr, args);
	if (r < 0 && g->t.stop != TRACEE_ENDED)
		return r;
	if (g->t.stop != TRACEE_RUNNING)
		agent_thread_stopped(g);
	/* Waiting for one of several may have taken the signal that told of another. */
	if (tracee_any_news())
		agent_on_stop(a);
	return 1;
}

/* A wait that the guest makes by itself: it is not to be taken up by restart_syscall(2), but made again by its point in
 * time, which may mean another moment by now. */
static int stopped_in_its_own(struct guest_thread *g)
{
	struct user_regs_struct regs;
	int r;

	if (!g->waits || g->t.stop != TRACEE_EVENT)
		return 0;
	r = tracee_get_regs(&g->t, &regs);
	if (r < 0 || regs.orig_rax != SYS_futex || (regs.rsi & FUTEX_CMD_MASK) != FUTEX_WAIT_BITSET ||
	    (int64_t)regs.rax != -ERESTART_RESTARTBLOCK_)
		return r;
	regs.rax = (uint64_t)agent_native_code((int64_t)regs.rax);
	return tracee_set_regs(&g->t, &regs);
}

int until_stopped(struct guest_thread *g)
{
	struct user_regs_struct regs = g->until.regs, end;
	int64_t result;
	int r;

	if (g->t.stop == TRACEE_ENDED)
		return 0;
	if (!g->until.active)
		return stopped_in_its_own(g);
	if (g->t.stop != TRACEE_EXIT)
		return -EPROTO;
	g->until.active = false;
	r = tracee_get_regs(&g->t, &end);
	if (r < 0)
		return r;
	result = (int64_t)end.rax;
	if (image_is_restart(result)) {
		regs.rax = (uint64_t)agent_native_code(result);
	} else {
		bool early = result == -ETIMEDOUT && agent_clock_now(g->a, g->until.clock) < g->until.at;

		regs.rax = early ? regs.orig_rax : (uint64_t)result;
		regs.rip -= early ? 2 : 0;
		regs.orig_rax = ~0ULL;
	}
	return tracee_set_regs(&g->t, &regs);
}

bool until_astray(const struct guest_thread *g)
{
	int64_t by = g->until.active ? ahead(g->a, g->until.clock) - g->until.ahead : 0;

	return by > ASTRAY || by < -ASTRAY;
}
