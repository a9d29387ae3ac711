/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls of the guest, run by the deputy.
 * Promise: each is run once and answered once; a call that a move interrupts is either finished or told to be made
 * again, with the code that the kernel gave. Must not: run a call that the table does not permit a guest.
 */
#include "shepherd.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../wire/reasons.h"

#define STEP_NS (5 * NSEC_PER_SEC)
#define PARK_NS (2 * NSEC_PER_MSEC)
#define QUICK_NS (200 * NSEC_PER_USEC)
#define SCRATCH_MIN ((uint64_t)256 << 10)

/* Calls whose restart block keeps pointers into user memory. They use the guest's own addresses, which the process has
 * at home too: kernel/time/hrtimer.c, fs/select.c. */
static const struct {
	unsigned nr;
	int arg, count_arg; /* pointer, and the argument that counts its elements (-1: one) */
	size_t size;
	bool in;
} in_place_args[] = {
    {SYS_poll, 0, 1, 8, true},
    {SYS_nanosleep, 0, -1, 16, true},
    {SYS_nanosleep, 1, -1, 16, false},
    {SYS_clock_nanosleep, 2, -1, 16, true},
    {SYS_clock_nanosleep, 3, -1, 16, false},
    {SYS_restart_syscall, 0, 1, 8, true}, /* of a poll() that was interrupted before: see agent */
};

static int grow_scratch(struct shepherd *s, uint64_t size)
{
	int64_t at = 0, v;
	int r = tracee_mask_all(&s->t);

	if (r == 0 && s->scratch)
		r = tracee_syscall(&s->t, &v, SYS_munmap, s->scratch, s->scratch_size, 0, 0, 0, 0);
	s->scratch = 0;
	size = size < SCRATCH_MIN ? SCRATCH_MIN : (size + 0xffff) & ~0xffffULL;
	if (r == 0)
		r = tracee_syscall(&s->t, &at, SYS_mmap, 0, size, PROT_READ | PROT_WRITE,
				   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, ~0ULL, 0);
	if (r < 0)
		return r;
	if (at < 0)
		return (int)at;
	s->scratch = (uint64_t)at;
	s->scratch_size = size;
	return tracee_unmask(&s->t);
}

/* Puts the buffers of calls that sleep at the guest's own addresses; false when they are not mapped at home. */
static bool place_at_home(struct shepherd *s)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(in_place_args); i++) {
		uint64_t guest, len, *arg;
		uint8_t out[16];

		if (in_place_args[i].nr != s->call.m.nr)
			continue;
		any = true;
		guest = s->call.m.args[in_place_args[i].arg];
		arg = &s->call.args[in_place_args[i].arg];
		len = in_place_args[i].size;
		if (in_place_args[i].count_arg >= 0)
			len *= s->call.m.args[in_place_args[i].count_arg];
		if (!guest || *arg == guest || !len)
			continue;
		if (in_place_args[i].in) {
			if (*arg - s->scratch > s->image_size || len > s->image_size - (*arg - s->scratch) ||
			    tracee_write(&s->t, guest, s->local + (*arg - s->scratch), len) < 0)
				return false;
		} else if (tracee_read(&s->t, guest, out, sizeof(out)) < 0) {
			return false;
		}
		*arg = guest;
	}
	return any;
}

static int grow_local(struct shepherd *s, size_t size)
{
	if (size <= s->local_size)
		return 0;
	free(s->local);
	s->local = malloc(size);
	s->local_size = s->local ? size : 0;
	return s->local ? 0 : -ENOMEM;
}

/* Lays the request out in the deputy's memory. */
static int place(struct shepherd *s)
{
	struct wire_bytes seg = s->call.m.segments;
	ssize_t size = seg.len ? sysc_scratch_size(seg.data, seg.len) : 0;
	ssize_t image = seg.len ? sysc_image_size(seg.data, seg.len) : 0;
	int r = 0;

	memcpy(s->call.args, s->call.m.args, sizeof(s->call.args));
	s->call.in_place = s->call.not_entered = false;
	if (size <= 0 || image < 0)
		return size < 0 || image < 0 ? -EPROTO : 0;
	if ((uint64_t)size > s->scratch_size)
		r = grow_scratch(s, (uint64_t)size);
	if (r == 0)
		r = grow_local(s, (size_t)image);
	s->image_size = (size_t)image;
	if (r == 0)
		r = sysc_place(seg.data, seg.len, s->scratch, s->local, s->image_size, s->call.args);
	if (r < 0)
		return r;
	s->call.in_place = place_at_home(s);
	return s->call.in_place || !image ? 0 : tracee_write(&s->t, s->scratch, s->local, s->image_size);
}

