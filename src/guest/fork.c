/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A guest forks: home's deputy first, then the guest itself, with the same pid.
 * Promise: a child runs only when it has an agent of its own, and home a shepherd that is linked to it; a maker that
 * shares its memory with the child (vfork) goes on when that has left it. What fails here was never there, for home and
 * for the process: fork() says EAGAIN. Must not: let a task of the family run that no agent looks after.
 *
 * The guest makes the call at the stub's own instruction, with a word that the filter knows. What the kernel would
 * write into memory, we write: it may have to be fetched first. A userfaultfd tells of the fork before the call
 * returns, and gives the child's: mm/userfaultfd.c, dup_userfaultfd().
 */
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/log.h"
#include "../image/handover.h"

#define STEP_NS (5 * NSEC_PER_SEC)
/* What may come with it; anything else is home's to do. */
#define PARTED ((uint64_t)(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM | CLONE_IO)) /* of what only home has */
#define LOANED ((uint64_t)(CLONE_VM | CLONE_VFORK)) /* both or none */
#define HERE \
	((uint64_t)(CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_DETACHED))

/* What the guest asks for; false: not a process that we can make here. */
static bool parse(struct guest_thread *g, const struct seccomp_notif *req, struct guest_fork *f)
{
	const uint64_t *v = (const uint64_t *)req->data.args;
	struct clone_args c = {0};

	*f = (struct guest_fork){.signal = SIGCHLD};
	switch (req->data.nr) {
	case SYS_fork:
		break;
	case SYS_vfork:
		f->flags = LOANED;
		break;
	case SYS_clone:
		f->flags = v[0] & UINT32_MAX & ~(uint64_t)CSIGNAL;
		f->signal = v[0] & CSIGNAL;
		f->stack = v[1];
		f->parent_tid = v[2];
		f->child_tid = v[3];
		f->tls = v[4];
		break;
	default:
		if (v[1] < CLONE_ARGS_SIZE_VER0 || v[1] > IMAGE_PAGE ||
		    agent_mem_read(g->a, v[0], &c, v[1] < sizeof(c) ? v[1] : sizeof(c)) < 0 || c.set_tid_size ||
		    v[1] > sizeof(c) || !c.stack != !c.stack_size || c.exit_signal > SIGRTMAX)
			return false;
		f->flags = c.flags;
		f->signal = (unsigned)c.exit_signal;
		f->stack = c.stack + c.stack_size;
		f->parent_tid = c.parent_tid;
		f->child_tid = c.child_tid;
		f->tls = c.tls;
		break;
	}
	return !(f->flags & ~(PARTED | LOANED | HERE)) && (!(f->flags & LOANED) || (f->flags & LOANED) == LOANED) &&
	       f->signal <= (unsigned)SIGRTMAX;
}

int fork_begin(struct guest_thread *g, const struct seccomp_notif *req)
{
	struct seccomp_notif call = *req;
	struct agent *a = g->a;
	struct guest_fork f;
	int r;

	if (a->last_pid < 0 || a->helper < 0 || a->family.shares || !agent_own_call(a) || !parse(g, req, &f) ||
	    !a->family.forks || family_make_routes(a) < 0)
		return 0;
	f.slot = family_claim(a);
	if (f.slot < 0)
		return 0;
	call.data.nr = SYS_clone;
	memset(call.data.args, 0, sizeof(call.data.args));
	call.data.args[0] = (f.flags & (PARTED | CLONE_VFORK)) | f.signal;
	buf_clear(&a->segments);
	r = agent_forward(g, &call);
	g->fork = f;
	g->fork.active = true;
	return r < 0 ? r : 1;
}

void fork_not_made(struct guest_thread *g)
{
	if (g->fork.active)
		family_give_back(g->a, g->fork.slot);
	g->fork.active = false;
}

int fork_told(struct agent *a, const uint8_t *body, size_t n)
{
	struct guest_thread *g;
	struct wire_forked m;
	int r = wire_forked_decode(&m, body, n);

	if (r < 0)
		return r;
	g = thread_of_tid(a, m.tid);
	if (!g || !g->call.active || g->call.seq != m.seq || !g->fork.active || m.psk.len > sizeof(g->fork.psk) ||
	    m.pid <= 1 || m.pid > INT32_MAX)
		return -EPROTO;
	g->fork.pid = (pid_t)m.pid;
	g->fork.mig = m.mig;
	g->fork.link_id = m.link_id;
	g->fork.psk_len = m.psk.len;
	memcpy(g->fork.psk, m.psk.data, m.psk.len);
	return 0;
}

