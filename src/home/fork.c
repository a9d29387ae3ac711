/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest forks: its deputy does so first, and the child gets a shepherd of its own, which we fork for it.
 * Promise: the child is a real child of the process, with the pid that fork() returns; until the host has said that it
 * has it too, it sleeps with all its signals blocked, and if the host cannot have it, it is taken back with all that
 * its parent could have noticed. Must not: let a process that was not born on the host be seen to have lived.
 *
 *   we (FORKED, REPLY)  ->  agent: the guest forks, an agent of its own is made for the child
 *   agent (FORK_END)    ->  we: a word to the new shepherd, which links itself to the new agent, GO, STARTED
 */
#include "shepherd.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/file.h"
#include "../base/log.h"
#include "../image/handover.h"
#include "../wire/reasons.h"

#define STEP_NS (5 * NSEC_PER_SEC)
#define LINK_NS (10 * NSEC_PER_SEC)
#define AGAIN_MS 5 /* its agent's greeting may still be on its way to the host's daemon */
#define FORK_FLAGS ((uint64_t)(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_IO | CSIGNAL))

/* A child that is being born, or still has its maker's memory. */
struct shepherd_child {
	struct shepherd_child *next;
	pid_t pid, maker; /* maker: the thread */
	int fd; /* to its shepherd, which waits for a word; -1: it has it */
	int signal; /* at its end */
	bool told; /* such a signal waits for the maker already */
	bool shares;
};

bool fork_permitted(uint64_t flags)
{
	return !(flags & ~(FORK_FLAGS | CLONE_VFORK));
}

static struct shepherd_child **find(struct shepherd *s, int64_t pid)
{
	struct shepherd_child **p = &s->children;

	while (*p && (*p)->pid != pid)
		p = &(*p)->next;
	return p;
}

static void forget(struct shepherd *s, struct shepherd_child **p)
{
	struct shepherd_child *c = *p;

	*p = c->next;
	s->lent -= c->shares;
	if (c->fd >= 0)
		(void)close(c->fd);
	free(c);
}

/* ---- the new shepherd ----------------------------------------------------------------------------------------- */

static int let_go(struct shepherd *s)
{
	struct deputy *d = s->threads[0];
	int r = deputy_stop(d);

	d->unborn = false;
	return r < 0 ? r : deputy_idle(d);
}

static int link_up(struct shepherd *s, struct err *e)
{
	const struct wire_helper_move order = {.mig = s->birth.mig,
					       .host = wire_str(s->host),
					       .address = wire_str(s->address),
					       .port = s->port,
					       .link_id = s->birth.link_id,
					       .psk = {s->birth.psk, sizeof(s->birth.psk)}};
	uint64_t deadline = clock_mono_ns() + LINK_NS;
	int r;

	while ((r = shepherd_open_link(s, &order, &s->link, e)) < 0 && clock_mono_ns() < deadline) {
		e->code = 0;
		(void)poll(NULL, 0, AGAIN_MS);
	}
	if (r == 0 && fault_point(FAULT_SHEP_BIRTH) < 0)
		r = err_set(e, -EIO, "fault point shep-birth");
	return r < 0 ? r : shepherd_go(s, s->link, e);
}

/* The host has it, or cannot. */
static void on_word(void *arg, int fd, uint32_t events)
{
	struct shepherd *s = arg;
	struct err e = {0};
	int error;

	(void)events;
	if (recv(fd, &error, sizeof(error), MSG_DONTWAIT) != sizeof(error))
		deputy_lost(s, "its maker was lost in the midst of its birth");
	loop_remove(s->birth.watch);
	(void)close(fd);
	if (error) {
		(void)kill(s->pid, SIGKILL);
		process_ended(s);
	}
	if (link_up(s, &e) < 0)
		deputy_lost(s, e.text);
	if (let_go(s) < 0)
		deputy_lost(s, "the deputy cannot be resumed");
	shepherd_watch_link(s);
	shepherd_say_status(s);
	if (shepherd_home_now(s))
		shepherd_come_home(s, s->home_reason);
}