/* Reads a piece of what sysc_place() laid out, from wherever it really lies. */
static int read_placed(void *ctx, size_t off, void *p, size_t n)
{
	struct shepherd *s = ctx;
	uint64_t addr = s->scratch + off;

	for (size_t i = 0; s->call.in_place && i < ARRAY_SIZE(in_place_args); i++) {
		uint64_t args[6], len = in_place_args[i].size;

		if (in_place_args[i].nr != s->call.m.nr)
			continue;
		if (in_place_args[i].count_arg >= 0)
			len *= s->call.m.args[in_place_args[i].count_arg];
		memcpy(args, s->call.m.args, sizeof(args));
		if (sysc_place(s->call.m.segments.data, s->call.m.segments.len, s->scratch, s->local, s->image_size,
			       args) < 0)
			return -EPROTO;
		if (addr - args[in_place_args[i].arg] < len)
			addr = s->call.m.args[in_place_args[i].arg] + (addr - args[in_place_args[i].arg]);
	}
	return tracee_read(&s->t, addr, p, n);
}

static int answer(struct shepherd *s, uint64_t seq, int64_t ret, struct wire_bytes segments)
{
	struct wire_reply m = {.seq = seq, .ret = ret, .segments = segments};
	int r = wire_reply_encode(&m, link_out(s->link));

	return r < 0 ? r : shepherd_send(s);
}

static void count(struct shepherd *s)
{
	s->calls++;
	s->bytes_in += s->call.m.segments.len;
	if (s->call.m.nr < ARRAY_SIZE(s->counts))
		s->counts[s->call.m.nr].forwarded++;
	s->status_due = true;
}

/* The restart block's call is taken up again instead of being made anew, so that its time goes on. */
static bool take_up(struct shepherd *s)
{
	bool same = s->restart.live && s->call.m.reissue && s->restart.nr == s->call.m.nr;

	s->restart.live = false;
	if (!same)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(in_place_args); i++) {
		if (in_place_args[i].nr == s->call.m.nr &&
		    s->restart.args[in_place_args[i].arg] != s->call.args[in_place_args[i].arg])
			return false;
	}
	return true;
}

/* The table's verdict, and the one call that is permitted only while the deputy has something to take up. */
static int permitted(struct shepherd *s)
{
	const struct wire_call *m = &s->call.m;
	int r;

	if (m->nr == SYS_restart_syscall)
		return m->reissue && s->restart.live && s->restart.nr == m->nr ? 0 : -EPERM;
	r = sysc_permitted(m->nr, m->args);
	return r < 0 ? r : sysc_covered(m->nr, m->args, m->segments.data, m->segments.len);
}

static int enter(struct shepherd *s)
{
	struct user_regs_struct regs = s->idle_regs;
	uint64_t deadline = clock_mono_ns() + STEP_NS;
	int r;

	regs.rip = s->t.syscall_ip;
	regs.rax = s->call.resumed ? SYS_restart_syscall : s->call.m.nr;
	regs.orig_rax = ~0ULL;
	regs.rdi = s->call.args[0];
	regs.rsi = s->call.args[1];
	regs.rdx = s->call.args[2];
	regs.r10 = s->call.args[3];
	regs.r8 = s->call.args[4];
	regs.r9 = s->call.args[5];
	if (s->call.m.sp)
		regs.rsp = s->call.m.sp;
	r = tracee_set_regs(&s->t, &regs);
	if (r == 0)
		r = tracee_unmask(&s->t);
	if (r == 0)
		r = tracee_resume(&s->t, TRACEE_TO_SYSCALL, 0);
	if (r < 0)
		return r;
	s->deputy = DEPUTY_BUSY;
	s->call.signal_ignored = false;
	/* Most calls end at once: it is cheaper to wait for them here than to go round the loop. */
	for (int stops = 0; stops < 2; stops++) {
		r = tracee_wait(&s->t, stops ? clock_mono_ns() + QUICK_NS : deadline);
		if (r == -ETIMEDOUT && stops)
			return 0;
		if (r < 0)
			return r;
		if (s->t.stop != TRACEE_ENTER)
			break;
		r = tracee_resume(&s->t, TRACEE_TO_SYSCALL, 0);
		if (r < 0)
			return r;
	}
	return 1;
}

