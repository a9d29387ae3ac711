/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest stops: because home wants its image, because of a fault, or because it has ended.
 * Promise: an image is only given while home waits for it; after RESUME the guest goes on as if nothing had been.
 * Must not: end the guest; KILL does, or the end of the agent.
 */
#include "agent.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/prompt.h"
#include "../image/capture.h"
#include "../image/x86_64/vdso.h"
#include "../wire/reasons.h"

/* The stub has cut vvar's place into pieces; the next host looks for a place for its own. */
static void join_vvar(struct image_maps *m)
{
	size_t n = 0;

	for (size_t i = 0; i < m->n; i++) {
		if (n && (m->v[i].flags & m->v[n - 1].flags & VMA_VVAR) && m->v[n - 1].end == m->v[i].start)
			m->v[n - 1].end = m->v[i].end;
		else
			m->v[n++] = m->v[i];
	}
	m->n = n;
}

/* Turns memfd mappings back into files' ranges, and marks the vdso's copy and what is left of vvar's place. */
int agent_read_maps(struct agent *a, struct image_maps *m, bool with_flags, struct err *e)
{
	int r = maps_read(m, main_tracee(a)->pid, with_flags, e);

	for (size_t i = 0; r == 0 && i < m->n; i++) {
		struct image_vma *v = &m->v[i];
		uint64_t offset = v->offset;

		v->flags &= ~(uint32_t)(VMA_UFFD | VMA_MAYWRITE);
		if (v->start >= a->b.head.vdso_start && v->end <= a->b.head.vdso_end) {
			v->flags = VMA_VDSO;
			v->file = 0;
			v->offset = 0;
		} else if (v->file && m->files[v->file - 1].dev == a->memfd_dev &&
			   m->files[v->file - 1].ino == a->memfd_ino) {
			v->file = (uint32_t)(offset >> BUILD_FILE_SHIFT);
			v->offset = offset & ((1ULL << BUILD_FILE_SHIFT) - 1);
			if (!v->file)
				*v = (struct image_vma){v->start, v->end, 0, PROT_READ, VMA_VVAR, 0};
		} else if (v->file) {
			return err_set(e, -EPROTO, "the guest has a mapping that nobody made");
		}
	}
	if (r == 0)
		join_vvar(m);
	return r;
}

int64_t agent_native_code(int64_t code)
{
	return code == -ERESTART_RESTARTBLOCK_ ? -ERESTARTNOHAND_ : code;
}

/* Is the thread about to make the call again that it was in when it came? Of a native one, which may have been made by
 * now, only that it is about to make the same. */
static bool still_inside(const struct guest_thread *g, const struct user_regs_struct *regs)
{
	if (regs->rip != g->reissue.ip || regs->orig_rax != ~0ULL)
		return false;
	return g->reissue.armed ||
	       (g->reissue.native && regs->rax == g->reissue.nr && regs->rdi == g->reissue.args[0] &&
		regs->rsi == g->reissue.args[1] && regs->r10 == g->reissue.args[2]);
}

/* What the kernel would have done with the interrupted call, as home must see it. */
static void settle_registers(struct guest_thread *g, struct user_regs_struct *regs)
{
	if (still_inside(g, regs)) {
		/* It has not even made the interrupted call again: it still is inside of it. */
		regs->rip += 2;
		regs->orig_rax = g->reissue.nr;
		regs->rax = (uint64_t)g->reissue.code;
		return;
	}
	if ((int64_t)regs->orig_rax < 0 || !image_is_restart((int64_t)regs->rax))
		return;
	/* Calls that home has not begun are simply made again. */
	if (g->settled || g->reissue.armed)
		regs->rax = (uint64_t)(g->settled ? g->settled : g->reissue.code);
	else
		regs->rax = (uint64_t)(sysc_made_by_host((unsigned)regs->orig_rax)
					   ? agent_native_code((int64_t)regs->rax)
					   : -ERESTARTNOINTR_);
}

