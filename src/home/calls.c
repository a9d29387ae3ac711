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
/* Where it lies if it can: far from where the guest's kernel puts what the guest maps. */
#define SCRATCH_AT 0x200000000000ULL
#define SCRATCH_SLOT ((uint64_t)64 << 20)
#define SCRATCH_SLOTS 1024

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

/* Calls that the kernel fails with EINTR when they are cut off, and so keeps no time for: args[3] is ms. A move cuts
 * them off unseen. */
static bool is_timed(unsigned nr)
{
	return nr == SYS_epoll_wait || nr == SYS_epoll_pwait;
}

static uint64_t ms_left(uint64_t end_ns)
{
	uint64_t now = clock_mono_ns();

	return end_ns > now ? (end_ns - now + NSEC_PER_MSEC - 1) / NSEC_PER_MSEC : 0;
}

/* Its time began when the call was made first. */
static void keep_time(struct deputy *d)
{
	unsigned nr = d->call.m.nr;
	int ms = (int)d->call.m.args[3];
	bool again = d->call.m.reissue && d->timed.end_ns && d->timed.nr == nr;

	if (!is_timed(nr) || ms <= 0) {
		d->timed.end_ns = 0;
		return;
	}
	d->timed.nr = nr;
	if (!again)
		d->timed.end_ns = clock_mono_ns() + (uint64_t)ms * NSEC_PER_MSEC;
	d->call.args[3] = ms_left(d->timed.end_ns);
}

void call_continue_time(const struct deputy *d, struct user_regs_struct *regs)
{
	if (d->timed.end_ns && regs->orig_rax == d->timed.nr && image_is_restart((int64_t)regs->rax))
		regs->r10 = ms_left(d->timed.end_ns);
}

static int map_scratch(struct deputy *d, uint64_t size, int64_t *ret)
{
	return tracee_syscall(&d->t, ret, SYS_mmap, SCRATCH_AT + (uint64_t)d->t.pid % SCRATCH_SLOTS * SCRATCH_SLOT,
			      size + IMAGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			      ~0ULL, 0);
}

/* A process that may not map much more (RLIMIT_AS) gets just what it needs, or -ENOMEM. */
static int grow_scratch(struct deputy *d, uint64_t size)
{
	uint64_t least = (size + IMAGE_PAGE - 1) & ~(IMAGE_PAGE - 1);
	int64_t at = 0, v;
	int r = tracee_mask_all(&d->t);

	if (r == 0 && d->scratch)
		r = tracee_syscall(&d->t, &v, SYS_munmap, d->scratch, d->scratch_size + IMAGE_PAGE, 0, 0, 0, 0);
	d->scratch = 0;
	size = size < SCRATCH_MIN ? SCRATCH_MIN : (size + 0xffff) & ~0xffffULL;
	if (r == 0)
		r = map_scratch(d, size, &at);
	if (r == 0 && at == -ENOMEM) {
		size = least;
		r = map_scratch(d, size, &at);
	}
	if (r < 0)
		return r;
	if (at < 0)
		return (int)at;
	d->scratch = (uint64_t)at;
	d->scratch_size = size;
	return tracee_unmask(&d->t);
}

int call_aside(struct deputy *d, uint64_t *ret)
{
	int r = d->scratch ? 0 : grow_scratch(d, 0);

	*ret = d->scratch + d->scratch_size;
	return r;
}

/* Puts the buffers of calls that sleep at the guest's own addresses; false when they are not mapped at home. */
static bool place_at_home(struct deputy *d)
{
	bool any = false;

	for (size_t i = 0; i < ARRAY_SIZE(in_place_args); i++) {
		uint64_t guest, len, *arg;
		uint8_t out[16];

		if (in_place_args[i].nr != d->call.m.nr)
			continue;
		any = true;
		guest = d->call.m.args[in_place_args[i].arg];
		arg = &d->call.args[in_place_args[i].arg];
		len = in_place_args[i].size;
		if (in_place_args[i].count_arg >= 0)
			len *= d->call.m.args[in_place_args[i].count_arg];
		if (!guest || *arg == guest || !len)
			continue;
		if (in_place_args[i].in) {
			if (*arg - d->scratch > d->image_size || len > d->image_size - (*arg - d->scratch) ||
			    tracee_write(&d->t, guest, d->local + (*arg - d->scratch), len) < 0)
				return false;
		} else if (tracee_read(&d->t, guest, out, sizeof(out)) < 0) {
			return false;
		}
		*arg = guest;
	}
	return any;
}

