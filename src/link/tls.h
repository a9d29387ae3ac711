/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The TLS settings of links, and OpenSSL's errors as ours. Only for src/link.
 * Promise: TLS 1.3 with one cipher suite; no tickets, no resumption, no early data, no compression.
 */
#ifndef GODWIT_LINK_TLS_H
#define GODWIT_LINK_TLS_H

#include <openssl/ssl.h>
#include "link.h"

struct link_identity {
	SSL_CTX *ctx;
};

/* A context with what all links have in common, no keys yet; NULL: out of memory. */
SSL_CTX *tls_ctx_new(void);

/* Takes everything off OpenSSL's queue. Returns -EKEYREJECTED when the keys of the ends do not fit, else -EPROTO, and
 * stores "what: <reason>". */
int tls_error(struct err *e, const char *what);

/* From terminated PEM texts; the caller frees. NULL: not valid, and the reason is in OpenSSL's queue. */
X509 *tls_read_cert(const char *pem);
EVP_PKEY *tls_read_key(const char *pem);

#endif
