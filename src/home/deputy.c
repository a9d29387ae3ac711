/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The deputy: the original task, without its memory, held by ptrace.
 * Promise: it runs only pause() or a call of its guest, with its own signal mask; a signal that matters is never taken
 * from it without being delivered at home. Must not: have code or descriptors of ours inside.
 */
#include "shepherd.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/file.h"
#include "../base/log.h"
#include "../wire/reasons.h"

#define STEP_NS (5 * NSEC_PER_SEC)
#define END_NS (60 * NSEC_PER_SEC) /* a core dump may take its time */
#define EXITING 4U /* PF_EXITING of the flags in /proc/PID/stat, linux/sched.h */
#define SETTLE_NS (2 * NSEC_PER_SEC)

static int drop_range(struct shepherd *s, uint64_t start, uint64_t end)
{
	int64_t v;

	/* Gaps inside make it say -ENOMEM, but only after all the rest was dropped: madvise(2). */
	return start < end ? tracee_syscall(main_tracee(s), &v, SYS_madvise, start, end - start, MADV_DONTNEED, 0, 0, 0)
			   : 0;
}

/* Drops every page that only this process has, in few calls: each costs two stops. */
static int drop_memory(struct shepherd *s)
{
	/* ps(1) reads the arguments and the environment from the process's own stack: these pages stay. */
	uint64_t keep = s->facts.mm.arg_start & ~(IMAGE_PAGE - 1);
	uint64_t keep_end = (s->facts.mm.env_end + IMAGE_PAGE - 1) & ~(IMAGE_PAGE - 1);
	uint64_t start = 0, end = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->maps.n; i++) {
		const struct image_vma *m = &s->maps.v[i];
		bool holds_args = m->start <= keep && keep_end <= m->end && keep < keep_end;

		if (!(m->flags & (VMA_VDSO | VMA_VVAR | VMA_SHARED)) && !holds_args) {
			start = end ? start : m->start;
			end = m->end;
			continue;
		}
		r = drop_range(s, start, end);
		start = end = 0;
		if (r == 0 && holds_args)
			r = drop_range(s, m->start, keep);
		if (r == 0 && holds_args)
			r = drop_range(s, keep_end, m->end);
	}
	return r < 0 ? r : drop_range(s, start, end);
}

/* What the kernel would write into memory whenever the task is preempted. */
static int drop_rseq(struct deputy *d)
{
	int64_t v;

	return d->image->rseq.ptr ? tracee_syscall(&d->t, &v, SYS_rseq, d->image->rseq.ptr, d->image->rseq.len,
						   1 /* UNREGISTER */, d->image->rseq.sig, 0, 0)
				  : 0;
}

int deputy_make(struct shepherd *s, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->threads_n; i++) {
		struct deputy *d = s->threads[i];

		r = tracee_exitkill(&d->t, true);
		if (r == 0)
			r = tracee_mask_all(&d->t);
		if (r == 0)
			r = drop_rseq(d);
		d->scratch = 0;
		d->scratch_size = 0;
	}
	if (r == 0)
		r = drop_memory(s);
	/* Segments and flags of a task; the rest is set for each call. */
	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = tracee_get_regs(&s->threads[i]->t, &s->threads[i]->idle_regs);
	if (r == 0 && fault_point(FAULT_SHEP_DEPUTY) < 0)
		r = -EIO;
	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = deputy_idle(s->threads[i]);
	return r < 0 ? err_set(e, r, "process %d cannot be made a deputy: %s", s->pid, strerror(-r)) : 0;
}

int deputy_idle_all(struct shepherd *s)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->threads_n; i++) {
		if (s->threads[i]->t.stop != TRACEE_RUNNING && s->threads[i]->state != DEPUTY_BUSY)
			r = deputy_idle(s->threads[i]);
	}
	return r;
}

struct user_regs_struct deputy_asleep(const struct deputy *d)
{
	struct user_regs_struct regs = d->idle_regs;

	regs.rip = d->t.syscall_ip;
	regs.rax = SYS_pause;
	regs.orig_rax = ~0ULL;
	return regs;
}

