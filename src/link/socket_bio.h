/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The socket under TLS, as an OpenSSL BIO of our own: OpenSSL's raises SIGPIPE, and a library may not change
 * the signals of its program.
 * Promise: sends with MSG_NOSIGNAL, never waits, keeps the errno of the last failure. A preamble of the protocol in the
 * place of TLS is an error (EPROTONOSUPPORT) and stays unread. A peer that takes nothing any more makes OpenSSL wait to
 * write and not give up: what that peer has sent before can still be read. Must not: close the fd.
 */
#ifndef GODWIT_LINK_SOCKET_BIO_H
#define GODWIT_LINK_SOCKET_BIO_H

#include <stdbool.h>
#include <openssl/bio.h>

struct socket_bio { /* lives in the link, longer than the BIO */
	int fd;
	int error; /* errno of the last read or write that failed for good, else 0 */
	bool ended; /* the peer has closed its side */
	bool cut; /* nothing can be sent any more */
	bool begun; /* something was read */
};

/* The BIO belongs to the caller; NULL: out of memory. */
BIO *socket_bio_new(struct socket_bio *s);

#endif