static int grow_local(struct deputy *d, size_t size)
{
	if (size <= d->local_size)
		return 0;
	free(d->local);
	d->local = malloc(size);
	d->local_size = d->local ? size : 0;
	return d->local ? 0 : -ENOMEM;
}

/* Lays the request out in the deputy's memory. */
int call_place(struct deputy *d)
{
	struct wire_bytes seg = d->call.m.segments;
	ssize_t size = seg.len ? sysc_scratch_size(seg.data, seg.len) : 0;
	ssize_t image = seg.len ? sysc_image_size(seg.data, seg.len) : 0;
	int r = 0;

	memcpy(d->call.args, d->call.m.args, sizeof(d->call.args));
	d->call.in_place = d->call.not_entered = false;
	if (size <= 0 || image < 0)
		return size < 0 || image < 0 ? -EPROTO : 0;
	if ((uint64_t)size > d->scratch_size)
		r = grow_scratch(d, (uint64_t)size);
	if (r == 0)
		r = grow_local(d, (size_t)image);
	d->image_size = (size_t)image;
	if (r == 0)
		r = sysc_place(seg.data, seg.len, d->scratch, d->local, d->image_size, d->call.args);
	if (r < 0)
		return r;
	d->call.in_place = place_at_home(d);
	return d->call.in_place || !image ? 0 : tracee_write(&d->t, d->scratch, d->local, d->image_size);
}

/* Reads a piece of what sysc_place() laid out, from wherever it really lies. */
static int read_placed(void *ctx, size_t off, void *p, size_t n)
{
	struct deputy *d = ctx;
	uint64_t addr = d->scratch + off;

	for (size_t i = 0; d->call.in_place && i < ARRAY_SIZE(in_place_args); i++) {
		uint64_t args[6], len = in_place_args[i].size;

		if (in_place_args[i].nr != d->call.m.nr)
			continue;
		if (in_place_args[i].count_arg >= 0)
			len *= d->call.m.args[in_place_args[i].count_arg];
		memcpy(args, d->call.m.args, sizeof(args));
		if (sysc_place(d->call.m.segments.data, d->call.m.segments.len, d->scratch, d->local, d->image_size,
			       args) < 0)
			return -EPROTO;
		if (addr - args[in_place_args[i].arg] < len)
			addr = d->call.m.args[in_place_args[i].arg] + (addr - args[in_place_args[i].arg]);
	}
	return tracee_read(&d->t, addr, p, n);
}

static int answer(struct shepherd *s, const struct wire_call *call, int64_t ret, struct wire_bytes segments)
{
	struct wire_reply m = {
	    .seq = call->seq, .tid = call->tid, .ret = ret, .home_mono_ns = clock_mono_ns(), .segments = segments};
	int r = wire_reply_encode(&m, link_out(s->link));

	return r < 0 ? r : shepherd_send(s);
}

int call_answer(struct deputy *d, int64_t ret)
{
	return answer(d->s, &d->call.m, ret, (struct wire_bytes){0});
}

static void count(struct deputy *d)
{
	struct shepherd *s = d->s;

	s->calls++;
	s->bytes_in += d->call.m.segments.len;
	if (d->call.m.nr < ARRAY_SIZE(s->counts))
		s->counts[d->call.m.nr].forwarded++;
	s->status_due = true;
}

/* The restart block's call is taken up again instead of being made anew, so that its time goes on. */
static bool take_up(struct deputy *d)
{
	bool same = d->restart.live && d->call.m.reissue && d->restart.nr == d->call.m.nr;

	d->restart.live = false;
	if (!same)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(in_place_args); i++) {
		if (in_place_args[i].nr == d->call.m.nr &&
		    d->restart.args[in_place_args[i].arg] != d->call.args[in_place_args[i].arg])
			return false;
	}
	return true;
}

