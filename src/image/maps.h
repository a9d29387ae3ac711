/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of mappings of a process, read from /proc.
 * Promise: ascending, without the kernel's own [vsyscall]; every flag that matters to a move is there.
 * Must not: need the process to be stopped (a list of a running one is only an estimate).
 */
#ifndef GODWIT_IMAGE_MAPS_H
#define GODWIT_IMAGE_MAPS_H

#include "image.h"

void maps_init(struct image_maps *m);
void maps_release(struct image_maps *m);

/* Reads /proc/PID/smaps (with_flags, walks the page tables: 1 ms for each 100 MB or so) or /proc/PID/maps, where
 * only prot, shared and the special names are known. 0 or -errno. The mappings in m are replaced; the numbers of
 * files that m knows already stay, so that two readings can be compared. */
int maps_read(struct image_maps *m, pid_t pid, bool with_flags, struct err *e) _must_check_;
/* Parses one text of either file; for tests and fuzzing. -EPROTO when it is not in the format of proc(5). */
int maps_parse(struct image_maps *m, char *text) _must_check_;

int maps_append(struct image_maps *m, const struct image_vma *v) _must_check_;
/* The mapping that holds addr, or NULL. */
const struct image_vma *maps_find(const struct image_maps *m, uint64_t addr);
/* Puts *v into the list, in place of all or the parts of what lies there. -ENOMEM: unchanged. */
int maps_replace(struct image_maps *m, const struct image_vma *v) _must_check_;
/* Nothing of the list lies in [start,end). */
bool maps_free(const struct image_maps *m, uint64_t start, uint64_t end);
/* The number for a file, made if new; 0 when out of memory. */
uint32_t maps_file(struct image_maps *m, uint64_t dev, uint64_t ino);
/* Do both lists have the same ranges of the same files with the same protection? Then the flags of one hold for the
 * other. */
bool maps_same_layout(const struct image_maps *a, const struct image_maps *b);
/* A gap of `size` bytes at a multiple of 64 KiB, as low as possible from `from`, free in m and (may be NULL) in
 * other. 0 when there is none. */
uint64_t maps_find_gap(const struct image_maps *m, const struct image_maps *other, uint64_t from, uint64_t size);
/* The highest address from which on `size` bytes are free and end at `limit` or below. 0 when there is none. */
uint64_t maps_find_below(const struct image_maps *m, uint64_t limit, uint64_t size);

#endif
