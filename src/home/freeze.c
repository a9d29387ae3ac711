/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bringing a process at home to a stop in which it can be taken, and letting it go again.
 * Promise: all its threads stand, outside of the vdso and before no signal, and their own registers are known; or it
 * goes on as if nothing had been. Only for the moment in which it answers questions with our registers does a SIGKILL
 * of this program end it. Must not: inject anything but brk(0) and a few questions.
 */
#include "shepherd.h"

#include <errno.h>
#include <linux/futex.h>
#include <linux/prctl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/log.h"
#include "../wire/reasons.h"

#define FREEZE_NS (500 * NSEC_PER_MSEC)
/* Once registers of ours are in place, giving up is worse than waiting: a busy machine may take this long. */
#define COME_BACK_NS (20 * NSEC_PER_SEC)
#define USER_CS 0x33 /* 64-bit code segment */

static bool is_thread(const struct shepherd *s, pid_t tid)
{
	char path[60];

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d", s->pid, tid);
	return access(path, F_OK) == 0;
}

/* A process that clone() has made with another signal than SIGCHLD for its end is announced like a thread. */
static void let_child_go(struct deputy *d, uint64_t deadline)
{
	struct tracee t;

	tracee_init_child(&t, d->t.child, &d->t);
	if (tracee_wait(&t, deadline) < 0 || t.stop == TRACEE_ENDED || tracee_detach(&t, 0) < 0)
		log_warn("child %d of process %d could not be let go in order", d->t.child, d->s->pid);
	tracee_release(&t);
}

/* Waits for a stop. Threads that are made meanwhile join the list, standing at their beginning. */
static int await_stop(struct deputy *d, uint64_t deadline)
{
	for (;;) {
		struct deputy *child;
		int r = tracee_wait(&d->t, deadline);

		if (r < 0 || d->t.stop != TRACEE_CLONE)
			return r;
		if (is_thread(d->s, d->t.child)) {
			child = threads_add(d->s, d->t.child);
			if (!child)
				return -ENOMEM;
			tracee_init_child(&child->t, d->t.child, &d->t);
		} else {
			let_child_go(d, deadline);
		}
		/* Any stop uses up an interrupt: kernel/signal.c, ptrace_stop(). */
		r = tracee_interrupt(&d->t);
		if (r == 0)
			r = tracee_resume(&d->t, TRACEE_CONT, 0);
		if (r < 0)
			return r;
	}
}

/* Seizes the threads that are not in the list yet. 1: there was one. */
static int seize_new(struct shepherd *s, struct err *e)
{
	_cleanup_free_ pid_t *tids = NULL;
	ssize_t n = inspect_threads(s->pid, &tids);
	int found = 0;

	if (n < 0)
		return err_reason(e, REASON_NO_SUCH_PROCESS, -ESRCH, "process %d has just ended", s->pid);
	for (ssize_t i = 0; i < n; i++) {
		struct err why = {0};
		struct deputy *d;
		int r;

		if (threads_find(s, tids[i]))
			continue;
		d = threads_add(s, tids[i]);
		if (!d)
			return err_set(e, -ENOMEM, "out of memory");
		r = tracee_seize(&d->t, &why);
		if (r == 0)
			r = tracee_interrupt(&d->t);
		if (r == 0) {
			found = 1;
			continue;
		}
		threads_remove(d);
		/* A thread may just have ended, or have been made by one that we trace: then it is announced. */
		if (i > 0 && (r == -ESRCH || r == -EPERM)) {
			found |= r == -EPERM;
			continue;
		}
		return err_reason(e, REASON_TRACED, r, "%s", why.text);
	}
	return found;
}

