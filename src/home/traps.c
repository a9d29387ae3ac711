/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An instruction of the guest has failed on its host: SIGSEGV, SIGFPE and their like.
 * Promise: a handler runs on the host, with the mask and on the stack that the kernel here would have given it. Where
 * there is none to run, the process comes home, makes the instruction again and has there what follows. Must not: let
 * the guest go on, or keep it waiting without FREEZE being on its way.
 */
#include "shepherd.h"

#include <errno.h>
#include <string.h>

#include "../base/fault.h"
#include "../wire/reasons.h"

/* Those that a kernel gives to the very instruction. */
static bool is_fault(const siginfo_t *info)
{
	switch (info->si_signo) {
	case SIGSEGV:
	case SIGBUS:
	case SIGFPE:
	case SIGILL:
	case SIGTRAP:
		return info->si_code > 0;
	default:
		return false;
	}
}

/* The deputy stands. 0: handed over; 1: the kernel would end the process, or only it can write the frame. A fault
 * cannot wait: blocked, its signal has the default action. kernel/signal.c, force_sig_info_to_task(). */
static int give(struct deputy *d, const siginfo_t *info)
{
	uint64_t bit = 1ULL << (info->si_signo - 1);
	int r = tracee_unmask(&d->t);

	if (r == 0)
		r = inspect_signals(d->t.pid, &d->s->facts);
	if (r < 0)
		return r;
	if (!(d->s->facts.sig_caught & bit) || (d->s->facts.sig_blocked & bit))
		return 1;
	if (fault_point(FAULT_SHEP_TRAP) < 0)
		return -EIO;
	/* As if it stood before its own. */
	d->t.sig = info->si_signo;
	d->t.info = *info;
	return signals_hand_over(d);
}

int trap_arrives(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_guest_fault m;
	struct deputy *d;
	siginfo_t info;
	int r = wire_guest_fault_decode(&m, body, n);

	if (r < 0)
		return r;
	d = threads_find(s, (pid_t)m.tid);
	if (!d || d->unborn || d->state == DEPUTY_BUSY || m.info.len != sizeof(info))
		return -EPROTO;
	memcpy(&info, m.info.data, sizeof(info));
	if (!is_fault(&info))
		return -EPROTO;
	/* FREEZE is on its way, or follows; or HALT, and we are asked again after SIGCONT. */
	if (s->moving || s->head.stopped || d->t.group_stop || !signals_may_hand_over(d))
		return 0;
	r = deputy_stop(d);
	/* One that came before it: the instruction is made again after that handler. */
	if (r == 0 && m.signals == d->signals_given && !d->signal_held)
		r = give(d, &info);
	if (r == 0)
		r = signals_let_in(d);
	if (r > 0)
		shepherd_want_home(s, REASON_GUEST_FAULT, 0);
	if (r >= 0)
		r = deputy_idle(d);
	return r == -ESRCH ? 0 : r; /* its end follows */
}
