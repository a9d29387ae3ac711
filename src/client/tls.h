/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames over TLS 1.3 with a key that both ends know, as src/link does it, on any system that has OpenSSL.
 * Promise: no byte is believed before the other end has proved that it knows the key. Must not: know what a message
 * means.
 */
#ifndef GODWIT_CLIENT_TLS_H
#define GODWIT_CLIENT_TLS_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <stdint.h>
#include "../base/buf.h"
#include "../base/err.h"
#include "../wire/wire.h"

#define TLS_KEY_MAX 64

struct tls {
	SSL *ssl;
	intptr_t socket;
	struct buf in, out;
	size_t given;
	bool blocked; /* what is in `out` waits for the socket */
	char identity[20];
	uint8_t key[TLS_KEY_MAX];
	size_t key_len;
};

/* Connects, sends the preamble, and does the handshake. -EACCES: the other end has another key. -errno with e */
int tls_open(struct tls *t, const char *address, const char *port, uint8_t kind, uint64_t id, const uint8_t *key,
	     size_t key_len, unsigned ms, struct err *e) _must_check_;
void tls_close(struct tls *t); /* may be called for one that was not opened, if it is zero */
int tls_flush(struct tls *t, struct err *e) _must_check_; /* 0: what can be sent is */
int tls_fill(struct tls *t, struct err *e) _must_check_; /* 1: something came; 0: nothing now; -errno with e */
/* The next whole frame: 1, 0: none yet, -EPROTO. body is valid until the next call of tls_fill() or this. */
int tls_next(struct tls *t, struct wire_header *h, const uint8_t **body) _must_check_;

#endif
