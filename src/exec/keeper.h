/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The keeper of one command: a process between the executor and the command, to which everything belongs that the
 * command starts.
 * Promise: when the executor closes the keeper's socket, for whatever reason, the command and all its descendants are
 * ended, also those that have made a session of their own: SIGHUP, then SIGKILL. Must not: read the link, or a stream.
 *
 * As a subreaper (prctl(2)) it becomes the parent of each descendant whose own parent has ended, so that none escapes
 * but one that it may not signal (a program with the set-user-ID bit). It leads the session; the command has a process
 * group of its own in it, so that job control finds a parent outside that group, as it would with a shell.
 */
#ifndef GODWIT_EXEC_KEEPER_H
#define GODWIT_EXEC_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include "../base/err.h"
#include "exec.h"
#include "place.h"

/* What the command is to find. The pointers lead into the message. */
struct keeper_start {
	struct place place;
	char **argv, **env; /* NULL at their ends */
	struct rlimit limits[RLIM_NLIMITS];
	uint64_t ignored, blocked; /* signals, bit N-1 for N */
	mode_t mask;
	int nice;
	int fd[3]; /* its descriptors 0, 1, 2; -1: closed */
	bool relay; /* it is a godwit exec: it is told which signals are for a whole group, and the broker that it may
		     * have started goes on */
	const char *tty; /* of which fd[i] == -2 is a descriptor; NULL: none */
};

#define KEEPER_TTY (-2) /* in fd: the terminal */

enum keeper_note_kind { NOTE_STARTED = 1, NOTE_ERROR, NOTE_STOPPED, NOTE_ENDED };

/* From the keeper, one SEQPACKET message each. */
struct keeper_note {
	enum keeper_note_kind kind;
	int value; /* STARTED: pid; ERROR: enum exec_error; STOPPED: signal; ENDED: status of wait(2) */
	struct exec_usage usage; /* ENDED */
	struct err err;
};

/* To the keeper. */
struct keeper_order {
	int signo;
	bool group;
};

/* Forks it. *ret_fd: its socket, non-blocking. The descriptors stay the caller's. pid or -errno. */
pid_t keeper_fork(const struct keeper_start *s, int *ret_fd) _must_check_;
/* Ends the children of this process that are not in the list: of a keeper that was killed. */
void keeper_kill_strays(const pid_t *keepers, size_t n);

#endif
