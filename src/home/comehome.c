/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a host to home.
 * Promise: the guest on the host is ended only after the process is whole again at home; a failure before that leaves
 * it on the host. Afterwards nothing of the shepherd is left in the process. Must not: lose the signal that it came
 * home for.
 */
#include "shepherd.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/log.h"
#include "../wire/reasons.h"

#define STALL_NS (30 * NSEC_PER_SEC)
#define LEAVE_NS (5 * NSEC_PER_SEC)

/* Receives the image into the deputy. */
static int rebuild(struct shepherd *s, struct builder *b, struct err *e)
{
	for (;;) {
		struct wire_header h;
		const uint8_t *body;
		int r = shepherd_recv(s->link, &h, &body, clock_mono_ns() + STALL_NS, e);

		if (r < 0)
			deputy_lost(s, e->text); /* the only whole copy was there */
		r = shepherd_stray_frame(s, &h, body);
		if (r < 0)
			return err_reason(e, REASON_PROTOCOL, r, "the host sends what it must not");
		if (r > 0)
			continue;
		r = builder_frame(b, &h, body, e);
		if (r != 0)
			return r < 0 ? r : 0;
	}
}

void shepherd_drain_image(struct shepherd *s)
{
	struct wire_header h;
	const uint8_t *body;
	struct err e;

	do {
		if (shepherd_recv(s->link, &h, &body, clock_mono_ns() + STALL_NS, &e) < 0)
			deputy_lost(s, e.text);
		/* A call or a page that the guest waits for comes before its image. */
		if (shepherd_stray_frame(s, &h, body) < 0)
			deputy_lost(s, "the host sends what it must not");
	} while (h.type != WIRE_IMAGE_END);
}

/* Queued anew, with everything that its siginfo says: only the process itself may do that (a sender's si_code may not
 * be forged by others, rt_tgsigqueueinfo(2)). It stays blocked until the process goes on. */
static int queue_anew(struct deputy *d, const siginfo_t *info, bool without_handler)
{
	static const struct sigframe_action none;
	uint64_t sig = (uint64_t)info->si_signo;
	int64_t at = 0, v = 0;
	int r = tracee_syscall(&d->t, &at, SYS_mmap, 0, IMAGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			       ~0ULL, 0);

	if (r == 0 && without_handler)
		r = tracee_write(&d->t, (uint64_t)at, &none, sizeof(none));
	if (r == 0 && without_handler)
		r = tracee_syscall(&d->t, &v, SYS_rt_sigaction, sig, (uint64_t)at, 0, sizeof(uint64_t), 0, 0);
	if (r == 0)
		r = tracee_write(&d->t, (uint64_t)at, info, sizeof(*info));
	if (r == 0)
		r = tracee_syscall(&d->t, &v, SYS_rt_tgsigqueueinfo, (uint64_t)d->s->pid, (uint64_t)d->t.pid, sig,
				   (uint64_t)at, 0, 0);
	if (r == 0 && v < 0)
		r = (int)v;
	if (r == 0)
		r = tracee_syscall(&d->t, &v, SYS_munmap, (uint64_t)at, IMAGE_PAGE, 0, 0, 0, 0);
	return r;
}

/* What has no handler that could begin at once. */
static int requeue_signal(struct deputy *d, struct err *e)
{
	int r;

	if (!d->signal_held || d->requeued)
		return 0;
	r = queue_anew(d, &d->held, false);
	d->requeued = r == 0;
	return r < 0 ? err_set(e, r, "signal %d cannot be queued again: %s", d->held.si_signo, strerror(-r)) : 0;
}

/* A handler that finds no stack becomes a SIGSEGV: kernel/signal.c, signal_setup_done(), force_sig_info_to_task(). Its
 * own handler may know what to do about that; else it is the end, whatever was said about the signal. */
static int fault_for_stack(struct deputy *d, struct err *e)
{
	siginfo_t info = {.si_signo = SIGSEGV, .si_code = SI_KERNEL};
	uint64_t bit = 1ULL << (SIGSEGV - 1);
	bool last;
	int r;

	if (!d->no_stack)
		return 0;
	r = inspect_signals(d->t.pid, &d->s->facts);
	last = d->no_stack == SIGSEGV || !(d->s->facts.sig_caught & bit) || (d->t.saved_mask & bit);
	if (r == 0)
		r = queue_anew(d, &info, last);
	if (r < 0)
		return err_set(e, r, "SIGSEGV cannot be queued: %s", strerror(-r));
	if (last)
		d->t.saved_mask &= ~bit;
	d->no_stack = 0;
	return 0;
}

/* A call that sleeps in the kernel's restart block with its buffers in our scratch memory, which is now gone. */
static void mend_restart(const struct deputy *d, struct image_thread *h)
{
	call_continue_time(d, &h->regs);
	if ((int64_t)h->regs.orig_rax >= 0 && (int64_t)h->regs.rax == -ERESTART_RESTARTBLOCK_ &&
	    (!d->restart.live || d->restart.in_scratch))
		h->regs.rax = (uint64_t)-ERESTARTNOINTR_;
}

/* What the kernel knows of the thread already need not be said again. */
static int make_thread_whole(struct deputy *d, struct builder *b, struct err *e)
{
	struct image_thread *image = image_threads_find(&b->threads, d->t.pid);
	int r;

	if (!image)
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "the image has no thread %d", d->t.pid);
	if (image->robust_ptr == d->image->robust_ptr && image->robust_len == d->image->robust_len)
		image->robust_len = 0;
	if (image->tid_address == d->image->tid_address)
		image->tid_address = 0;
	r = tracee_mask_all(&d->t);
	if (r == 0)
		r = builder_finish_thread(b, &d->t, image, e);
	if (r == 0)
		mend_restart(d, image);
	if (r == 0 && d->signal_held && !d->requeued)
		r = signals_begin_at_home(d, &image->regs);
	if (r > 0)
		r = requeue_signal(d, e);
	return r < 0 ? r : fault_for_stack(d, e);
}