int deputy_idle(struct deputy *d)
{
	struct user_regs_struct regs = deputy_asleep(d);
	int r;

	if (d->signal_held || d->no_stack) { /* a second one would take its place */
		d->state = DEPUTY_HELD;
		return 0;
	}
	r = stops_wait(d);
	if (r != 0)
		return r < 0 ? r : 0;
	r = tracee_set_regs(&d->t, &regs);
	if (r == 0 && !d->unborn)
		r = tracee_unmask(&d->t);
	if (r == 0)
		r = tracee_resume(&d->t, TRACEE_CONT, 0);
	if (r == 0)
		d->state = DEPUTY_IDLE;
	return r;
}

/* Takes all that is left of a process that ends: the main thread's end is only told when the others' were taken. */
static void reap(struct shepherd *s)
{
	uint64_t deadline = clock_mono_ns() + END_NS;

	for (size_t i = s->threads_n; i-- > 0;) {
		struct tracee *t = &s->threads[i]->t;

		while (t->stop != TRACEE_ENDED) {
			/* The end may be by the signal that it stands before. */
			if (t->stop != TRACEE_RUNNING)
				(void)!tracee_resume(t, TRACEE_CONT, t->stop == TRACEE_SIGNAL ? t->sig : 0);
			if (tracee_wait(t, deadline) < 0)
				break;
		}
	}
}

void deputy_lost(struct shepherd *s, const char *why)
{
	deputy_lost_for(s, REASON_LINK_LOST, why);
}

/* Somebody else has ended the process: that we cannot go on with it is no loss of ours. */
static bool ends_already(const struct shepherd *s)
{
	struct proc_stat st;

	return proc_read_stat(s->pid, &st) < 0 || st.state == 'Z' || st.state == 'X' || (st.flags & EXITING) ||
	       inspect_pending(s->pid, SIGKILL);
}

void deputy_lost_for(struct shepherd *s, unsigned reason, const char *why)
{
	if (ends_already(s))
		process_ended(s);
	exec_await(s);
	if (main_tracee(s)->stop != TRACEE_ENDED)
		(void)kill(s->pid, SIGKILL);
	reap(s);
	shepherd_end(s, HELPER_END_LOST, reason, "process %d (%s) on %s was lost and is ended by SIGKILL: %s", s->pid,
		     s->facts.comm, s->host, why);
}

static bool bit(uint64_t mask, int sig)
{
	return (mask >> (sig - 1)) & 1;
}

enum verdict { IGNORED, FATAL, STOPS, HANDLED, MATTERS };

/* What the kernel would do with the signal: signal(7). */
static enum verdict judge(struct deputy *d, int sig)
{
	struct shepherd *s = d->s;

	if (sig == SIGKILL)
		return FATAL;
	if (inspect_signals(d->t.pid, &s->facts) < 0)
		return MATTERS;
	if (bit(s->facts.sig_caught, sig))
		return HANDLED;
	if (bit(s->facts.sig_ignored, sig) && sig != SIGSTOP)
		return IGNORED;
	switch (sig) {
	case SIGCHLD:
	case SIGURG:
	case SIGWINCH:
	case SIGCONT:
		return IGNORED;
	case SIGSTOP:
	case SIGTSTP:
	case SIGTTIN:
	case SIGTTOU:
		return STOPS;
	case SIGQUIT:
	case SIGILL:
	case SIGTRAP:
	case SIGABRT:
	case SIGBUS:
	case SIGFPE:
	case SIGSEGV:
	case SIGXCPU:
	case SIGXFSZ:
	case SIGSYS:
		/* A core file needs the memory. */
		return s->facts.limit_core ? MATTERS : FATAL;
	default:
		return FATAL;
	}
}

/* What the kernel has answered to the call that a signal came into. */
static int note_result(struct deputy *d)
{
	struct user_regs_struct regs;
	int r = tracee_get_regs(&d->t, &regs);

	if (r < 0)
		return r;
	d->call.result = (int64_t)regs.rax;
	/* The signal was there before the call was entered, or entered anew: rax is a number, not a result. */
	d->call.not_entered = regs.rip == d->t.syscall_ip;
	if (d->call.not_entered)
		d->call.result = regs.rax == SYS_restart_syscall ? -ERESTART_RESTARTBLOCK_ : -ERESTARTNOINTR_;
	d->call.done = true;
	return 0;
}

