/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The text with which a node joins: "gw1." and base64url without padding.
 * Promise: whatever text is decoded, the result is complete and bounded, or an error with a sentence. Must not: decide
 * whether it is still good.
 */
#ifndef GODWIT_NODE_TOKEN_H
#define GODWIT_NODE_TOKEN_H

#include <stdint.h>
#include "base/err.h"
#include "link/keys.h"
#include "link/link.h"

#define TOKEN_ADDRESSES 4
#define TOKEN_TEXT_MAX 1024

struct token_text {
	char addresses[TOKEN_ADDRESSES][65];
	unsigned n_addresses;
	uint16_t port;
	uint64_t id;
	uint8_t secret[LINK_PSK_SIZE];
	char fingerprint[KEYS_FINGERPRINT_SIZE]; /* of the cluster */
	int64_t expires; /* seconds since 1970 */
};

int token_encode(const struct token_text *t, char *buf, size_t cap) _must_check_; /* 0 or -ENOBUFS */
int token_decode(const char *text, struct token_text *ret, struct err *e) _must_check_; /* 0 or -EINVAL */

#endif