/* Until no thread is found that does not stand. */
static int stop_all(struct shepherd *s, uint64_t deadline, struct err *e)
{
	int r;

	while ((r = seize_new(s, e)) > 0) {
		if (clock_mono_ns() > deadline)
			return err_reason(e, REASON_BUSY, -EAGAIN, "process %d makes threads all the time", s->pid);
		for (size_t i = 0; i < s->threads_n; i++) {
			struct deputy *d = s->threads[i];

			if (d->t.stop == TRACEE_RUNNING && await_stop(d, deadline) < 0)
				return err_reason(e, REASON_UNINTERRUPTIBLE, -ETIMEDOUT,
						  "process %d does not stop: it waits in the kernel", s->pid);
			if (d->t.stop != TRACEE_ENDED)
				continue;
			if (i == 0)
				return err_reason(e, REASON_NO_SUCH_PROCESS, -ESRCH, "process %d has just ended",
						  s->pid);
			threads_remove(d);
			i--;
		}
	}
	return r;
}

/* One thread, to a point where it can be taken: no signal under way, outside of the vdso. */
static int stand(struct deputy *d, uint64_t deadline, struct err *e)
{
	struct shepherd *s = d->s;
	uint64_t sigtrap = 1ULL << (SIGTRAP - 1);
	bool can_step;
	int r;

	for (int tries = 0; tries < 100; tries++) {
		r = d->t.stop == TRACEE_RUNNING ? tracee_interrupt(&d->t) : 0;
		if (r == 0 && d->t.stop == TRACEE_RUNNING)
			r = await_stop(d, deadline);
		while (r == 0 && d->t.stop == TRACEE_SIGNAL) {
			r = tracee_resume(&d->t, TRACEE_CONT, d->t.sig);
			if (r == 0)
				r = await_stop(d, deadline);
		}
		if (r < 0)
			return err_reason(e, REASON_UNINTERRUPTIBLE, r,
					  "process %d does not stop: it waits in the kernel", s->pid);
		if (d->t.stop == TRACEE_ENDED)
			return err_reason(e, REASON_NO_SUCH_PROCESS, -ESRCH, "process %d has just ended", s->pid);
		if (d->t.stop == TRACEE_GROUP || !inspect_pending(d->t.pid, 0)) /* a signal under way goes first */
			break;
		/* Interrupted anew at once it would stop again before the signal: kernel/signal.c, get_signal(). */
		r = tracee_resume(&d->t, TRACEE_CONT, 0);
		if (r == 0)
			r = await_stop(d, deadline);
		if (r == 0 && d->t.stop == TRACEE_SIGNAL)
			r = tracee_resume(&d->t, TRACEE_CONT, d->t.sig);
		if (r < 0)
			return err_set(e, r, "process %d cannot be resumed", s->pid);
	}
	/* Not before it stands: it could see its own priority. */
	if (d->t.stop != TRACEE_RUNNING)
		prompt_raise(d->t.pid, &d->prompt);
	if (d->t.stop == TRACEE_GROUP)
		return 0;
	if (d->t.stop == TRACEE_RUNNING)
		return err_reason(e, REASON_BUSY, -EAGAIN, "process %d gets signals all the time", s->pid);
	can_step = !((s->facts.sig_blocked | s->facts.sig_ignored) & sigtrap);
	r = capture_step_out(&d->t, s->maps.vdso_start, s->maps.vdso_end, can_step, deadline);
	return r < 0 ? err_reason(e, REASON_BUSY, r, "process %d reads the clock all the time", s->pid) : 0;
}

int freeze_process(struct shepherd *s, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + FREEZE_NS;
	int r;

	s->frozen_ns = clock_mono_ns();
	threads_clear(s);
	r = stop_all(s, deadline, e);
	/* A thread that is let run for its signal may make another. */
	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = stand(s->threads[i], deadline, e);
	for (size_t i = 0; r == 0 && i < s->threads_n; i++) {
		if (s->threads[i]->t.stop == TRACEE_GROUP && s->threads[0]->t.stop != TRACEE_GROUP)
			r = err_reason(e, REASON_BUSY, -EAGAIN, "process %d is just being stopped", s->pid);
	}
	return r;
}