enum arrival {
	PASSED, /* the deputy runs on */
	GIVEN, /* the guest has it; the deputy stands */
	HELD, /* the process must come home for it */
};

/* The deputy stands before a signal. */
static enum arrival signal_arrived(struct deputy *d)
{
	struct shepherd *s = d->s;
	enum verdict v = judge(d, d->t.sig);
	int r = 0;

	if (v == IGNORED || v == FATAL || v == STOPS) {
		d->call.signal_ignored = d->state == DEPUTY_BUSY && v != STOPS;
		d->signals_ignored += v == IGNORED;
		r = tracee_resume(&d->t, d->state == DEPUTY_BUSY ? TRACEE_TO_SYSCALL : TRACEE_CONT, d->t.sig);
	} else {
		siginfo_t info = d->t.info;
		bool give = v == HANDLED && signals_may_hand_over(d);

		if (d->state == DEPUTY_BUSY)
			r = note_result(d);
		if (r == 0 && give)
			r = signals_hand_over(d);
		if (r == 0 && give)
			return GIVEN;
		d->held_frame = false;
		if (r == 0 && v == HANDLED)
			r = signals_hold(d);
		if (r >= 0) {
			d->signal_held = true;
			d->held = info;
			s->want_home = true;
			s->home_reason = REASON_SIGNAL;
			return HELD;
		}
	}
	if (r < 0 && r != -ESRCH)
		deputy_lost(s, "a signal cannot be delivered");
	d->t.stop = TRACEE_RUNNING; /* killed, if it is not: the end follows */
	return PASSED;
}

/* The guest has the signal; its call, if it was in one, has been cut off or is done. */
static void signal_given(struct deputy *d)
{
	struct shepherd *s = d->s;
	int r;

	if (d->state == DEPUTY_BUSY) {
		r = call_finish(d, d->call.result);
	} else {
		r = signals_let_in(d);
		if (r == 0 && !d->signal_held)
			r = deputy_idle(d);
		else if (r == 0 && shepherd_home_now(s))
			shepherd_come_home(s, REASON_SIGNAL);
	}
	if (r < 0 && r != -ESRCH)
		deputy_lost(s, "the deputy cannot be resumed");
}

void process_ended(struct shepherd *s)
{
	reap(s);
	if (s->link)
		shepherd_kill_guest(s->link);
	shepherd_end(s, HELPER_END_DONE, 0, "process %d (%s) has ended (status %#x)", s->pid, s->facts.comm,
		     main_tracee(s)->status);
}

/* The call has left the kernel, with a result or with a restart code. */
static void at_exit(struct deputy *d)
{
	struct shepherd *s = d->s;
	struct user_regs_struct regs;
	const struct sysc_row *row = sysc_row(d->call.m.nr);
	int64_t ret;

	if (tracee_get_regs(&d->t, &regs) < 0)
		return; /* killed: the end follows */
	ret = (int64_t)regs.rax;
	if (image_is_restart(ret) && !d->call.cut) {
		/* A signal is there. It shows at the next stop, or the kernel restarts the call by itself. */
		(void)!tracee_resume(&d->t, TRACEE_TO_SYSCALL, 0);
		return;
	}
	if (ret == -EINTR && !d->call.cut && d->call.signal_ignored && row && row->restart == SYSC_RESTART_NONE) {
		int r = call_rerun(d);

		if (r < 0)
			deputy_lost(s, "the call cannot be made again");
		if (r > 0)
			deputy_look(d);
		return;
	}
	if (call_finish(d, ret) < 0)
		deputy_lost(s, "the result cannot be sent");
}

