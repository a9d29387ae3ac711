/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which pages of a process hold something that is nowhere else, and must therefore be sent.
 * Promise: every page that differs from its file, or from zero, is reported; a page may be reported in vain.
 * Must not: read the pages themselves.
 */
#ifndef GODWIT_IMAGE_PAGES_H
#define GODWIT_IMAGE_PAGES_H

#include "image.h"

/* Called for each run of pages, ascending. A negative return ends the scan and is its result. */
typedef int (*pages_fn)(void *ctx, uint64_t addr, uint64_t pages);

/* Scans [start,end) of the process whose /proc/PID/pagemap is pagemap_fd. written_only: the range is write-protect
 * tracked (userfaultfd WP_ASYNC), so only pages written since they were put there count; the caller knows that the
 * kernel tracks. PAGEMAP_SCAN where the kernel has it (6.7), else the plain file. 0 or -errno. */
int pages_scan(int pagemap_fd, uint64_t start, uint64_t end, bool written_only, pages_fn fn, void *ctx) _must_check_;

/* Is page addr there (in memory or swapped out)? 1, 0 or -errno. */
int pages_present(int pagemap_fd, uint64_t addr) _must_check_;

#endif