/* The kernel waits with the fork until somebody has taken its news off the descriptor. */
static void serve_uffd(void *arg)
{
	struct agent *a = arg;

	if (a->uffd >= 0)
		agent_on_fault(a, a->uffd, EPOLLIN);
}

/* The child stands at its birth. */
static int clone_guest(struct guest_thread *g, const struct guest_fork *f, struct tracee *child)
{
	struct agent *a = g->a;
	uint64_t clear = f->flags & CLONE_CHILD_CLEARTID ? f->child_tid : 0;
	uint64_t flags = (f->flags & (CLONE_VM | CLONE_CHILD_CLEARTID)) | SIGCHLD;
	int64_t pid = 0;
	int r = family_lock_birth(a);

	if (r < 0)
		return r;
	r = thread_next_id(a, f->pid);
	if (r == 0) {
		g->t.syscall_ip = agent_own_call(a);
		g->t.meanwhile = serve_uffd;
		g->t.meanwhile_arg = a;
		r = tracee_fork(&g->t, &pid, flags, clear, a->family.word);
		g->t.meanwhile = NULL;
		g->t.syscall_ip = 0;
	}
	family_unlock_birth(a);
	if (r == 0 && pid < 0)
		r = (int)pid;
	if (r < 0)
		return r;
	tracee_init_child(child, g->t.child, &g->t);
	r = tracee_wait(child, clock_mono_ns() + STEP_NS);
	if (r == 0 && (child->stop == TRACEE_ENDED || pid != f->pid))
		r = -ESRCH;
	if (r < 0)
		(void)kill(g->t.child, SIGKILL);
	return r;
}

/* What the kernel would have written. It, too, does not mind when that is not possible. */
static void tell_ids(struct guest_thread *g, const struct guest_fork *f, struct tracee *child)
{
	uint32_t pid = (uint32_t)f->pid;

	if (f->flags & CLONE_PARENT_SETTID)
		(void)!agent_mem_write(g->a, f->parent_tid, &pid, sizeof(pid));
	if (f->flags & CLONE_CHILD_SETTID)
		(void)!tracee_write(child, f->child_tid, &pid, sizeof(pid));
}

/* A call that lasts: it waits for a word of the stub to be something else than it is. */
static int park(struct agent *a, struct tracee *t)
{
	struct user_regs_struct regs;
	uint32_t word;
	int r = tracee_mask_all(t);

	if (r == 0)
		r = tracee_get_regs(t, &regs);
	if (r == 0)
		r = tracee_read(t, a->b.copy.stub, &word, sizeof(word));
	if (r < 0)
		return r;
	regs.rip = agent_own_call(a);
	regs.rax = SYS_futex;
	regs.orig_rax = ~0ULL;
	regs.rdi = a->b.copy.stub;
	regs.rsi = FUTEX_WAIT;
	regs.rdx = word;
	regs.r10 = 0;
	return tracee_set_regs(t, &regs);
}

/* Its own page of the clocks: its agent and its maker's would write into one. */
static int own_clock(struct agent *a)
{
	struct tracee *t = main_tracee(a);
	uint64_t at = FAMILY_CLOCKS + a->family.slot * IMAGE_PAGE;
	struct vdso_clock *page;
	int64_t v = 0;
	int r;

	if (a->family.shares || !a->clock.page || !a->b.copy.stub) {
		a->clock.page = NULL;
		return 0;
	}
	page = mmap(NULL, IMAGE_PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, a->memfd, (off_t)at);
	if (page == MAP_FAILED)
		return -errno;
	memcpy(page, a->clock.page, sizeof(*page));
	a->clock.page = page;
	t->syscall_ip = agent_own_call(a);
	r = tracee_syscall(t, &v, SYS_mmap, a->b.copy.stub + IMAGE_PAGE, IMAGE_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED,
			   (uint64_t)a->b.memfd, at);
	t->syscall_ip = 0;
	return r < 0 ? r : v < 0 && v > -4096 ? (int)v : 0;
}