/* Where a register points to that is ours: the stub or a patched entry. */
static int place_of(struct agent *a, uint64_t rip, enum vdso_place *ret, uint64_t *ret_entry)
{
	uint8_t around[2 * VDSO_ENTRY_SIZE - 1];
	int r;

	*ret = vdso_stub_place(&a->b.copy, rip, ret_entry);
	if (*ret != VDSO_OUTSIDE || rip - a->b.head.vdso_start >= a->b.head.vdso_end - a->b.head.vdso_start)
		return 0;
	r = tracee_read(main_tracee(a), rip - 7, around, sizeof(around));
	if (r == 0)
		*ret = vdso_place(around, rip, ret_entry); /* outside: the ELF header is read as data, never run */
	return r;
}

/* At home the vdso is the kernel's own again: registers that point into our copy are brought out of it. */
static int leave_vdso(struct guest_thread *g, struct user_regs_struct *regs)
{
	struct agent *a = g->a;
	enum vdso_place place;
	uint64_t entry;
	int r = place_of(a, regs->rip, &place, &entry);

	if (r < 0 || place == VDSO_OUTSIDE)
		return r;
	if (place == VDSO_RESTART) {
		regs->rip = entry;
		return 0;
	}
	if ((int64_t)regs->orig_rax >= 0 && image_is_restart((int64_t)regs->rax)) {
		regs->orig_rax = ~0ULL;
		regs->rip = entry;
		return 0;
	}
	r = tracee_read(main_tracee(a), regs->rsp, &regs->rip, sizeof(regs->rip));
	regs->rsp += 8;
	return r;
}

/* int3, of one byte or two: the trap is raised again by the same instruction. */
static void undo_trap(const struct guest_thread *g, struct user_regs_struct *regs)
{
	uint8_t last = 0xcc;

	if (g->trap.handled || g->t.stop != TRACEE_SIGNAL || g->t.sig != SIGTRAP || g->t.info.si_code != SI_KERNEL)
		return;
	regs->rip -= tracee_read(main_tracee(g->a), regs->rip - 1, &last, 1) == 0 && last == 3 ? 2 : 1;
}

int agent_interrupted(struct guest_thread *g, struct user_regs_struct *ret, int64_t *code)
{
	struct cpu_rseq rseq;
	int64_t native;
	bool host;
	int r = tracee_get_regs(&g->t, ret);

	if (r == 0)
		r = cpu_get_rseq(&g->t, &rseq);
	if (r == 0)
		r = cpu_rseq_abort(&g->t, &rseq, ret);
	if (r < 0)
		return r;
	host = (int64_t)ret->orig_rax >= 0 && sysc_made_by_host((unsigned)ret->orig_rax);
	native = (int64_t)ret->rax;
	settle_registers(g, ret);
	undo_trap(g, ret);
	r = leave_vdso(g, ret);
	*code = (int64_t)ret->orig_rax >= 0 && image_is_restart((int64_t)ret->rax) ? (int64_t)ret->rax : 0;
	/* A call that the kernel here was in: it knows best. */
	if (*code && host && !g->settled && !g->reissue.armed)
		*code = native;
	return r;
}

static int capture_threads(struct agent *a, struct err *e)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < a->threads_n; i++) {
		struct guest_thread *g = a->threads[i];

		r = capture_thread(&g->t, g->image, e);
		if (r < 0)
			break;
		settle_registers(g, &g->image->regs);
		undo_trap(g, &g->image->regs);
		r = leave_vdso(g, &g->image->regs);
	}
	return r;
}

static int send_image(struct agent *a, struct capture *c, struct err *e)
{
	struct image_threads threads = {.v = calloc(a->threads_n, sizeof(*threads.v)), .n = a->threads_n};
	int r;

	if (!threads.v)
		return err_set(e, -ENOMEM, "out of memory");
	agent_cpu_note(a);
	for (size_t i = 0; i < threads.n; i++)
		threads.v[i] = a->threads[i]->image;
	r = capture_send(c, &a->b.head, &threads, a->link, e);
	free(threads.v);
	return r;
}