/* What was our maker's only, and must not be used: nor may its link be told goodbye. */
static void forget_maker(struct shepherd *s)
{
	while (s->children)
		forget(s, &s->children);
	(void)close(link_fd(s->link));
	s->link = NULL;
	s->link_watch = s->helper_watch = NULL;
	(void)close(s->helper);
	s->helper = -1;
	loop_free(s->loop);
	s->loop = NULL;
	memset(s->counts, 0, sizeof(s->counts));
	memset(&s->again, 0, sizeof(s->again));
	s->calls = s->brought_home = s->bytes_in = s->bytes_out = s->rss = s->cpu_us = s->cpu_sys_us = s->mig = 0;
	s->moving = s->want_home = s->lets_signal_in = s->trace = s->status_due = false;
	s->last_home_reason = 0;
	s->head.used = (struct image_cpu){0};
	s->head.stopped = false;
}

/* All that we know of the process is right for its child, too, but for what is a process's own. */
static int adopt(struct shepherd *s, const struct tracee *t, pid_t maker)
{
	const struct deputy *of = threads_find(s, maker);
	struct user_regs_struct idle = of->idle_regs;
	uint64_t scratch = of->scratch, size = of->scratch_size;
	struct proc_stat st;
	struct deputy *d;
	int r = proc_read_stat(t->pid, &st);

	if (r < 0)
		return r;
	for (size_t i = 0; i < s->threads_n; i++) /* its timer was the old loop's */
		s->threads[i]->park_timer = NULL;
	threads_clear(s);
	d = threads_add(s, t->pid);
	if (!d)
		return -ENOMEM;
	d->t = *t;
	d->idle_regs = idle;
	d->scratch = scratch;
	d->scratch_size = size;
	d->unborn = true;
	s->pid = t->pid;
	s->start_time = st.start_time;
	s->facts.inner_pid = t->pid;
	return deputy_idle(d);
}

static void become(struct shepherd *s, pid_t maker, bool shares, const struct tracee *t, int fd, int helper)
    __attribute__((noreturn));
static void become(struct shepherd *s, pid_t maker, bool shares, const struct tracee *t, int fd, int helper)
{
	int r;

	forget_maker(s);
	s->shares = shares;
	r = loop_new(&s->loop);
	if (r == 0)
		r = shepherd_begin(s);
	if (r == 0)
		r = adopt(s, t, maker);
	if (r == 0)
		r = shepherd_greet(s, helper);
	if (r == 0) {
		s->birth.watch = loop_add_fd(s->loop, fd, EPOLLIN, on_word, s);
		r = s->birth.watch ? 0 : -ENOMEM;
	}
	if (r < 0) {
		(void)kill(t->pid, SIGKILL);
		log_error("process %d has no shepherd: %s", t->pid, strerror(-r));
		_exit(1);
	}
	(void)loop_run(s->loop);
	_exit(0);
}

/* ---- the old one ---------------------------------------------------------------------------------------------- */

static int say_forked(struct deputy *d, pid_t pid)
{
	struct shepherd *s = d->s;
	struct wire_forked m = {.seq = d->call.m.seq,
				.tid = d->t.pid,
				.pid = pid,
				.mig = s->birth.mig,
				.link_id = s->birth.link_id,
				.psk = {s->birth.psk, sizeof(s->birth.psk)}};
	int r = wire_forked_encode(&m, link_out(s->link));

	return r < 0 ? r : shepherd_send(s);
}

/* The kernel's part: a task that is traced by us, and sleeps. */
static int fork_deputy(struct deputy *d, uint64_t flags, struct tracee *child, int64_t *pid)
{
	struct user_regs_struct regs = deputy_asleep(d);
	int r = tracee_mask_all(&d->t);

	if (r == 0)
		r = tracee_fork(&d->t, pid, flags, 0, 0);
	if (r < 0 || *pid < 0)
		return r;
	tracee_init_child(child, d->t.child, &d->t);
	r = tracee_wait(child, clock_mono_ns() + STEP_NS);
	if (r == 0 && child->stop == TRACEE_ENDED)
		r = -ESRCH;
	return r < 0 ? r : tracee_set_regs(child, &regs);
}

/* Gives the child a shepherd, and its place in the list. Returns in the old one only. */
static int give_shepherd(struct deputy *d, struct tracee *child, struct shepherd_child *c)
{
	struct shepherd *s = d->s;
	struct handover h;
	struct err e = {0};
	int r;

	if (getrandom(&s->birth, offsetof(struct shepherd_birth, watch), 0) != offsetof(struct shepherd_birth, watch))
		return -EIO;
	r = handover_fork(child, &h, &e);
	if (r < 0) {
		log_warn("%s", e.text);
		return r;
	}
	if (h.new_process)
		become(s, c->maker, c->shares, child, h.fd, h.daemon);
	c->fd = h.fd;
	r = handover_introduce(&h, s->helper, 0, 0);
	return r < 0 ? r : say_forked(d, c->pid);
}

