/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The line that `godwit client add` has printed: godwit-client-1 ADDRESS PORT ID SECRET.
 * Promise: whatever text is read, the result is complete and bounded, or an error with a sentence. Must not: print it.
 */
#ifndef GODWIT_CLIENT_KEY_H
#define GODWIT_CLIENT_KEY_H

#include <stddef.h>
#include <stdint.h>
#include "../base/err.h"

#define KEY_SECRET_SIZE 32

struct key {
	char address[65];
	char port[6];
	uint64_t id;
	uint8_t secret[KEY_SECRET_SIZE];
};

/* 0 or -EINVAL; blanks around the line do no harm, and lines that begin with # are passed over. */
int key_parse(const char *text, struct key *ret, struct err *e) _must_check_;

#endif