/* The descriptors of our maker that are not ours, and its guest. */
static int forget_maker(struct agent *a)
{
	char path[40];

	(void)close(link_fd(a->link)); /* link_free() would speak to its peer */
	a->link = NULL;
	a->link_watch = NULL;
	(void)close(a->helper);
	a->helper = -1;
	a->helper_watch = NULL;
	loop_free(a->loop);
	a->loop = NULL;
	while (a->threads_n) {
		struct guest_thread *g = a->threads[a->threads_n - 1];

		if (g->lifeline_watch)
			(void)close(g->lifeline);
		g->lifeline_watch = NULL; /* gone with the loop */
		thread_remove(g);
	}
	if (!a->family.shares) {
		(void)close(a->uffd);
		a->uffd = a->b.uffd = a->family.forked_uffd;
	}
	a->family.forked_uffd = -1;
	(void)close(a->pagemap);
	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", a->family.members[a->family.slot].guest);
	a->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	return a->pagemap < 0 ? -errno : loop_new(&a->loop);
}

/* All that we know of the guest is right for its child, too, but for what is a process's own. */
static int adopt(struct agent *a, const struct guest_fork *f, const struct tracee *child,
		 const struct user_regs_struct *regs)
{
	struct guest_thread *g = thread_add(a, f->pid, child->pid);

	if (!g)
		return -ENOMEM;
	g->t = *child;
	g->image->regs = *regs;
	g->image->tid_address = f->flags & CLONE_CHILD_CLEARTID ? f->child_tid : 0;
	a->home_pid = f->pid;
	a->mig = f->mig;
	a->link_id = f->link_id;
	a->psk_len = f->psk_len;
	memcpy(a->psk, f->psk, f->psk_len);
	a->seq = 0;
	a->freeze_wanted = a->home_asked = a->fetching = false;
	a->cpu_seen = (struct image_cpu){0};
	a->b.t = &g->t;
	a->b.head.pid = f->pid;
	a->b.head.used = (struct image_cpu){0};
	a->b.head.stopped = false;
	a->state = AGENT_PREPARED;
	buf_clear(&a->segments);
	buf_clear(&a->deferred);
	return 0;
}

/* In the new process: we are the child's agent from now on. */
static void become(struct agent *a, const struct guest_fork *f, const struct tracee *child,
		   const struct user_regs_struct *regs, int helper) __attribute__((noreturn));
static void become(struct agent *a, const struct guest_fork *f, const struct tracee *child,
		   const struct user_regs_struct *regs, int helper)
{
	struct family_member *m = &a->family.members[f->slot];
	int r;

	a->family.slot = (unsigned)f->slot;
	a->family.born = true;
	a->family.shares = f->flags & CLONE_VM;
	a->family.held = 0;
	m->guest = child->pid;
	__atomic_store_n(&m->agent, getpid(), __ATOMIC_RELEASE);
	r = forget_maker(a);
	if (r == 0)
		r = adopt(a, f, child, regs);
	if (r == 0)
		r = own_clock(a);
	if (r == 0)
		r = agent_begin(a);
	if (r == 0)
		r = family_listen(a);
	if (r == 0)
		r = agent_serve(a);
	if (r == 0)
		r = agent_greet(a, helper);
	if (r < 0)
		agent_end(a, 1, "process %d has no agent: %s", a->home_pid, strerror(-r));
	(void)loop_run(a->loop);
	_exit(0);
}

/* The child has left the memory that it shared with its maker. */
static void on_released(void *arg, int fd, uint32_t events)
{
	struct guest_thread *g = arg;
	struct agent *a = g->a;
	struct wire_fork_released m = {.pid = g->held_for};

	(void)events;
	loop_remove(g->lifeline_watch);
	g->lifeline_watch = NULL;
	(void)close(fd);
	g->lifeline = -1;
	g->held_for = 0;
	a->family.held--;
	agent_fault_again(a);
	if (wire_fork_released_encode(&m, link_out(a->link)) < 0 || agent_send(a) < 0)
		agent_end(a, 1, "the link failed");
	if (!a->family.held && threads_next_birth(a) < 0)
		agent_end(a, 1, "a process could not be made");
	agent_thread_stopped(g);
}