static bool makes_thread(const struct wire_call *m)
{
	return (m->args[0] & IMAGE_THREAD_FLAGS) == IMAGE_THREAD_FLAGS;
}

/* The table's verdict, and the one call that is permitted only while the deputy has something to take up. */
static int permitted(struct deputy *d)
{
	const struct wire_call *m = &d->call.m;
	int r;

	if (m->nr == SYS_clone)
		return makes_thread(m) || fork_permitted(m->args[0]) ? 0 : -EPERM;
	if (m->nr == SYS_rt_sigreturn)
		return 0;
	if (m->nr == SYS_restart_syscall)
		return m->reissue && d->restart.live && d->restart.nr == m->nr ? 0 : -EPERM;
	/* The kernel would end the other threads, and the main one could change under our hands. */
	if (sysc_begins_program(m->nr, m->args) && d->s->threads_n > 1)
		return -EPERM;
	r = sysc_permitted(m->nr, m->args);
	return r < 0 ? r : sysc_covered(m->nr, m->args, m->segments.data, m->segments.len);
}

int call_entered(struct deputy *d)
{
	int r = d->call.cut ? tracee_interrupt(&d->t) : 0;

	return r < 0 ? r : tracee_resume(&d->t, TRACEE_TO_SYSCALL, 0);
}

static int enter(struct deputy *d)
{
	struct user_regs_struct regs = d->idle_regs;
	uint64_t deadline = clock_mono_ns() + STEP_NS;
	int r;

	regs.rip = d->t.syscall_ip;
	regs.rax = d->call.resumed ? SYS_restart_syscall : d->call.m.nr;
	regs.orig_rax = ~0ULL;
	regs.rdi = d->call.args[0];
	regs.rsi = d->call.args[1];
	regs.rdx = d->call.args[2];
	regs.r10 = d->call.args[3];
	regs.r8 = d->call.args[4];
	regs.r9 = d->call.args[5];
	if (d->call.m.sp)
		regs.rsp = d->call.m.sp;
	r = tracee_set_regs(&d->t, &regs);
	if (r == 0)
		r = tracee_unmask(&d->t);
	if (r == 0)
		r = tracee_resume(&d->t, TRACEE_TO_SYSCALL, 0);
	if (r < 0)
		return r;
	d->state = DEPUTY_BUSY;
	d->call.signal_ignored = d->call.done = false;
	/* Most calls end at once: it is cheaper to wait for them here than to go round the loop. */
	for (int stops = 0; stops < 2; stops++) {
		r = tracee_wait(&d->t, stops ? clock_mono_ns() + QUICK_NS : deadline);
		if (r == -ETIMEDOUT && stops)
			return 0;
		if (r < 0)
			return r;
		if (d->t.stop != TRACEE_ENTER)
			break;
		r = call_entered(d);
		if (r < 0)
			return r;
	}
	return 1;
}

int call_take_home(struct deputy *d, unsigned reason)
{
	d->call.refused = true;
	d->state = DEPUTY_HELD;
	shepherd_want_home(d->s, reason, d->call.m.nr);
	return 0;
}

int call_start(struct deputy *d)
{
	struct user_regs_struct regs;
	int r = call_place(d);

	if (r == -ENOMEM) /* at home the call needs no memory besides the process's own */
		return call_take_home(d, REASON_CALL_HOME);
	if (r < 0)
		return r;
	keep_time(d);
	d->call.resumed = take_up(d);
	d->call.begun_ns = clock_mono_ns();
	r = enter(d);
	if (r <= 0)
		return r;
	/* It stopped: the result, or a signal, or the end of the process. */
	if (d->t.stop == TRACEE_EXIT && tracee_get_regs(&d->t, &regs) == 0 &&
	    (d->call.cut || (!image_is_restart((int64_t)regs.rax) && (int64_t)regs.rax != -EINTR)))
		return call_finish(d, (int64_t)regs.rax);
	return 1; /* deputy_on_event() must look at this stop */
}

int call_rerun(struct deputy *d)
{
	if (d->timed.end_ns)
		d->call.args[3] = ms_left(d->timed.end_ns);
	return enter(d);
}

