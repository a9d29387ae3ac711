/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What keeps a process at home, and the figures of a process that a move needs.
 * Promise: all reasons at once, each with a sentence that names the fact. Must not: stop or change the process.
 */
#ifndef GODWIT_IMAGE_INSPECT_H
#define GODWIT_IMAGE_INSPECT_H

#include "image.h"
#include "maps.h"
#include "view.h"

#define INSPECT_REASONS_MAX 24

struct inspect_reason {
	unsigned reason; /* enum reason */
	char sentence[ERR_TEXT_MAX];
};

struct inspect {
	struct inspect_reason reasons[INSPECT_REASONS_MAX];
	size_t n;
	char comm[64];
	char state; /* letter of /proc/PID/stat */
	pid_t inner_pid; /* the pid that the process sees itself */
	size_t threads;
	uint64_t sig_blocked, sig_ignored, sig_caught; /* bit n-1 is signal n */
	uint64_t limit_as, limit_data, limit_stack, limit_core; /* bytes, RLIM_INFINITY as ~0 */
	uint64_t personality;
	struct image_mm mm; /* brk is only known to the page here: start of the heap's mapping end */
	uint64_t dirty_bytes; /* estimate of what a move sends */
	bool views; /* it has files of /proc open that tell of its memory or CPU time */
};

/* Reads everything about pid into *ret and its mappings, with flags, into *maps (both replaced). 0, -ESRCH, -EACCES,
 * -EAGAIN: it is in the midst of an exec. Reasons do not make it fail. */
int inspect_process(pid_t pid, struct inspect *ret, struct image_maps *maps, struct err *e) _must_check_;
/* The same for a process that has been inspected and whose mappings are what they were: looks at all but these, which
 * is what takes long. */
int inspect_again(pid_t pid, struct inspect *x, struct err *e) _must_check_;
/* The same without a look at its descriptors, for a process that will be looked at again when it stands: whoever looks
 * holds the file for a moment, and a program could see that a pipe's end which it has just closed is open. */
int inspect_running(pid_t pid, struct inspect *ret, struct image_maps *maps, struct err *e) _must_check_;
/* Signal masks and state letter only, from /proc/PID/status; cheap. */
int inspect_signals(pid_t pid, struct inspect *ret) _must_check_;

/* What descriptor fd of the process is, if it is a file of /proc that tells of the process itself; else VIEW_RIGHT. tid
 * is 0 or one of its threads. -EACCES when nobody may look, -EBADF when there is no such descriptor. */
int inspect_view(pid_t pid, int fd, struct view *ret) _must_check_;

/* What the kernel says there in a file of that kind; *ret is the caller's. -errno */
int inspect_view_text(const struct view *v, enum view_kind kind, char **ret) _must_check_;
/* Appends the text of that file of a process at home that stands still, as it would read it itself. */
int inspect_read_view(const struct view *v, bool traced, struct buf *out) _must_check_;

/* Does a signal wait to be delivered to the process? sig 0: any that it does not block. False when it is gone. */
bool inspect_pending(pid_t pid, int sig);

/* Lists the threads of a process, the main one first. *ret is to be freed. Their number, or -ESRCH, -ENOMEM. */
ssize_t inspect_threads(pid_t pid, pid_t **ret) _must_check_;

#endif
