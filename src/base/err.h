/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An error as a value: a negative errno for the program and one sentence for the user.
 * Promise: err_set() never fails and never allocates. Must not: log, exit or translate.
 */
#ifndef GODWIT_BASE_ERR_H
#define GODWIT_BASE_ERR_H

#include "cleanup.h"

#define ERR_TEXT_MAX 400

struct err {
	int code; /* 0 or -errno */
	unsigned reason; /* 0 or a number of src/wire/reasons.def; base does not know their meaning */
	char text[ERR_TEXT_MAX]; /* one sentence, no newline; empty when code is 0 */
};

/* Stores code (a negative errno) and the sentence; e may be NULL. Returns code, so that callers can
 * write `return err_set(e, -EINVAL, "...")`. A longer sentence is cut. */
int err_set(struct err *e, int code, const char *fmt, ...) _printf_(3, 4);

/* As err_set(), with a reason number. */
int err_reason(struct err *e, unsigned reason, int code, const char *fmt, ...) _printf_(4, 5);

/* Puts "prefix: " before the sentence that is there. Returns e->code, or -EIO when e is
 * NULL: the caller is failing in any case. */
int err_prefix(struct err *e, const char *fmt, ...) _printf_(2, 3);

#endif
