/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Job control: a process that is away stops there, and goes on there.
 * Promise: the deputies stop and go on as the kernel has them do, so that parent, shell and terminal see what they see
 * of any process; the host is told (HALT) before it has the answer of the call that stopped the process, and no call of
 * the guest is begun until SIGCONT. Must not: decide what a signal does: the kernel knows of orphaned groups, and of a
 * SIGCONT that has come first.
 *
 * Each thread's last stop by PTRACE_INTERRUPT, a stop signal or SIGCONT says whether the process was stopped then
 * (tracee.group_stop). What changes that makes the thread stop anew, also one that waits by PTRACE_LISTEN: ptrace(2).
 * The guest stands from the first deputy that has stopped to the last that has gone on, and taken what signals had to
 * wait until then. A call that is stopped in its midst stays in the kernel, and goes on as the kernel has it.
 */
#include "shepherd.h"

#include "../base/clock.h"
#include "../base/fault.h"
#include "../wire/reasons.h"

#define STEP_NS (5 * NSEC_PER_SEC)

int stops_tell_again(struct shepherd *s)
{
	int r = wire_halt_encode(&(struct wire_halt){.stopped = s->head.stopped}, link_out(s->link));

	return r < 0 ? r : shepherd_send(s);
}

int stops_tell(struct shepherd *s)
{
	bool stopped = false;

	for (size_t i = 0; !stopped && i < s->threads_n; i++)
		stopped = s->threads[i]->t.group_stop || s->threads[i]->goes_on;
	/* A process that is being born tells its host once it has a link, by its first way into pause(). */
	if (s->head.stopped == stopped || !s->link)
		return 0;
	if (fault_point(FAULT_SHEP_HALT) < 0)
		deputy_lost(s, "fault point shep-halt");
	s->head.stopped = stopped;
	s->status_due = true;
	return stops_tell_again(s);
}

/* To a stop that tells how things are now: what we have let it do meanwhile was no part of job control. */
static int ask_anew(struct deputy *d)
{
	uint64_t deadline = clock_mono_ns() + STEP_NS;
	int r = tracee_mask_all(&d->t);

	while (r == 0 && d->t.stop != TRACEE_GROUP && d->t.stop != TRACEE_EVENT) {
		r = tracee_interrupt(&d->t);
		if (r == 0)
			r = tracee_resume(&d->t, TRACEE_CONT, 0);
		if (r == 0)
			r = tracee_wait(&d->t, deadline);
		if (r == 0 && d->t.stop == TRACEE_ENDED)
			process_ended(d->s);
		(void)tracee_puts_off_stop(&d->t);
	}
	return r;
}

int stops_wait(struct deputy *d)
{
	int r = 0;

	if (!d->t.group_stop) /* the host may have been told otherwise, by the image, too */
		return d->s->head.stopped ? stops_tell(d->s) : 0;
	if (d->t.stop != TRACEE_GROUP)
		r = ask_anew(d);
	if (r == 0)
		r = stops_tell(d->s);
	if (r < 0 || !d->t.group_stop)
		return r;
	if (!d->unborn)
		r = tracee_unmask(&d->t);
	/* If SIGCONT has come since, it stops anew at once. */
	if (r == 0)
		r = tracee_resume(&d->t, TRACEE_LISTEN, 0);
	d->state = DEPUTY_STOPPED;
	return r < 0 ? r : 1;
}

int stops_ended(struct deputy *d)
{
	struct shepherd *s = d->s;
	int r;

	d->goes_on = true;
	r = d->unborn ? 0 : signals_let_in(d);
	d->goes_on = false;
	if (r == 0)
		r = stops_tell(s);
	if (r < 0)
		return r;
	if (d->signal_held) {
		if (shepherd_home_now(s))
			shepherd_come_home(s, REASON_SIGNAL);
		return 0;
	}
	return d->call.refused ? call_at_last(d) : deputy_idle(d);
}
