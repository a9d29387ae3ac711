/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The mappings of an image, made in a task: what is there already is kept where it serves, the rest unmapped, the new
 * mapped; a host's task has memory ready before the process stands still. Part of builder (build.h), whose fields are
 * used. Promise: an error leaves the builder's target as it was. Must not: put pages, or touch registers.
 */
#ifndef GODWIT_IMAGE_LAYOUT_H
#define GODWIT_IMAGE_LAYOUT_H

#include "build.h"

/* Makes the target's mappings. On a fresh task they are there when it returns, and page faults in them are ours. */
int layout_make(struct builder *b, struct err *e) _must_check_;

/* Takes the body of IMAGE_AHEAD, which ends what comes before IMAGE_BEGIN: the mappings of a process that still runs,
 * and now where it has pages. */
int layout_ahead(struct builder *b, const uint8_t *body, size_t n, struct err *e) _must_check_;

/* Is the image's layout the one that was made ahead? If not, that is forgotten, and the task is to be laid out anew. */
bool layout_was_ahead(struct builder *b);

/* Is its memory had ahead? Then pages are simply written; else, and in files' ranges, they are put by userfaultfd. */
bool layout_had_ahead(const struct builder *b, const struct image_vma *t);

/* Fresh, when all pages are there: the faults of anonymous memory are the kernel's again. */
int layout_unregister(struct builder *b, struct err *e) _must_check_;

#endif
