/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Signals that run a handler: handed over to the guest, which runs it on its host.
 * Promise: the process has each signal once, with the siginfo, mask and stack that the kernel would have given it,
 * before the call returns that let it in. What the deputy's kernel would have done besides (mask, SA_RESETHAND) has
 * been done at home. Must not: hand over while the process moves, or what home alone can do (stops, core dumps).
 */
#include "shepherd.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../image/x86_64/sigframe.h"
#include "../wire/reasons.h"

#define SA_RESTORER_ 0x04000000U
#define KERNEL_SIGSET_BYTES 8
#define COME_NS (2 * NSEC_PER_MSEC) /* for a signal that was seen waiting */
#define NEVER_BLOCKED ((1ULL << (SIGKILL - 1)) | (1ULL << (SIGSTOP - 1)))

/* The deputy answers a question of one call with a struct of so many bytes. */
static int ask(struct deputy *d, unsigned nr, uint64_t a0, void *answer, size_t n)
{
	bool action = nr == SYS_rt_sigaction;
	uint64_t at;
	int64_t v = 0;
	int r = call_aside(d, &at);

	if (r == 0)
		r = tracee_mask_all(&d->t);
	if (r == 0)
		r = action ? tracee_syscall(&d->t, &v, nr, a0, 0, at, KERNEL_SIGSET_BYTES, 0, 0)
			   : tracee_syscall(&d->t, &v, nr, a0, at, 0, 0, 0, 0);
	if (r == 0)
		r = v < 0 ? (int)v : tracee_read(&d->t, at, answer, n);
	return r;
}

/* Only the guest's own calls change it, and those forget what was known. */
static int action_of(struct deputy *d, int sig, struct sigframe_action *ret)
{
	struct shepherd_action *known = &d->s->actions[sig];
	int r = known->known ? 0 : ask(d, SYS_rt_sigaction, (uint64_t)sig, &known->action, sizeof(known->action));

	known->known = r == 0;
	*ret = known->action;
	return r;
}

void signals_forget_action(struct shepherd *s, uint64_t sig)
{
	if (sig < ARRAY_SIZE(s->actions))
		s->actions[sig].known = false;
}

static int reset_action(struct deputy *d, int sig)
{
	static const struct sigframe_action none;
	uint64_t at;
	int64_t v = 0;
	int r = call_aside(d, &at);

	if (r == 0)
		r = tracee_write(&d->t, at, &none, sizeof(none));
	if (r == 0)
		r = tracee_syscall(&d->t, &v, SYS_rt_sigaction, (uint64_t)sig, at, 0, KERNEL_SIGSET_BYTES, 0, 0);
	signals_forget_action(d->s, (uint64_t)sig);
	return r < 0 ? r : (int)v;
}

static int send_signal(struct deputy *d, const struct sigframe_signal *sig)
{
	struct wire_signal m = {.tid = d->t.pid,
				.info = {sig->info, sizeof(sig->info)},
				.handler = sig->action.handler,
				.flags = sig->action.flags,
				.restorer = sig->action.restorer,
				.mask = sig->mask,
				.alt_sp = sig->stack.sp,
				.alt_size = sig->stack.size,
				.home_mono_ns = clock_mono_ns()};
	int r = wire_signal_encode(&m, link_out(d->s->link));

	return r < 0 ? r : shepherd_send(d->s);
}

bool signals_may_hand_over(const struct deputy *d)
{
	const struct shepherd *s = d->s;

	return !s->moving && !shepherd_home_now(s) && !threads_signal_held(s);
}

/* How the handler begins, and the mask that it has. What the kernel does with SA_RESETHAND is done. 1: a frame that
 * only a kernel can write. */
static int prepare(struct deputy *d, struct sigframe_signal *sig, uint64_t *mask)
{
	int signo = d->t.sig, r;
	/* The mask in force, which sigsuspend() and ppoll() change for their time; the task's own is in saved_mask. */
	uint64_t blocked = d->s->facts.sig_blocked;

	static_assert(sizeof(sig->info) == sizeof(d->t.info), "siginfo_t travels as it is");
	*sig = (struct sigframe_signal){0};
	memcpy(sig->info, &d->t.info, sizeof(sig->info));
	r = action_of(d, signo, &sig->action);
	if (r == -ENOMEM) /* it may map nothing more, not even for our question */
		return 1;
	if (r == 0 && (sig->action.handler <= 1 || !(sig->action.flags & SA_RESTORER_)))
		return 1;
	if (r == 0 && (sig->action.flags & SA_ONSTACK))
		r = ask(d, SYS_sigaltstack, 0, &sig->stack, sizeof(sig->stack));
	if (r == 0 && ((uint32_t)sig->stack.flags & SIGFRAME_AUTODISARM))
		return 1;
	if (r == 0)
		r = tracee_mask_all(&d->t);
	if (r == 0 && (sig->action.flags & SA_RESETHAND))
		r = reset_action(d, signo);
	sig->mask = d->t.saved_mask;
	*mask = blocked | sig->action.mask;
	if (!(sig->action.flags & SA_NODEFER))
		*mask |= 1ULL << (signo - 1);
	*mask &= ~NEVER_BLOCKED;
	return r;
}