static int capture_guest(struct agent *a, struct err *e)
{
	struct tracee *t = main_tracee(a);
	struct image_head *h = &a->b.head;
	struct image_maps m;
	struct capture c = {.t = t, .maps = &m, .pagemap_fd = a->pagemap, .track = a->track, .batch = a->batch};
	int64_t brk;
	int r;

	maps_init(&m);
	r = capture_threads(a, e);
	if (r == 0)
		r = agent_read_maps(a, &m, true, e);
	if (r == 0 && !t->syscall_ip)
		r = tracee_find_syscall(t, h->vdso_start, h->vdso_end);
	if (r == 0)
		r = tracee_syscall(t, &brk, SYS_brk, 0, 0, 0, 0, 0, 0);
	if (r == 0) {
		h->mm.brk = (uint64_t)brk;
		r = send_image(a, &c, e);
	}
	if (r < 0 && e && !e->code)
		(void)err_set(e, r, "the guest cannot be taken apart: %s", strerror(-r));
	maps_release(&m);
	return r;
}

static void give_image(struct agent *a)
{
	struct err e = {0};
	int r = capture_guest(a, &e);

	if (r < 0)
		agent_end(a, 1, "the image could not be given: %s", e.code ? e.text : strerror(-r));
	if (fault_point(FAULT_GUEST_IMAGE_SENT) < 0)
		agent_end(a, 1, "fault point guest-image-sent");
	a->link_heard_ns = clock_mono_ns(); /* sending may have taken long */
	a->freeze_wanted = false;
	a->home_asked = false;
	for (size_t i = 0; i < a->threads_n; i++) {
		a->threads[i]->settled = 0;
		a->threads[i]->reissue.armed = false;
	}
	a->state = AGENT_FROZEN;
}

/* As soon as all threads stand. While a deputy has a call, the stop follows the answer: a killable wait cannot be
 * interrupted. */
static void give_image_if_still(struct agent *a)
{
	for (size_t i = 0; i < a->threads_n; i++) {
		const struct guest_thread *g = a->threads[i];

		if (g->t.stop == TRACEE_RUNNING || g->call.active || g->birth_due || g->makes || g->leaves ||
		    g->beginning)
			return;
	}
	give_image(a);
}

void agent_freeze(struct agent *a)
{
	a->freeze_wanted = true;
	for (size_t i = 0; i < a->threads_n; i++) {
		struct guest_thread *g = a->threads[i];

		prompt_raise(g->t.pid, NULL);
		if (g->t.stop == TRACEE_RUNNING && !g->leaves && tracee_interrupt(&g->t) < 0) {
			agent_on_stop(a);
			break;
		}
	}
	if (a->freeze_wanted)
		give_image_if_still(a);
}

/* It goes on from its registers: the kernel here makes an interrupted call again. */
static int go(struct guest_thread *g)
{
	g->settled = 0;
	return tracee_resume(&g->t, TRACEE_CONT, 0);
}

/* Home could not interrupt a call that the guest waits for. A stop that still comes is passed over, also one that was
 * to last until home: who wants it home will say so again. */
static int go_on(struct agent *a)
{
	int r = 0;

	a->freeze_wanted = false;
	a->home_asked = false;
	for (size_t i = 0; r == 0 && i < a->threads_n; i++) {
		struct tracee *t = &a->threads[i]->t;

		prompt_restore(t->pid, &(struct prompt_saved){.nice = a->threads[i]->nice, .raised = 1});
		if (a->b.head.stopped)
			continue;
		if (a->threads[i]->trap.asked) {
			r = trap_ask_again(a->threads[i]);
			continue;
		}
		if (t->stop != TRACEE_RUNNING && !a->threads[i]->stackless && !a->threads[i]->held_for)
			r = go(a->threads[i]);
	}
	return r;
}

