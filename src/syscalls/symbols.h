/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Names of flags and numbers for the decoder: private to src/syscalls.
 * Promise: bits without a name are shown as a number, nothing is left out. Must not: decide anything.
 */
#ifndef GODWIT_SYSCALLS_SYMBOLS_H
#define GODWIT_SYSCALLS_SYMBOLS_H

#include "table.h"

/* A line that grows up to its buffer and is always terminated. */
struct line {
	char *p;
	size_t cap, len;
};

void line_put(struct line *l, const char *fmt, ...) _printf_(2, 3);
void line_bytes(struct line *l, const uint8_t *p, size_t n, bool is_string); /* quoted, cut at 32 bytes */

/* A value argument in the way that its kind asks for. */
void line_value(struct line *l, enum arg_show show, uint64_t value);
void line_result(struct line *l, int64_t ret);

#endif
