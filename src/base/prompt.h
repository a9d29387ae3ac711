/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Being run soon after waking up, on a machine whose CPUs are all busy.
 * Promise: best effort; a kernel or a missing privilege that refuses costs only time. Must not: use real-time policies,
 * which could starve the machine's own users.
 */
#ifndef GODWIT_BASE_PROMPT_H
#define GODWIT_BASE_PROMPT_H

#include <sys/types.h>

struct prompt_saved {
	int nice; /* as before prompt_raise() */
	int raised;
};

/* Gives the task (0: the caller) a higher weight and a short slice, so that it preempts busy ones when it wakes up:
 * sched_setattr(2); slices of single tasks since Linux 6.12. Needs CAP_SYS_NICE. saved may be NULL. */
void prompt_raise(pid_t pid, struct prompt_saved *saved);
/* Undoes it. */
void prompt_restore(pid_t pid, struct prompt_saved *saved);

#endif
