/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Taking a user context apart: from the stopped process at home, or from a guest.
 * Promise: the source is only read (and made to answer brk(0)); after an error it can go on. Must not: decide where
 * the image goes.
 */
#ifndef GODWIT_IMAGE_CAPTURE_H
#define GODWIT_IMAGE_CAPTURE_H

#include "../link/link.h"
#include "build.h"

struct capture {
	struct tracee *t;
	const struct image_maps *maps; /* of the source, numbered as the receiver shall know the files */
	int pagemap_fd;
	bool track; /* file ranges are write-protect tracked: send only what was written */
	bool send_vdso; /* the source has the true vdso */
	uint8_t *batch; /* CAPTURE_BATCH bytes that have been written before, so that they are there; NULL: had when
			   needed */
	uint64_t pages, bytes; /* counted */
};

#define CAPTURE_BATCH ((size_t)64 * IMAGE_PAGE) /* stays in the CPU's cache from reading to sending */

/* Steps a stopped task out of [start,end), where it must not be left (the vdso). Needs SIGTRAP deliverable: the caller
 * says so by can_step; otherwise the task is let run and stopped again until it is outside. -EAGAIN when it stays. */
int capture_step_out(struct tracee *t, uint64_t start, uint64_t end, bool can_step, uint64_t deadline_ns) _must_check_;

/* Registers, extended state, rseq and robust list of the stopped task into ret; a running restartable sequence is
 * aborted. */
int capture_thread(struct tracee *t, struct image_thread *ret, struct err *e) _must_check_;

/* While the task still runs: sends its mappings, and in IMAGE_AHEAD where most of its pages are, so that the target can
 * lay out and have memory ready before the freeze. Whatever changes afterwards costs only time. */
int capture_announce(struct capture *c, struct link *link, struct err *e) _must_check_;

/* A receiver that takes nothing for 30 s is given up; how long the whole takes depends on size and line.
 *
 * Sends IMAGE_BEGIN, all threads, all mappings but scratch ones, all pages that must travel, IMAGE_END. */
int capture_send(struct capture *c, struct image_head *h, const struct image_threads *threads, struct link *link,
		 struct err *e) _must_check_;
/* Sends only the pages of one range, all of them (the vdso, for an image that is passed on). */
int capture_send_range(struct capture *c, uint64_t start, uint64_t end, struct link *link, struct err *e) _must_check_;

#endif