/* Job control stops it or lets it go on, or an interrupt of ours has come late. */
static void at_event(struct deputy *d)
{
	bool stopped = d->t.stop == TRACEE_GROUP;
	int r;

	if (d->state == DEPUTY_STOPPED && !stopped) {
		r = stops_ended(d);
	} else {
		r = stops_tell(d->s);
		if (r == 0 && d->state == DEPUTY_BUSY)
			r = tracee_resume(&d->t, stopped ? TRACEE_LISTEN : TRACEE_TO_SYSCALL, 0);
		else if (r == 0 && stopped)
			r = deputy_idle(d);
		else if (r == 0)
			r = tracee_resume(&d->t, TRACEE_CONT, 0);
	}
	if (r < 0 && r != -ESRCH)
		deputy_lost(d->s, "the deputy cannot be resumed");
}

void deputy_look(struct deputy *d)
{
	struct shepherd *s = d->s;

	switch (d->t.stop) {
	case TRACEE_ENDED:
		process_ended(s);
		break;
	case TRACEE_ENTER:
		(void)!call_entered(d);
		break;
	case TRACEE_EXIT:
		at_exit(d);
		break;
	case TRACEE_SIGNAL:
	case TRACEE_STEP:
		switch (signal_arrived(d)) {
		case GIVEN:
			signal_given(d);
			break;
		case HELD:
			if (shepherd_home_now(s))
				shepherd_come_home(s, REASON_SIGNAL);
			break;
		default:
			break;
		}
		break;
	case TRACEE_EVENT:
	case TRACEE_GROUP:
		at_event(d);
		break;
	default:
		break;
	}
}

void deputy_on_event(struct shepherd *s)
{
	bool more;

	/* The end of a coming home frees nothing that is used here: it ends this program. */
	do {
		more = false;
		for (size_t i = 0; s->host[0] && i < s->threads_n; i++) {
			struct deputy *d = s->threads[i];

			if (tracee_poll(&d->t) <= 0)
				continue;
			deputy_look(d);
			more = true;
			break; /* the list may have changed */
		}
	} while (more);
}

int deputy_stop(struct deputy *d)
{
	if (d->park_timer) {
		loop_remove(d->park_timer);
		d->park_timer = NULL;
	}
	while (d->t.stop == TRACEE_RUNNING) {
		int r = tracee_interrupt(&d->t);

		if (r == 0)
			r = tracee_wait(&d->t, clock_mono_ns() + STEP_NS);
		if (r < 0)
			return r;
		if (d->t.stop == TRACEE_ENDED)
			process_ended(d->s);
		if (d->t.stop == TRACEE_SIGNAL)
			(void)signal_arrived(d);
		else if (d->t.stop == TRACEE_EVENT || d->t.stop == TRACEE_GROUP)
			r = stops_tell(d->s);
		if (r < 0)
			return r;
	}
	return 0;
}

int deputy_take_stop(struct deputy *d)
{
	if (d->t.stop == TRACEE_ENDED)
		process_ended(d->s);
	if (d->t.stop == TRACEE_SIGNAL)
		(void)signal_arrived(d);
	return deputy_stop(d);
}

int deputy_settle(struct deputy *d, int64_t *ret, struct err *e)
{
	struct shepherd *s = d->s;
	uint64_t deadline = clock_mono_ns() + SETTLE_NS;
	int r = 0;

	/* Held at a signal, the result is known; stopped by job control, that it is to go on. The signal for which the
	 * call has left the kernel may come only now. */
	while (!d->call.done && d->t.stop != TRACEE_EXIT && d->t.stop != TRACEE_GROUP) {
		if (d->t.stop == TRACEE_SIGNAL) {
			(void)signal_arrived(d);
		} else if (d->t.stop == TRACEE_RUNNING) {
			r = tracee_interrupt(&d->t);
			if (r == 0)
				r = tracee_wait(&d->t, deadline);
		} else {
			r = tracee_resume(&d->t, TRACEE_TO_SYSCALL, 0);
		}
		if (r < 0)
			return err_reason(e, REASON_UNINTERRUPTIBLE, r, "call %s of process %d cannot be interrupted",
					  sysc_name(d->call.m.nr), s->pid);
		if (d->t.stop == TRACEE_ENDED)
			process_ended(s);
	}
	r = d->call.done ? 0 : note_result(d);
	if (r < 0)
		return err_set(e, r, "the deputy's registers cannot be read");
	*ret = d->call.result;
	return 0;
}