/* The child gets an agent of its own. Returns in the old one only. */
static int give_agent(struct guest_thread *g, const struct guest_fork *f, struct tracee *child,
		      const struct user_regs_struct *regs)
{
	_cleanup_close_ int heard = -1, held = -1;
	struct agent *a = g->a;
	struct handover h;
	struct err e = {0};
	int pair[2], r;

	if ((f->flags & CLONE_VFORK) && pipe2(pair, O_CLOEXEC) < 0)
		return -errno;
	if (f->flags & CLONE_VFORK) {
		heard = pair[0];
		held = pair[1];
	}
	r = handover_fork(child, &h, &e);
	if (r < 0) {
		log_warn("%s", e.text);
		return r;
	}
	(void)close(h.fd);
	if (h.new_process) {
		if (heard >= 0)
			(void)close(take_fd(&heard));
		a->family.lifeline = take_fd(&held);
		become(a, f, child, regs, h.daemon);
	}
	r = handover_introduce(&h, a->helper, child->pid, f->link_id);
	if (r == 0 && heard >= 0) {
		g->lifeline_watch = loop_add_fd(a->loop, heard, EPOLLIN, on_released, g);
		r = g->lifeline_watch ? 0 : -ENOMEM;
	}
	if (r < 0)
		return r; /* it ends: nobody will ever send it a link */
	if (heard >= 0) {
		g->lifeline = take_fd(&heard);
		g->held_for = f->pid;
		a->family.held++;
	}
	return 0;
}

static int make_child(struct guest_thread *g, const struct guest_fork *f, const struct user_regs_struct *regs)
{
	struct user_regs_struct own = *regs;
	struct agent *a = g->a;
	struct tracee child;
	int r = fault_point(FAULT_GUEST_FORK) < 0 ? -EAGAIN : clone_guest(g, f, &child);

	if (r == 0) {
		own.rax = 0;
		own.orig_rax = ~0ULL;
		if (f->stack)
			own.rsp = f->stack;
		if (f->flags & CLONE_SETTLS)
			own.fs_base = f->tls;
		tell_ids(g, f, &child);
		r = park(a, &child);
		if (r == 0)
			r = give_agent(g, f, &child, &own);
		if (r < 0)
			(void)kill(child.pid, SIGKILL);
		tracee_release(&child);
	}
	if (a->family.forked_uffd >= 0)
		(void)close(a->family.forked_uffd);
	a->family.forked_uffd = -1;
	if (r < 0)
		family_give_back(a, f->slot);
	return r;
}

int fork_made(struct guest_thread *g, pid_t pid)
{
	struct wire_fork_end m = {.pid = pid};
	struct guest_fork f = g->fork;
	struct agent *a = g->a;
	struct user_regs_struct regs;
	uint32_t id;
	int r;

	g->fork.active = false;
	if (pid != f.pid)
		return -EPROTO;
	/* What its kernel is to write must be there before the child has a copy. */
	if (f.flags & CLONE_CHILD_SETTID)
		(void)!agent_mem_read(a, f.child_tid, &id, sizeof(id));
	r = agent_take_out(g, g->call.id);
	if (r == 0)
		r = tracee_get_regs(&g->t, &regs);
	if (r == 0) {
		m.error = make_child(g, &f, &regs);
		if (m.error < 0)
			log_info("process %d could not be made here: %s", f.pid, strerror((int)-m.error));
		r = wire_fork_end_encode(&m, link_out(a->link));
		if (r == 0)
			r = agent_send(a);
		regs.rax = m.error < 0 ? (uint64_t)-EAGAIN : (uint64_t)pid;
		regs.orig_rax = ~0ULL;
		if (r == 0)
			r = tracee_set_regs(&g->t, &regs);
	}
	if (r < 0 && g->t.stop != TRACEE_ENDED)
		return r;
	agent_thread_stopped(g);
	/* Waiting for one of several may have taken the signal that told of another. */
	if (tracee_any_news())
		agent_on_stop(a);
	return 0;
}