void freeze_give_back(struct shepherd *s)
{
	uint64_t deadline = clock_mono_ns() + COME_BACK_NS;

	/* Once freeze_take() has been there, the registers are those of the image: ours may be in place. Before that
	 * they are the process's own. */
	for (size_t i = 0; i < s->threads_n; i++) {
		struct deputy *d = s->threads[i];
		struct user_regs_struct regs = d->image->regs;
		int r = 0;

		/* It was on its way to a stop when the time was over; its registers may be ours. */
		if (d->t.stop == TRACEE_RUNNING && d->image_taken &&
		    (tracee_interrupt(&d->t) < 0 || tracee_wait(&d->t, deadline) < 0))
			log_warn("thread %d of process %d does not stop", d->t.pid, s->pid);
		prompt_restore(d->t.pid, &d->prompt);
		if (d->t.stop == TRACEE_RUNNING || d->t.stop == TRACEE_ENDED)
			continue;
		if (d->t.stop == TRACEE_SIGNAL && !d->image_taken)
			r = tracee_detach(&d->t, d->t.sig);
		else if (!d->image_taken)
			r = tracee_get_regs(&d->t, &regs);
		if (r == 0 && d->t.stop != TRACEE_RUNNING)
			r = tracee_leave(&d->t, &regs, deadline);
		if (r < 0)
			log_warn("thread %d of process %d could not be let go in order", d->t.pid, s->pid);
	}
	threads_clear(s);
}

/* Calls that give -EINTR to any stop, signal(7), those on a socket with a time limit among them: they are to be made
 * again, unless a handler runs before. That is what this code says, to the kernel as well as to us. */
static void mend_interrupted(struct user_regs_struct *regs)
{
	const struct sysc_row *row = (int64_t)regs->orig_rax >= 0 ? sysc_row((unsigned)regs->orig_rax) : NULL;

	if (row && (int64_t)regs->rax == -EINTR && row->cls == SYSC_FORWARD &&
	    (row->restart == SYSC_RESTART_NONE || row->restart == SYSC_RESTART_SYS) &&
	    sysc_may_block((unsigned)regs->orig_rax))
		regs->rax = (uint64_t)-ERESTARTNOHAND_;
}

/* What only the process itself can be asked for, by a call of (a0, address, size). The answer goes below the thread's
 * stack pointer, beyond the red zone, and what was there is put back. */
static int ask(struct deputy *d, unsigned nr, uint64_t a0, uint64_t answer[4], int64_t *ret, struct err *e)
{
	uint64_t at = (d->image->regs.rsp - 512) & ~15ULL, saved[4];
	int r = tracee_read(&d->t, at, saved, sizeof(saved));

	*ret = -EFAULT;
	memset(answer, 0, sizeof(saved));
	if (r < 0)
		return 0; /* no stack there: nothing is lost by not asking */
	r = tracee_write(&d->t, at, answer, sizeof(saved));
	if (r == 0)
		r = tracee_syscall(&d->t, ret, nr, a0, at, sizeof(saved), 0, 0, 0);
	if (r == 0)
		r = tracee_read(&d->t, at, answer, sizeof(saved));
	if (tracee_write(&d->t, at, saved, sizeof(saved)) < 0)
		return err_set(e, -EFAULT, "the stack of process %d cannot be put back", d->s->pid);
	return r;
}

/* Timers on its CPU time, and segments of its own. */
static int ask_process(struct shepherd *s, struct err *e)
{
	static const struct {
		unsigned nr;
		uint64_t which;
		enum reason reason;
		const char *what;
	} asks[] = {
	    {SYS_getitimer, ITIMER_VIRTUAL, REASON_CPU_TIMER, "a timer on its own CPU time"},
	    {SYS_getitimer, ITIMER_PROF, REASON_CPU_TIMER, "a profiling timer"},
	    {SYS_modify_ldt, 0, REASON_LDT, "x86 segments of its own"},
	};
	uint64_t answer[4];
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(asks); i++) {
		int64_t v = 0;

		r = ask(s->threads[0], asks[i].nr, asks[i].which, answer, &v, e);
		/* struct itimerval: interval, then the time that is left; modify_ldt: bytes of the table. */
		if (r == 0 && (asks[i].nr == SYS_getitimer ? v == 0 && (answer[2] || answer[3]) : v > 0))
			r = err_reason(e, asks[i].reason, -EBUSY, "process %d (%s) stays home: it has %s", s->pid,
				       s->facts.comm, asks[i].what);
	}
	return r;
}

