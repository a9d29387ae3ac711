/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * System calls of a task that is being built: one by one, or for a fresh task many with one stop.
 * Promise: each call's result is looked at, and an error names what was tried. Must not: be used but by the builder,
 * which has build.h's builder_call(), builder_run() and builder_data() from here.
 */
#ifndef GODWIT_IMAGE_BATCH_H
#define GODWIT_IMAGE_BATCH_H

#include "build.h"

#define BATCH_STUB_SIZE 0x20000ULL /* bytes of the stub of a fresh task */
#define BATCH_HINT "advising the kernel" /* what calls are that may fail */

/* Makes one call at once. *ret (or NULL): its result. -errno with e when it is an error, too. */
int batch_inject(struct builder *b, struct err *e, const char *what, int64_t *ret, unsigned nr, uint64_t a0,
		 uint64_t a1, uint64_t a2, uint64_t a3, uint64_t a4, uint64_t a5) _must_check_;
/* Writes the code that makes a batch into the stub at this address. */
int batch_install(struct tracee *t, uint64_t stub) _must_check_;

#endif