/* The parent must not notice: it neither has a dead child nor was told of one. The deputy stands, all is blocked. */
static int take_back(struct deputy *d, const struct shepherd_child *c)
{
	uint64_t at, set = c->signal ? 1ULL << (c->signal - 1) : 0, zero[2] = {0};
	bool tell = c->signal && !c->told;
	int64_t v = 0;
	int r = call_aside(d, &at);

	(void)kill(c->pid, SIGKILL);
	if (r == 0)
		r = tracee_mask_all(&d->t);
	if (r == 0)
		r = tracee_syscall(&d->t, &v, SYS_wait4, (uint64_t)c->pid, 0, 0x40000000 /* __WALL */, 0, 0, 0);
	if (r == 0 && tell)
		r = tracee_write(&d->t, at, &set, sizeof(set));
	if (r == 0 && tell)
		r = tracee_write(&d->t, at + 16, zero, sizeof(zero));
	if (r == 0 && tell)
		r = tracee_syscall(&d->t, &v, SYS_rt_sigtimedwait, at, 0, at + 16, sizeof(set), 0, 0);
	return r;
}

int fork_process(struct deputy *d)
{
	uint64_t flags = d->call.m.args[0];
	struct shepherd *s = d->s;
	struct shepherd_child *c;
	bool told = inspect_pending(d->t.pid, (int)(flags & CSIGNAL));
	struct tracee child;
	int64_t pid = 0;
	int r;

	if (s->helper < 0 || !s->address[0])
		return call_take_home(d, REASON_FORK);
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	r = fork_deputy(d, flags & FORK_FLAGS, &child, &pid);
	if (r < 0 || pid < 0) {
		free(c);
		if (r == 0)
			r = deputy_idle(d);
		return r < 0 ? r : call_answer(d, pid);
	}
	*c = (struct shepherd_child){.told = told,
				     .next = s->children,
				     .pid = (pid_t)pid,
				     .maker = d->t.pid,
				     .fd = -1,
				     .signal = (int)(flags & CSIGNAL),
				     .shares = flags & CLONE_VFORK};
	s->children = c;
	s->lent += c->shares;
	r = fault_point(FAULT_SHEP_FORK) < 0 ? -EAGAIN : give_shepherd(d, &child, c);
	if (r < 0) { /* before the host has heard of it; it may be ours still */
		(void)kill(c->pid, SIGKILL);
		while (tracee_wait(&child, clock_mono_ns() + STEP_NS) == 0 && child.stop != TRACEE_ENDED)
			;
		r = take_back(d, c);
		forget(s, &s->children);
		pid = -EAGAIN;
	}
	tracee_release(&child);
	if (r == 0)
		r = deputy_idle(d);
	return r < 0 ? r : call_answer(d, pid);
}

int fork_end(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct shepherd_child **p, *c;
	struct wire_fork_end m;
	struct deputy *d;
	int error, r = wire_fork_end_decode(&m, body, n);

	if (r < 0)
		return r;
	p = find(s, m.pid);
	c = *p;
	if (!c || c->fd < 0 || m.error > 0 || m.error < -4095)
		return -EPROTO;
	error = (int)m.error;
	c->told = error && inspect_pending(c->maker, c->signal);
	(void)!send(c->fd, &error, sizeof(error), MSG_NOSIGNAL);
	if (!error) {
		(void)close(take_fd(&c->fd));
		if (!c->shares)
			forget(s, p);
		return 0;
	}
	d = threads_find(s, c->maker);
	r = d ? deputy_stop(d) : -EPROTO;
	if (r == 0)
		r = take_back(d, c);
	forget(s, p);
	return r < 0 || s->moving ? r : deputy_idle(d);
}

int fork_released(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct shepherd_child **p;
	struct wire_fork_released m;
	int r = wire_fork_released_decode(&m, body, n);

	if (r < 0)
		return r;
	p = find(s, m.pid);
	if (!*p || !(*p)->shares || (*p)->fd >= 0)
		return -EPROTO;
	forget(s, p);
	return 0;
}