/* Where the kernel tells the others that a thread has ended. The main thread's end is the process's. */
static int ask_tid_address(struct deputy *d, struct err *e)
{
	uint64_t answer[4];
	int64_t v;
	int r = ask(d, SYS_prctl, PR_GET_TID_ADDRESS, answer, &v, e);

	if (r < 0 || v < 0)
		return err_set(e, r < 0 ? r : -ENOTSUP, "thread %d of process %d cannot say its tid address", d->t.pid,
			       d->s->pid);
	d->image->tid_address = answer[0];
	return 0;
}

/* A call that was interrupted more than once at home is restart_syscall(2) now, and on a host the deputy takes it up:
 * it sleeps or polls as well as the thread itself. A futex must be waited for where those are that wake it. Which call
 * it is, the kernel does not tell; the registers still are those of the first time. */
static bool may_wait_for_futex(const struct user_regs_struct *r)
{
	uint64_t op = r->rsi & ~(uint64_t)(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);

	return r->orig_rax == SYS_restart_syscall && (int64_t)r->rax == -ERESTART_RESTARTBLOCK_ &&
	       r->rdi >= IMAGE_PAGE && !(r->rdi & 3) && r->r10 && (op == FUTEX_WAIT || op == FUTEX_WAIT_BITSET);
}

static int take_thread(struct deputy *d, struct err *e)
{
	struct shepherd *s = d->s;
	int r = capture_thread(&d->t, d->image, e);

	if (r < 0)
		return r;
	d->image_taken = true;
	d->t.syscall_ip = main_tracee(s)->syscall_ip;
	if (d->image->regs.cs != USER_CS)
		return err_reason(e, REASON_COMPAT, -EBUSY, "process %d runs 32-bit code", s->pid);
	if (s->threads_n > 1 && may_wait_for_futex(&d->image->regs))
		return err_reason(e, REASON_BUSY, -EAGAIN,
				  "thread %d of process %d waits with a time limit, and was interrupted before",
				  d->t.pid, s->pid);
	if (!s->head.stopped)
		mend_interrupted(&d->image->regs);
	r = tracee_mask_all(&d->t);
	return r < 0 ? err_set(e, r, "the signals of process %d cannot be blocked", s->pid) : 0;
}

/* While registers of ours are in place, the process must not go on with them if we are killed: rather it ends, too. */
static int hold(struct shepherd *s, bool on)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = tracee_exitkill(&s->threads[i]->t, on);
	return r;
}

int freeze_take(struct shepherd *s, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + COME_BACK_NS;
	struct tracee *t = main_tracee(s);
	int64_t brk = 0;
	int asked = 0, r;

	s->head.stopped = t->stop == TRACEE_GROUP;
	r = tracee_find_syscall(t, s->maps.vdso_start, s->maps.vdso_end);
	if (r == 0)
		r = hold(s, true);
	if (r < 0)
		return err_reason(e, REASON_NO_VDSO, r, "the vdso of process %d has no system call", s->pid);
	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = take_thread(s->threads[i], e);
	if (r < 0)
		return r;
	r = tracee_syscall(t, &brk, SYS_brk, 0, 0, 0, 0, 0, 0);
	if (r == 0)
		asked = ask_process(s, e);
	for (size_t i = 1; r == 0 && asked == 0 && i < s->threads_n; i++)
		asked = ask_tid_address(s->threads[i], e);
	if (r == 0 && fault_point(FAULT_SHEP_ASKED) < 0)
		r = -EIO;
	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = tracee_settle(&s->threads[i]->t, &s->threads[i]->image->regs, deadline);
	if (r == 0)
		r = hold(s, false);
	if (r < 0)
		return err_set(e, r, "process %d cannot be made to say its break: %s", s->pid, strerror(-r));
	s->head.mm.brk = (uint64_t)brk;
	return asked;
}