int agent_resume(struct agent *a)
{
	if (a->state == AGENT_RUNNING && a->freeze_wanted)
		return go_on(a);
	return a->state == AGENT_FROZEN ? agent_run(a) : -EPROTO;
}

static void guest_died(struct guest_thread *g) __attribute__((noreturn));
static void guest_died(struct guest_thread *g)
{
	struct wire_guest_died m = {.status = g->t.status};
	struct agent *a = g->a;

	if (a->link && wire_guest_died_encode(&m, link_out(a->link)) == 0)
		(void)!agent_send(a);
	agent_end(a, !a->link, "guest %d was killed on this node (status %#x)", a->home_pid, g->t.status);
}

/* Stopped by itself, for a fault or because it was asked to. */
static void stands(struct guest_thread *g)
{
	struct agent *a = g->a;

	if (g->held_for)
		return; /* as if it still were in vfork() */
	/* Asked to stop just then: the fault is told first, while the registers are still those of its instruction. */
	if (g->t.stop == TRACEE_EVENT && tracee_fault_waits(&g->t)) {
		if (tracee_resume(&g->t, TRACEE_CONT, 0) < 0)
			agent_end(a, 1, "the guest cannot be resumed");
		return;
	}
	if (thread_not_made(g) < 0)
		agent_end(a, 1, "the link failed");
	if (signals_begin(g) < 0)
		agent_end(a, 1, "guest %d cannot be given a signal", a->home_pid);
	agent_stands(g);
}

void agent_stands(struct guest_thread *g)
{
	struct agent *a = g->a;
	char text[100];
	int asked = 0;

	if (!a->freeze_wanted && !a->b.head.stopped && (g->t.stop == TRACEE_SIGNAL || g->t.stop == TRACEE_STEP))
		asked = trap_ask(g);
	if (asked < 0)
		agent_end(a, 1, "guest %d cannot be asked why it has failed: %s", a->home_pid, strerror(-asked));
	if (g->t.stop == TRACEE_ENDED) {
		agent_thread_stopped(g);
	} else if (a->freeze_wanted) {
		give_image_if_still(a);
	} else if (a->b.head.stopped) {
		return; /* a fault, too, comes after SIGCONT */
	} else if (asked) {
		return; /* SIGNAL follows, or FREEZE */
	} else if (g->t.stop == TRACEE_SIGNAL || g->t.stop == TRACEE_STEP) {
		(void)snprintf(text, sizeof(text), "signal %d at address %p", g->t.sig, g->t.info.si_addr);
		if (agent_bring_home(a, g, REASON_GUEST_FAULT, 0, text) < 0)
			agent_end(a, 1, "the link failed");
	} else if (!a->home_asked && !g->stackless && !g->held_for && go(g) < 0) {
		agent_end(a, 1, "the guest cannot be resumed");
	}
}

void agent_thread_stopped(struct guest_thread *g)
{
	struct agent *a = g->a;

	if (until_stopped(g) < 0)
		agent_end(a, 1, "a wait of guest %d cannot be brought to an end", a->home_pid);
	switch (g->t.stop) {
	case TRACEE_ENDED:
		if (!g->leaves)
			guest_died(g);
		thread_remove(g);
		if (a->freeze_wanted)
			give_image_if_still(a);
		break;
	case TRACEE_CLONE:
		if (thread_born(g) < 0)
			agent_end(a, 1, "guest %d has made a thread that home does not know", a->home_pid);
		break;
	default:
		stands(g);
		break;
	}
}

void agent_on_stop(struct agent *a)
{
	bool more;

	do {
		more = false;
		for (size_t i = 0; i < a->threads_n; i++) {
			struct guest_thread *g = a->threads[i];

			if (tracee_poll(&g->t) <= 0)
				continue;
			agent_thread_stopped(g);
			more = true;
			break; /* the list may have changed */
		}
	} while (more);
}