/* A signal came after the guest had made this call, and before it was begun here. At home there is next to no time
 * between the two; here there is what it takes to bring megabytes over, and whoever has set an alarm for a call that
 * sleeps is interrupted in it. So it is begun, and does what it can without sleeping. Calls that change the mask while
 * they sleep are not among these (the signal is one of the mask before), nor those that never sleep: they are made
 * after the handler. */
static bool begins_in_spite(const struct deputy *d)
{
	const struct sysc_row *row = sysc_row(d->call.m.nr);

	return row && sysc_may_block(d->call.m.nr) > 0 &&
	       (row->restart == SYSC_RESTART_SYS || row->restart == SYSC_RESTART_BLOCK);
}

int call_stand(struct deputy *d)
{
	int r = deputy_stop(d);

	if (r == 0 && d->signals_given != d->call.m.signals)
		r = signals_let_in(d); /* and with it the others that wait */
	if (r == 0 && !d->signal_held)
		r = stops_wait(d);
	if (r > 0)
		d->call.refused = true; /* until SIGCONT */
	if (r != 0 || (!d->signal_held && d->signals_given == d->call.m.signals))
		return r;
	if (d->signal_held) { /* it comes home first */
		d->call.refused = true;
		d->state = DEPUTY_HELD;
		return 1;
	}
	d->call.cut = begins_in_spite(d);
	if (d->call.cut)
		return 0;
	r = call_answer(d, -ERESTARTNOINTR_);
	return r < 0 ? r : deputy_idle(d) < 0 ? -EIO : 1;
}

int call_conclude(struct deputy *d, int r)
{
	if (r <= 0)
		return r;
	/* Refused, it waits for SIGCONT, for home, or for the next try; where its deputy stands is no news. */
	if (!d->call.refused)
		deputy_look(d);
	else if (shepherd_home_now(d->s))
		shepherd_come_home(d->s, REASON_SIGNAL);
	return 0;
}

static int make(struct deputy *d)
{
	const struct wire_call *m = &d->call.m;
	struct shepherd *s = d->s;
	int r;

	d->call.cut = false;
	if (m->nr == SYS_exit && s->threads_n > 1 && d == s->threads[0])
		return -EPROTO;
	r = call_stand(d);
	if (r == 0 && m->nr == SYS_clone)
		r = makes_thread(m) ? thread_create(d) : fork_process(d);
	else if (r == 0 && m->nr == SYS_exit && s->threads_n > 1)
		r = thread_exit(d, (int64_t)m->args[0]);
	else if (r == 0 && m->nr == SYS_rt_sigreturn)
		r = signals_return(d);
	else if (r == 0 && m->nr == SYS_mmap)
		r = deputy_map(d);
	else if (r == 0)
		r = view_concerns(d) ? view_begin(d) : call_start(d);
	return call_conclude(d, r);
}

int call_begin(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_call m;
	struct deputy *d;
	int r = wire_call_decode(&m, body, n);

	if (r < 0)
		return r;
	d = threads_find(s, (pid_t)m.tid);
	if (!d || d->state == DEPUTY_NONE || d->state == DEPUTY_BUSY || d->call.refused)
		return -EPROTO;
	/* The body is the link's, and gone with its next frame. */
	buf_clear(&d->segments);
	r = m.segments.len ? buf_append(&d->segments, m.segments.data, m.segments.len) : 0;
	m.segments.data = buf_head(&d->segments);
	d->call.m = m;
	if (r == 0)
		r = permitted(d);
	if (r == 0 && fault_point(FAULT_SHEP_CALL) < 0)
		deputy_lost(s, "fault point shep-call");
	if (r < 0)
		return r;
	count(d);
	if (m.nr == SYS_rt_sigaction)
		signals_forget_action(s, m.args[0]);
	return make(d);
}

int call_at_last(struct deputy *d)
{
	d->call.refused = false;
	d->state = DEPUTY_PARKED;
	return make(d);
}

int call_give_back(struct deputy *d)
{
	if (!d->call.refused)
		return 0;
	d->call.refused = d->view.asked = false;
	return call_answer(d, -ERESTARTNOINTR_);
}

int call_refuse(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_call m;
	int r = wire_call_decode(&m, body, n);

	/* A reissued call is still the one that the kernel's code belongs to. */
	if (r == 0)
		r = answer(s, &m, -ERESTARTNOINTR_, (struct wire_bytes){0});
	return r;
}

