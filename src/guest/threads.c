/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The threads of the guest.
 * Promise: each has the thread id that its deputy has at home; one that begins or ends here does so at home first.
 * Must not: let a new task run that home does not know.
 *
 * A thread is made by the guest itself: home makes its deputy, the namespace's init tells the kernel which id comes
 * next (ns_last_pid: Documentation/admin-guide/sysctl/kernel.rst), and the guest's own clone() goes on.
 */
#include "agent.h"

#include <errno.h>
#include <linux/sched.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/sock.h"
#include "../wire/reasons.h"

#define STEP_NS (5 * NSEC_PER_SEC)
/* What may come with it; anything else is home's to do. */
#define THREAD_EXTRA                                                                                                 \
	((uint64_t)(CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_SYSVSEM | \
		    CLONE_IO | CLONE_DETACHED))

struct guest_thread *thread_add(struct agent *a, pid_t tid, pid_t pid)
{
	struct guest_thread **v = reallocarray(a->threads, a->threads_n + 1, sizeof(*v));
	struct guest_thread *g = calloc(1, sizeof(*g));

	if (v)
		a->threads = v;
	if (g)
		g->image = calloc(1, sizeof(*g->image));
	if (!v || !g || !g->image) {
		free(g);
		return NULL;
	}
	g->a = a;
	g->image->tid = tid;
	tracee_init(&g->t, pid);
	a->threads[a->threads_n++] = g;
	return g;
}

struct guest_thread *thread_find(struct agent *a, pid_t pid)
{
	for (size_t i = 0; i < a->threads_n; i++) {
		if (a->threads[i]->t.pid == pid)
			return a->threads[i];
	}
	return NULL;
}

struct guest_thread *thread_of_tid(struct agent *a, int64_t tid)
{
	for (size_t i = 0; i < a->threads_n; i++) {
		if (a->threads[i]->image->tid == tid)
			return a->threads[i];
	}
	return NULL;
}

void thread_remove(struct guest_thread *g)
{
	struct agent *a = g->a;
	size_t i = 0;

	while (a->threads[i] != g)
		i++;
	memmove(&a->threads[i], &a->threads[i + 1], (a->threads_n - i - 1) * sizeof(*a->threads));
	a->threads_n--;
	if (a->birth == g) {
		a->birth = NULL;
		family_unlock_birth(a);
	}
	tracee_release(&g->t);
	loop_remove(g->lifeline_watch);
	if (g->lifeline_watch)
		(void)close(g->lifeline);
	signals_release(&g->signals);
	free(g->returns);
	free(g->image);
	free(g);
}

int thread_next_id(struct agent *a, pid_t tid)
{
	uint64_t deadline = clock_mono_ns() + STEP_NS;
	int answer = 0;

	if (a->last_pid < 0)
		return -ENOTSUP;
	if (send(a->last_pid, &tid, sizeof(tid), MSG_NOSIGNAL) != sizeof(tid) ||
	    sock_wait(a->last_pid, POLLIN, deadline) <= 0 ||
	    recv(a->last_pid, &answer, sizeof(answer), 0) != sizeof(answer))
		return -EIO;
	return answer;
}

/* Flags of a clone() or clone3() that only makes a thread; 0 when it is something else. */
static uint64_t thread_flags(struct guest_thread *g, const struct seccomp_notif *req, uint64_t *ret_child_tid)
{
	struct clone_args c = {0};
	uint64_t size = req->data.args[1];

	if (req->data.nr == SYS_clone) {
		c.flags = req->data.args[0];
		c.child_tid = req->data.args[3];
	} else if (size < CLONE_ARGS_SIZE_VER0 || size > IMAGE_PAGE ||
		   agent_mem_read(g->a, req->data.args[0], &c, size < sizeof(c) ? size : sizeof(c)) < 0 ||
		   c.exit_signal || c.set_tid_size) {
		return 0;
	}
	if ((c.flags & IMAGE_THREAD_FLAGS) != IMAGE_THREAD_FLAGS || (c.flags & ~(IMAGE_THREAD_FLAGS | THREAD_EXTRA)))
		return 0;
	*ret_child_tid = c.flags & CLONE_CHILD_CLEARTID ? c.child_tid : 0;
	return c.flags;
}

static int begin(struct guest_thread *g, const struct seccomp_notif *req)
{
	struct seccomp_notif call = *req;
	uint64_t flags;
	int r;

	if (g->a->last_pid < 0 || g->a->threads_n >= IMAGE_THREADS_MAX)
		return 0;
	flags = thread_flags(g, req, &g->makes_tid_address);
	if (!flags)
		return 0;
	call.data.nr = SYS_clone;
	call.data.args[0] = flags;
	buf_clear(&g->a->segments);
	r = agent_forward(g, &call);
	return r < 0 ? r : 1;
}

int thread_call(struct guest_thread *g, const struct seccomp_notif *req)
{
	struct agent *a = g->a;
	int r;

	/* Whatever it was to make, the call is over. */
	r = thread_not_made(g);
	if (r < 0)
		return r;
	switch (req->data.nr) {
	case SYS_fork:
	case SYS_vfork:
		return fork_begin(g, req);
	case SYS_clone:
	case SYS_clone3:
		r = begin(g, req);
		return r != 0 ? r : fork_begin(g, req);
	case SYS_exit:
		if (a->threads_n == 1)
			return 0;
		if (g == a->threads[0]) {
			/* The process goes on without its main thread: that is done at home. */
			r = agent_bring_home(a, g, REASON_CALL_HOME, SYS_exit, sysc_name(SYS_exit));
			if (r == 0)
				r = agent_take_back(g, req->id);
		} else {
			r = agent_forward(g, req);
		}
		return r < 0 ? r : 1;
	default:
		return 0;
	}
}

