/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest executes another program: its deputy does, and of the guest nothing is needed any more.
 * Promise: a program that has begun goes on at home with its own memory, registers and mask, whatever becomes of the
 * host, the link or a move under way. One that cannot be executed is an error like any other, and the guest goes on.
 * Must not: look into the memory of a program that has begun, or change anything in it.
 *
 * PTRACE_EVENT_EXEC is not asked for, and a task that was seized gets no SIGTRAP: the end of the call is the one stop.
 * There the new program stands before its first instruction.
 */
#include "shepherd.h"

#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../wire/reasons.h"

#define AWAIT_NS (60 * NSEC_PER_SEC)

bool exec_under_way(const struct shepherd *s)
{
	const struct deputy *d = s->threads_n ? s->threads[0] : NULL;

	return d && d->state == DEPUTY_BUSY && !d->call.done && sysc_begins_program(d->call.m.nr, d->call.m.args);
}

static void begun(struct deputy *d) __attribute__((noreturn));
static void begun(struct deputy *d)
{
	struct shepherd *s = d->s;
	unsigned nr = d->call.m.nr;
	struct err e = {0};

	d->state = DEPUTY_HELD;
	prompt_restore(d->t.pid, &d->prompt);
	if (fault_point(FAULT_SHEP_EXEC) < 0 || tracee_unmask(&d->t) < 0 || tracee_detach(&d->t, 0) < 0)
		deputy_lost_for(s, REASON_INTERNAL, "the program that it executes cannot be let go");
	shepherd_kill_guest(s->link);
	buf_clear(&d->answer);
	if (s->trace)
		shepherd_say_trace(d, 0);
	/* As it was not answered, it has not been made for the host but has brought the process home. */
	s->counts[nr].forwarded--;
	shepherd_want_home(s, REASON_EXEC, nr);
	if (s->mig)
		(void)err_reason(&e, REASON_EXEC, -EAGAIN, "process %d has begun another program at home", s->pid);
	shepherd_is_home(s, REASON_EXEC, &e, 0);
}

/* A call that fails after the kernel has taken the old memory away is followed by a SIGSEGV that ends the process:
 * fs/exec.c, bprm_execve(). The descriptor of /proc/PID/mem would still show the old memory. */
static bool has_its_memory(struct deputy *d)
{
	uint8_t now[64];
	size_t n = d->image_size < sizeof(now) ? d->image_size : sizeof(now);
	struct iovec local = {now, n}, remote = {(void *)d->scratch, n};

	if (!d->call.m.segments.len)
		return true; /* no path: it never came so far */
	return process_vm_readv(d->t.pid, &local, 1, &remote, 1, 0) == (ssize_t)n && memcmp(now, d->local, n) == 0;
}

int exec_returned(struct deputy *d, int64_t ret)
{
	struct shepherd *s = d->s;

	if (!sysc_begins_program(d->call.m.nr, d->call.m.args) || d->call.not_entered || image_is_restart(ret))
		return 0;
	if (ret == 0)
		begun(d);
	if (!has_its_memory(d))
		process_ended(s); /* is about to: that is waited for */
	/* A security module may forbid to a traced process what it permits otherwise. */
	return ret == -EPERM;
}

void exec_await(struct shepherd *s)
{
	uint64_t deadline = clock_mono_ns() + AWAIT_NS;
	struct user_regs_struct regs;
	struct deputy *d;

	if (!exec_under_way(s))
		return;
	d = s->threads[0];
	while (d->t.stop != TRACEE_EXIT) {
		int r = 0;

		if (d->t.stop == TRACEE_ENDED)
			process_ended(s);
		if (d->t.stop == TRACEE_SIGNAL)
			return; /* before the call, or instead of it */
		if (d->t.stop != TRACEE_RUNNING)
			r = tracee_resume(&d->t, TRACEE_TO_SYSCALL, 0);
		if (r == 0)
			r = tracee_wait(&d->t, deadline);
		if (r < 0)
			return;
	}
	if (tracee_get_regs(&d->t, &regs) == 0)
		(void)!exec_returned(d, (int64_t)regs.rax);
}
