/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A traced task gets another tracer: a process that we fork for it, because a helper looks after one process only.
 * Promise: in between the task only does what its registers say, and we give it nothing to do; if anything fails, or
 * both of us are killed in that moment, it is killed, or sleeps with all its signals blocked. Must not: leave a child
 * of ours behind that we would have to wait for.
 */
#ifndef GODWIT_IMAGE_HANDOVER_H
#define GODWIT_IMAGE_HANDOVER_H

#include "tracee.h"

struct handover {
	pid_t helper; /* the new process; as seen by the old one */
	int fd; /* SEQPACKET between the two; owned by the caller */
	int daemon; /* the new process's connection to godwitd, in the old one godwitd's end of it; owned by the caller
		     */
	bool new_process; /* we are it: the task is ours, stopped, and killed when we end */
};

/* t is stopped, all its signals are blocked, and its registers lead into a call that lasts. Returns twice. On failure
 * the task is killed; only the old process hears of it. */
int handover_fork(struct tracee *t, struct handover *ret, struct err *e) _must_check_;

/* In the old process: godwitd gets that end from us, whom it knows (HELPER_FORKED on our connection), and it is closed.
 * guest, link_id: of an agent, else 0. -errno */
int handover_introduce(struct handover *h, int connection, pid_t guest, uint64_t link_id) _must_check_;

#endif