/* The number that comes next is one for all of the family. */
static int birth_begin(struct guest_thread *g)
{
	int r = family_lock_birth(g->a);

	if (r == 0)
		g->a->birth = g;
	return r;
}

int threads_next_birth(struct agent *a)
{
	int r = 0;

	for (size_t i = 0; r == 0 && !a->birth && i < a->threads_n; i++) {
		struct guest_thread *g = a->threads[i];
		int64_t due = g->birth_due;

		g->birth_due = 0;
		if (due)
			r = thread_made(g, due);
	}
	return r;
}

static int birth_end(struct agent *a)
{
	a->birth = NULL;
	family_unlock_birth(a);
	return threads_next_birth(a);
}

int thread_made(struct guest_thread *g, int64_t tid)
{
	int r;

	if (tid <= 1 || tid > INT32_MAX)
		return -EPROTO;
	/* While a child has our memory, its faults and another child's birth would come through one descriptor. */
	if (g->a->birth || (g->fork.active && g->a->family.held)) {
		g->birth_due = tid;
		return 0;
	}
	if (g->fork.active)
		return fork_made(g, (pid_t)tid);
	r = birth_begin(g);
	if (r == 0)
		r = thread_next_id(g->a, (pid_t)tid);
	g->makes = (pid_t)tid;
	if (r < 0) {
		r = thread_not_made(g);
		return r < 0 ? r : agent_answer(g->a, g->call.id, -EAGAIN, 0);
	}
	return agent_answer(g->a, g->call.id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

int thread_ended_at_home(struct guest_thread *g)
{
	g->leaves = true;
	return agent_answer(g->a, g->call.id, 0, SECCOMP_USER_NOTIF_FLAG_CONTINUE);
}

int thread_not_made(struct guest_thread *g)
{
	struct wire_thread_end m = {.tid = g->makes};
	int r;

	if (!g->makes)
		return 0;
	g->makes = 0;
	r = wire_thread_end_encode(&m, link_out(g->a->link));
	if (r == 0)
		r = agent_send(g->a);
	return r < 0 ? r : birth_end(g->a);
}

/* The id that a task has in its own pid namespace. */
static pid_t inner_id(pid_t pid)
{
	char text[200], *end;
	const char *p = text;
	pid_t id = -1;

	if (proc_read_status(pid, "NSpid", text, sizeof(text)) < 0)
		return -1;
	for (long v = strtol(p, &end, 10); end != p; v = strtol(p, &end, 10)) {
		id = (pid_t)v;
		p = end;
	}
	return id;
}

static int await_birth(struct guest_thread *g)
{
	int r = tracee_wait(&g->t, clock_mono_ns() + STEP_NS);

	return r < 0 ? r : g->t.stop == TRACEE_ENDED ? -ESRCH : 0;
}

int thread_born(struct guest_thread *g)
{
	struct agent *a = g->a;
	pid_t pid = g->t.child, tid = g->makes;
	struct guest_thread *n;
	int r;

	if (!tid || inner_id(pid) != tid)
		return -EPROTO;
	g->makes = 0;
	n = thread_add(a, tid, pid);
	if (!n)
		return -ENOMEM;
	tracee_init_child(&n->t, pid, &g->t);
	n->image->tid_address = g->makes_tid_address;
	r = await_birth(n);
	if (r == 0)
		r = wire_thread_born_encode(&(struct wire_thread_born){.tid = tid}, link_out(a->link));
	if (r == 0)
		r = agent_send(a);
	/* While home waits for the image, or job control stops it, the new thread keeps still, and its maker is to stop
	 * again: this stop has used up the interrupt. */
	if (r == 0)
		r = a->freeze_wanted || a->b.head.stopped ? tracee_interrupt(&g->t)
							  : tracee_resume(&n->t, TRACEE_CONT, 0);
	if (r == 0)
		r = tracee_resume(&g->t, TRACEE_CONT, 0);
	return r < 0 ? r : birth_end(a);
}

static int build_one(struct agent *a, struct image_thread *image, struct err *e)
{
	struct tracee *t = main_tracee(a);
	struct guest_thread *g;
	int64_t tid = 0;
	int r = thread_next_id(a, image->tid);

	if (r == 0)
		r = tracee_syscall(t, &tid, SYS_clone, IMAGE_THREAD_FLAGS | CLONE_SYSVSEM, 0, 0, 0, 0, 0);
	if (r == 0 && tid != image->tid)
		r = tid < 0 ? (int)tid : -EBUSY;
	if (r < 0)
		return err_set(e, r, "thread %d cannot be made: %s", image->tid, strerror(-r));
	g = thread_add(a, image->tid, t->child);
	if (!g)
		return err_set(e, -ENOMEM, "out of memory");
	tracee_init_child(&g->t, t->child, t);
	*g->image = *image;
	r = await_birth(g);
	return r < 0 ? err_set(e, r, "thread %d does not begin: %s", image->tid, strerror(-r))
		     : builder_finish_thread(&a->b, &g->t, g->image, e);
}

int threads_build(struct agent *a, struct err *e)
{
	int r = 0;

	*a->threads[0]->image = *a->b.threads.v[0];
	for (size_t i = 1; r == 0 && i < a->b.threads.n; i++)
		r = build_one(a, a->b.threads.v[i], e);
	image_threads_release(&a->b.threads);
	return r;
}
