/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a process that is away sees in its own files of /proc.
 * Promise: one table of these files, which says of each whether the deputy's is right; and the text of those that tell
 * of memory and CPU time, made from the deputy's own and from what the host says. What the host says is checked, and
 * -EPROTO when it cannot be true. Must not: read a file itself, or trust the host with what home knows.
 */
#ifndef GODWIT_IMAGE_VIEW_H
#define GODWIT_IMAGE_VIEW_H

#include "image.h"
#include "../base/buf.h"

enum view_kind {
	VIEW_RIGHT, /* as the deputy's is; also all that is no file of a process */
	VIEW_MAPS,
	VIEW_SMAPS,
	VIEW_ROLLUP,
	VIEW_STAT,
	VIEW_STATM,
	VIEW_STATUS,
	VIEW_ARGUMENTS, /* is memory of the process: right once the deputy's is what the guest's is */
	VIEW_HOME, /* only the process itself can have it, at home */
	VIEW_KIND__MAX
};

#define VIEW_TEXT_MAX ((size_t)16 << 20)
#define VIEW_ARGUMENTS_MAX ((uint64_t)1 << 20)

struct view {
	enum view_kind kind;
	int64_t pid, tid; /* tid 0: of the process as a whole, which may go by the id of any thread */
};

/* What the file is that a link of /proc/PID/fd leads to. kind VIEW_RIGHT: pid and tid are not set. */
struct view view_of(const char *link);
/* Its name as the last part of a path. */
const char *view_name(enum view_kind kind);

/* Pages of the mappings, as the kernel counts them: in all, and of three kinds. */
struct view_sizes {
	uint64_t all, code, stack, data;
};

/* What only the host knows. */
struct view_host {
	const char *status; /* its /proc/PID/status of the guest */
	char *maps; /* maps, or smaps; changed */
	bool running;
	bool traced; /* the text is to say so */
	struct image_cpu used;
};

/* The text of maps or smaps: the guest's own mappings where they are anonymous, home's names for those of files, and
 * home's vdso. deputy: the same file of the deputy, changed. NULL for out: only the sizes. 0, -ENOMEM, -EPROTO. */
int view_maps(char *guest, char *deputy, uint64_t vdso_start, uint64_t vdso_end, struct buf *out,
	      struct view_sizes *ret) _must_check_;
/* The text of stat, statm or status; deputy: that of the deputy. 0, -ENOMEM, -EPROTO. */
int view_figures(enum view_kind kind, const char *deputy, const struct view_host *host, const struct view_sizes *sizes,
		 struct buf *out) _must_check_;

/* The text of stat, statm or status of a process at home that stands still, as it reads it itself; traced: as long as
 * it has a tracer. */
int view_running(enum view_kind kind, const char *stopped, const char *status, bool traced,
		 struct buf *out) _must_check_;
/* Where in `now` goes on who has read `old` up to pos, both texts of the same file, made in different places: at the
 * same mapping, or the same line or word. */
size_t view_position(enum view_kind kind, const char *old, size_t pos, const char *now);

#endif