static int start(struct shepherd *s)
{
	struct user_regs_struct regs;
	int r = deputy_stop(s);

	if (r < 0)
		return r;
	if (s->signal_held) {
		/* The signal was there before the call: the call is made at home, after it. */
		s->call.refused = true;
		s->deputy = DEPUTY_HELD;
		return 1;
	}
	r = place(s);
	if (r < 0)
		return r;
	s->call.resumed = take_up(s);
	s->call.begun_ns = clock_mono_ns();
	r = enter(s);
	if (r <= 0)
		return r;
	/* It stopped: the result, or a signal, or the end of the process. */
	if (s->t.stop == TRACEE_EXIT && tracee_get_regs(&s->t, &regs) == 0 && !image_is_restart((int64_t)regs.rax) &&
	    (int64_t)regs.rax != -EINTR)
		return call_finish(s, (int64_t)regs.rax);
	return 1; /* deputy_on_event() must look at this stop */
}

int call_rerun(struct shepherd *s)
{
	int r = enter(s);

	return r < 0 ? r : 0;
}

int call_begin(struct shepherd *s, const uint8_t *body, size_t n)
{
	int r;

	if (s->deputy == DEPUTY_BUSY || s->deputy == DEPUTY_NONE || s->deputy == DEPUTY_STOPPED)
		return -EPROTO;
	buf_clear(&s->segments);
	r = buf_append(&s->segments, body, n);
	if (r == 0)
		r = wire_call_decode(&s->call.m, buf_head(&s->segments), n);
	if (r == 0)
		r = permitted(s);
	if (r == 0 && fault_point(FAULT_SHEP_CALL) < 0)
		deputy_lost(s, "fault point shep-call");
	if (r < 0)
		return r;
	count(s);
	return start(s);
}

int call_give_back(struct shepherd *s)
{
	if (!s->call.refused)
		return 0;
	s->call.refused = false;
	return answer(s, s->call.m.seq, -ERESTARTNOINTR_, (struct wire_bytes){0});
}

int call_refuse(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_call m;
	int r = wire_call_decode(&m, body, n);

	/* A reissued call is still the one that the kernel's code belongs to. */
	if (r == 0)
		r = answer(s, m.seq, -ERESTARTNOINTR_, (struct wire_bytes){0});
	return r;
}

static void on_park_end(void *arg)
{
	struct shepherd *s = arg;

	s->park_timer = NULL;
	if (s->deputy == DEPUTY_PARKED && deputy_idle(s) < 0)
		deputy_on_event(s); /* killed meanwhile */
}

/* A signal that the call itself has let in, or raised, is handled before the call returns: signal(7). */
static bool lets_signal_in(const struct shepherd *s, int64_t ret)
{
	return (s->call.m.nr == SYS_rt_sigprocmask || ret == -EPIPE || ret == -EFBIG) && inspect_pending(s->pid, 0);
}

int call_finish(struct shepherd *s, int64_t ret)
{
	struct wire_bytes seg = s->call.m.segments, out;
	int r = 0;

	s->call.lets_signal_in = lets_signal_in(s, ret);
	if (!s->moving && s->call.lets_signal_in) {
		/* Comes back here with the guest on its way to a stop. */
		shepherd_come_home(s, REASON_SIGNAL);
		return 0;
	}
	buf_clear(&s->answer);
	/* Also of an interrupted call: select() leaves there what is left of its time. */
	if (seg.len && !s->call.not_entered)
		r = sysc_collect(seg.data, seg.len, ret, read_placed, s, &s->answer);
	if (r == 0 && fault_point(FAULT_SHEP_REPLY) < 0)
		deputy_lost(s, "fault point shep-reply");
	if (r < 0)
		return r;
	out = (struct wire_bytes){s->answer.len ? buf_head(&s->answer) : NULL, s->answer.len};
	s->bytes_out += out.len;
	if (ret == -ERESTART_RESTARTBLOCK_) {
		s->restart.live = true;
		s->restart.nr = s->call.m.nr;
		s->restart.in_scratch = !s->call.in_place && seg.len;
		memcpy(s->restart.args, s->call.args, sizeof(s->restart.args));
	}
	if (s->trace)
		shepherd_say_trace(s, ret);
	r = answer(s, s->call.m.seq, ret, out);
	if (r < 0)
		return r;
	s->deputy = DEPUTY_PARKED;
	if (!s->moving && !s->park_timer)
		s->park_timer = loop_add_timer(s->loop, clock_mono_ns() + PARK_NS, on_park_end, s);
	return s->moving || s->park_timer ? 0 : deputy_idle(s);
}