static int make_whole(struct shepherd *s, struct builder *b, struct err *e)
{
	int r = tracee_mask_all(main_tracee(s));

	if (r == 0)
		r = builder_init_deputy(b, main_tracee(s), &s->maps);
	if (r == 0)
		r = rebuild(s, b, e);
	if (r == 0)
		r = builder_finish(b, e);
	if (r == 0 && b->threads.n != s->threads_n)
		r = err_reason(e, REASON_PROTOCOL, -EPROTO, "the image has other threads than the process");
	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = make_thread_whole(s->threads[i], b, e);
	if (r == 0 && fault_point(FAULT_SHEP_REBUILT) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-rebuilt");
	if (r < 0 && !e->code)
		(void)err_set(e, r, "the process cannot be made whole at home: %s", strerror(-r));
	return r;
}

/* The guest goes on where it was; the deputy becomes one again, and stands still if it holds a signal. */
static void stay_away(struct shepherd *s, struct builder *b, const struct err *e)
{
	struct err again = {0};

	log_warn("process %d stays on %s: %s", s->pid, s->host, e->text);
	shepherd_say_moved(s, e, 0);
	if (!b->complete)
		shepherd_drain_image(s);
	/* What was rebuilt so far has the image's mappings: drop their memory again. */
	for (size_t i = 0; i < s->threads_n; i++) {
		const struct image_thread *image = image_threads_find(&b->threads, s->threads[i]->t.pid);

		if (image) /* registered again, if it came so far */
			s->threads[i]->image->rseq = image->rseq;
	}
	if (maps_read(&s->maps, s->pid, true, &again) < 0 || deputy_make(s, &again) < 0 ||
	    wire_resume_encode(&(struct wire_resume){0}, link_out(s->link)) < 0)
		deputy_lost(s, again.text);
	(void)!shepherd_send(s);
	s->moving = false;
	s->heard_ns = clock_mono_ns();
	builder_release(b);
	shepherd_try_again(s, e);
}

/* Whatever becomes of us after that, the process goes on rightly. */
static int let_go(struct shepherd *s, struct builder *b)
{
	uint64_t deadline = clock_mono_ns() + LEAVE_NS;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = tracee_settle(&s->threads[i]->t, &image_threads_find(&b->threads, s->threads[i]->t.pid)->regs,
				  deadline);
	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = tracee_leave(&s->threads[i]->t, &image_threads_find(&b->threads, s->threads[i]->t.pid)->regs,
				 deadline);
	return r;
}

void shepherd_is_home(struct shepherd *s, unsigned reason, const struct err *e, uint64_t freeze_ns)
{
	(void)strcpy(s->host, "");
	shepherd_say_status(s);
	shepherd_say_moved(s, e, freeze_ns);
	shepherd_end(s, HELPER_END_HOME, reason, "process %d (%s) is home: %s%s%s", s->pid, s->facts.comm,
		     reason_sentence(reason), s->home_nr ? ": " : "", s->home_nr ? sysc_name(s->home_nr) : "");
}

void shepherd_come_home(struct shepherd *s, unsigned reason)
{
	struct err e = {0};

	if (reason != REASON_REQUESTED && !s->want_home) {
		s->want_home = true;
		s->home_reason = reason;
		s->home_nr = 0;
	}
	if (s->lent || !s->link)
		return; /* as soon as its child has left its memory, or the host has it */
	if (reason == REASON_SIGNAL || reason == REASON_REQUESTED) {
		s->brought_home += reason == REASON_SIGNAL && !s->again.failed;
		s->last_home_reason = reason;
	}
	if (shepherd_freeze_guest(s, &e) < 0) {
		log_warn("process %d stays on %s: %s", s->pid, s->host, e.text);
		shepherd_say_moved(s, &e, 0);
		shepherd_try_again(s, &e);
		return;
	}
	shepherd_take_home(s, reason);
}

void shepherd_take_home(struct shepherd *s, unsigned reason)
{
	struct builder *b = calloc(1, sizeof(*b));
	struct err e = {0};
	uint64_t freeze_ns;
	int r;

	if (!b)
		deputy_lost(s, "out of memory");
	for (size_t i = 0; i < s->threads_n; i++)
		prompt_raise(s->threads[i]->t.pid, &s->threads[i]->prompt);
	r = make_whole(s, b, &e);
	for (size_t i = 0; i < s->threads_n; i++)
		prompt_restore(s->threads[i]->t.pid, &s->threads[i]->prompt);
	if (r < 0) {
		stay_away(s, b, &e);
		free(b);
		return;
	}
	view_come_home(s);
	shepherd_kill_guest(s->link);
	if (fault_point(FAULT_SHEP_KILL_SENT) < 0)
		deputy_lost(s, "fault point shep-kill-sent");
	r = let_go(s, b);
	if (r < 0 && r != -ESRCH)
		deputy_lost(s, "the process cannot be let go at home");
	freeze_ns = clock_mono_ns() - s->frozen_ns;
	s->move_bytes = b->bytes;
	s->cpu_us = (b->head.used.user + b->head.used.sys) / NSEC_PER_USEC;
	s->cpu_sys_us = b->head.used.sys / NSEC_PER_USEC;
	e.code = 0;
	shepherd_is_home(s, reason, &e, freeze_ns);
}
