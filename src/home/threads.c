/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads of the process: each has a task at home, with the same thread id, that makes its calls.
 * Promise: a thread that begins or ends on the host does so at home, too, with the calls of the process itself. Must
 * not: know what a call does.
 */
#include "shepherd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#include "../base/clock.h"

#define STEP_NS (5 * NSEC_PER_SEC)

struct deputy *threads_add(struct shepherd *s, pid_t tid)
{
	struct deputy **v = reallocarray(s->threads, s->threads_n + 1, sizeof(*v));
	struct deputy *d = calloc(1, sizeof(*d));

	if (v)
		s->threads = v;
	if (d)
		d->image = calloc(1, sizeof(*d->image));
	if (!v || !d || !d->image) {
		free(d);
		return NULL;
	}
	d->s = s;
	d->nice_told = -1;
	d->image->tid = tid;
	tracee_init(&d->t, tid);
	buf_init(&d->segments, 0);
	buf_init(&d->answer, 0);
	s->threads[s->threads_n++] = d;
	return d;
}

struct deputy *threads_find(struct shepherd *s, pid_t tid)
{
	for (size_t i = 0; i < s->threads_n; i++) {
		if (s->threads[i]->t.pid == tid)
			return s->threads[i];
	}
	return NULL;
}

void threads_remove(struct deputy *d)
{
	struct shepherd *s = d->s;
	size_t i = 0;

	while (s->threads[i] != d)
		i++;
	memmove(&s->threads[i], &s->threads[i + 1], (s->threads_n - i - 1) * sizeof(*s->threads));
	s->threads_n--;
	loop_remove(d->park_timer);
	tracee_release(&d->t);
	buf_release(&d->segments);
	buf_release(&d->answer);
	free(d->local);
	free(d->image);
	free(d);
}

void threads_clear(struct shepherd *s)
{
	while (s->threads_n)
		threads_remove(s->threads[s->threads_n - 1]);
}

bool threads_signal_held(const struct shepherd *s)
{
	for (size_t i = 0; i < s->threads_n; i++) {
		if (s->threads[i]->signal_held || s->threads[i]->no_stack)
			return true;
	}
	return false;
}

/* The new task stands where its maker stood, and has not made a step. */
static int adopt(struct deputy *maker, pid_t tid)
{
	struct deputy *d = threads_add(maker->s, tid);
	int r;

	if (!d)
		return -ENOMEM;
	tracee_init_child(&d->t, tid, &maker->t);
	r = tracee_wait(&d->t, clock_mono_ns() + STEP_NS);
	if (r == 0 && d->t.stop == TRACEE_ENDED)
		process_ended(d->s);
	if (r < 0)
		return r;
	d->idle_regs = maker->idle_regs;
	d->unborn = true;
	return deputy_idle(d);
}

int thread_create(struct deputy *d)
{
	uint64_t flags = d->call.m.args[0] & (IMAGE_THREAD_FLAGS | CLONE_SYSVSEM | CLONE_IO);
	int64_t tid = 0;
	int r = tracee_mask_all(&d->t);

	if (r == 0)
		r = tracee_syscall(&d->t, &tid, SYS_clone, flags, 0, 0, 0, 0, 0);
	if (r == 0 && tid > 0)
		r = adopt(d, (pid_t)tid);
	if (r == 0)
		r = deputy_idle(d);
	return r < 0 ? r : call_answer(d, tid);
}

/* Makes the task end by itself. It has no memory that its end could change: what the kernel clears and wakes for
 * others then, it does on the host, where the guest's thread ends likewise. */
static int leave(struct deputy *d, int64_t status)
{
	uint64_t deadline = clock_mono_ns() + STEP_NS;
	struct user_regs_struct regs = d->idle_regs;
	int r;

	regs.rip = d->t.syscall_ip;
	regs.rax = SYS_exit;
	regs.rdi = (uint64_t)status;
	regs.orig_rax = ~0ULL;
	r = tracee_mask_all(&d->t);
	if (r == 0)
		r = tracee_set_regs(&d->t, &regs);
	while (r == 0 && d->t.stop != TRACEE_ENDED) {
		r = tracee_resume(&d->t, TRACEE_CONT, 0);
		if (r == 0)
			r = tracee_wait(&d->t, deadline);
		(void)tracee_puts_off_stop(&d->t);
	}
	/* A stop of the process that this thread was to take. */
	if (r == 0 && d->s->threads_n > 1)
		r = tracee_stop_again(&d->t, d->s->pid);
	/* Killed meanwhile: the process's end is only told when this one's was taken. */
	return r == -ESRCH ? tracee_wait(&d->t, deadline) : r;
}

int thread_exit(struct deputy *d, int64_t status)
{
	int r = leave(d, status);

	if (r == 0)
		r = call_answer(d, 0);
	if (r == 0)
		threads_remove(d);
	return r;
}

int thread_born(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_thread_born m;
	struct deputy *d;
	int r = wire_thread_born_decode(&m, body, n);

	if (r < 0)
		return r;
	d = threads_find(s, (pid_t)m.tid);
	if (!d || !d->unborn)
		return -EPROTO;
	d->unborn = false;
	if (s->moving) /* it gets its own mask when it goes on */
		return 0;
	r = deputy_stop(d);
	return r < 0 ? r : deputy_idle(d);
}

int thread_end(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_thread_end m;
	struct deputy *d;
	int r = wire_thread_end_decode(&m, body, n);

	if (r < 0)
		return r;
	d = threads_find(s, (pid_t)m.tid);
	if (!d || !d->unborn)
		return -EPROTO;
	r = deputy_stop(d);
	if (r == 0)
		r = leave(d, 0);
	if (r == 0)
		threads_remove(d);
	return r;
}