static void on_park_end(void *arg)
{
	struct deputy *d = arg;

	d->park_timer = NULL;
	if (d->state == DEPUTY_PARKED && deputy_idle(d) < 0)
		deputy_on_event(d->s); /* killed meanwhile */
}

/* What has come before the call returns is handled before: signal(7). May the call itself have let a signal in, or
 * raised one, which is not queued yet? */
static bool may_let_signal_in(const struct deputy *d, int64_t ret)
{
	if (tracee_signal_waits(&d->t))
		return true;
	switch (d->call.m.nr) {
	case SYS_rt_sigprocmask:
	case SYS_rt_sigreturn:
	case SYS_kill:
	case SYS_tkill:
	case SYS_tgkill:
	case SYS_rt_sigqueueinfo:
	case SYS_rt_tgsigqueueinfo:
	case SYS_pidfd_send_signal:
		return true;
	default:
		return ret == -EPIPE || ret == -EFBIG || ret == -EINTR || image_is_restart(ret);
	}
}

int call_finish(struct deputy *d, int64_t ret)
{
	struct shepherd *s = d->s;
	struct wire_bytes seg = d->call.m.segments, out;
	uint64_t given = d->signals_given, ignored = d->signals_ignored, end_ns = d->timed.end_ns;
	unsigned reason = 0;
	int r;

	if (exec_returned(d, ret))
		reason = REASON_EXEC;
	r = view_opened(d, ret);
	if (r < 0)
		return r;
	if (r > 0)
		reason = REASON_CALL_HOME;
	if (reason && !s->moving) {
		(void)call_take_home(d, reason);
		if (shepherd_home_now(s))
			shepherd_come_home(s, reason);
		return 0;
	}
	if (reason)
		ret = -ERESTARTNOINTR_;
	if (!image_is_restart(ret))
		d->timed.end_ns = 0;
	/* Those that come to a stopped process wait for SIGCONT. */
	if (d->t.group_stop) {
		r = stops_tell(s);
		if (r < 0)
			return r;
	} else if (may_let_signal_in(d, ret)) {
		d->call.done = true;
		d->call.result = ret;
		if (s->moving)
			s->lets_signal_in |= inspect_pending(d->t.pid, 0);
		else
			r = signals_let_in(d);
		if (r < 0)
			return r;
		if (!s->moving && d->signal_held) {
			/* Comes back here with the guest on its way to a stop. */
			shepherd_come_home(s, REASON_SIGNAL);
			return 0;
		}
		if (ret == -EINTR && is_timed(d->call.m.nr) && !s->moving && given == d->signals_given &&
		    ignored != d->signals_ignored) {
			d->timed.end_ns = end_ns;
			r = call_rerun(d);
			if (r > 0)
				deputy_look(d);
			return r < 0 ? r : 0;
		}
	}
	buf_clear(&d->answer);
	/* Also of an interrupted call: select() leaves there what is left of its time. */
	if (seg.len && !d->call.not_entered)
		r = sysc_collect(seg.data, seg.len, ret, read_placed, d, &d->answer);
	if (r == 0 && fault_point(FAULT_SHEP_REPLY) < 0)
		deputy_lost(s, "fault point shep-reply");
	if (r < 0)
		return r;
	out = (struct wire_bytes){d->answer.len ? buf_head(&d->answer) : NULL, d->answer.len};
	s->bytes_out += out.len;
	if (ret == -ERESTART_RESTARTBLOCK_) {
		d->restart.live = true;
		d->restart.nr = d->call.m.nr;
		d->restart.in_scratch = !d->call.in_place && seg.len;
		memcpy(d->restart.args, d->call.args, sizeof(d->restart.args));
	}
	if (s->trace)
		shepherd_say_trace(d, ret);
	r = answer(d->s, &d->call.m, ret, out);
	if (r < 0)
		return r;
	d->state = DEPUTY_PARKED;
	if (!s->moving && !d->park_timer)
		d->park_timer = loop_add_timer(s->loop, clock_mono_ns() + PARK_NS, on_park_end, d);
	return s->moving || d->park_timer ? 0 : deputy_idle(d);
}