int signals_hand_over(struct deputy *d)
{
	struct sigframe_signal sig;
	uint64_t mask;
	int r = prepare(d, &sig, &mask);

	if (r != 0)
		return r;
	d->t.saved_mask = mask;
	d->mask_before = sig.mask;
	if (fault_point(FAULT_SHEP_SIGNAL) < 0)
		return -EIO;
	r = send_signal(d, &sig);
	d->signals_given++;
	return r < 0 ? r : tracee_unmask(&d->t);
}

int signals_hold(struct deputy *d)
{
	int r = prepare(d, &d->held_signal, &d->held_mask);

	d->held_frame = r == 0;
	return r < 0 ? r : 0;
}

static int read_memory(void *ctx, uint64_t addr, void *p, size_t n)
{
	struct deputy *d = ctx;

	return tracee_read(&d->t, addr, p, n);
}

static int write_memory(void *ctx, uint64_t addr, const void *p, size_t n)
{
	struct deputy *d = ctx;

	return tracee_write(&d->t, addr, p, n);
}

int signals_begin_at_home(struct deputy *d, struct user_regs_struct *regs)
{
	const struct sigframe_memory mem = {read_memory, write_memory, d};
	bool in_call = (int64_t)regs->orig_rax >= 0 && image_is_restart((int64_t)regs->rax);
	_cleanup_free_ struct sigframe_context *c = NULL;
	struct cpu_layout here;
	ssize_t n;
	int r;

	if (!d->held_frame)
		return 1;
	c = calloc(1, sizeof(*c));
	n = c ? cpu_get_xstate(&d->t, c->xstate) : -ENOMEM;
	if (!c || n < 0)
		return (int)n;
	cpu_layout_here(&here);
	c->xstate_len = (size_t)n;
	c->regs = *regs;
	sigframe_cut_call(&c->regs, in_call ? (int64_t)regs->rax : 0, d->held_signal.action.flags);
	if (sigframe_push(c, &d->held_signal, &here, &mem) < 0)
		return 1; /* the kernel knows what follows then */
	r = cpu_set_xstate(&d->t, c->xstate, c->xstate_len, &here);
	if (r < 0)
		return r;
	*regs = c->regs;
	d->t.saved_mask = d->held_mask;
	return 0;
}

int signals_let_in(struct deputy *d)
{
	enum deputy_state state = d->state;
	int r = tracee_unmask(&d->t);

	while (r == 0 && !d->signal_held && !d->t.group_stop && inspect_pending(d->t.pid, 0)) {
		r = deputy_idle(d);
		if (r == 0)
			r = tracee_wait(&d->t, clock_mono_ns() + COME_NS);
		/* Another thread may have taken it. */
		if (r == 0 || r == -ETIMEDOUT)
			r = deputy_take_stop(d);
	}
	d->state = state;
	return r;
}

int signals_return(struct deputy *d)
{
	int r = tracee_mask_all(&d->t);

	if (r == 0)
		d->t.saved_mask = d->call.m.args[0] & ~NEVER_BLOCKED;
	d->state = DEPUTY_BUSY;
	d->call.result = 0;
	d->call.done = true;
	return r < 0 ? r : call_finish(d, 0);
}

int signals_failed(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_signal_failed m;
	struct deputy *d;
	int r = wire_signal_failed_decode(&m, body, n);

	if (r < 0)
		return r;
	d = threads_find(s, (pid_t)m.tid);
	if (!d || !d->signals_given || d->state == DEPUTY_BUSY || m.signo < 1 || m.signo > SIGRTMAX)
		return -EPROTO;
	r = deputy_stop(d);
	if (r == 0)
		r = tracee_mask_all(&d->t);
	if (r < 0)
		return r;
	d->t.saved_mask = d->held_signal.mask = d->mask_before;
	d->no_stack = m.signo;
	d->state = DEPUTY_HELD;
	s->want_home = true;
	s->home_reason = REASON_SIGNAL;
	return 0;
}
