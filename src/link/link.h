/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A link: frames of src/wire over TLS 1.3 on a stream socket that never blocks.
 * Promise: no byte reaches the frame parser before the handshake has authenticated the peer; a frame is handed out
 * whole or not at all; no call blocks unless it is named _wait, and those have a deadline; SIGPIPE is never raised.
 * Must not: know what a message means, log, use threads, or be shared by them.
 *
 * Errors are -errno and a sentence. The first one that is not -EAGAIN, -ETIMEDOUT or -ENOTCONN (the handshake is not
 * done) ends the link: every later call gives it again. -EKEYREJECTED: the peer has other keys (wrong pre-shared key,
 * foreign cluster); -EPROTO: it does not keep to the protocol; -EPIPE: it ended the link in order (only from
 * link_recv); -ECONNRESET: the connection broke.
 *
 * After a fork the child must not call link_free(), which speaks to the peer: it closes link_fd().
 */
#ifndef GODWIT_LINK_LINK_H
#define GODWIT_LINK_LINK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../base/buf.h"
#include "../base/err.h"
#include "../wire/wire.h"

#define LINK_NAME_MAX 64 /* bytes of a node's name in its certificate */
#define LINK_PSK_MIN 16
#define LINK_PSK_MAX 64
#define LINK_PSK_SIZE 32 /* what to use for new keys */
#define LINK_OUT_MAX (64U << 20) /* bytes that may wait in link_out(); then wire_*_encode() says -ENOBUFS */

struct link;
struct link_identity; /* a node's certificate and key and the cluster's certificate; serves any number of links */

/* From files in PEM. -errno of the files, -EINVAL when they are no keys or do not belong together. */
int link_identity_load(struct link_identity **ret, const char *ca_path, const char *cert_path, const char *key_path,
		       struct err *e) _must_check_;
/* The same from terminated texts. */
int link_identity_new(struct link_identity **ret, const char *ca_pem, const char *cert_pem, const char *key_pem,
		      struct err *e) _must_check_;
void link_identity_free(struct link_identity *id); /* NULL is legal; links made with it go on */

/*
 * Makes a link on a connected stream socket. Nothing is sent yet. The fd becomes the link's on success and stays the
 * caller's on failure; it is made non-blocking and, if TCP, sends small frames at once.
 * psk: a one-time key that both ends know by `identity` (1 to 128 bytes); copied, and wiped after the handshake.
 * TLS 1.3 external pre-shared key with ephemeral Diffie-Hellman (RFC 8446 2.2, psk_dhe_ke); nothing else is accepted.
 * cert: both ends show a certificate that the cluster's key has signed; names of hosts play no part.
 */
int link_new_psk(struct link **ret, int fd, bool server, const char *identity, const uint8_t *psk, size_t psk_len,
		 struct err *e) _must_check_;
int link_new_cert(struct link **ret, int fd, bool server, const struct link_identity *id, struct err *e) _must_check_;

/* Says goodbye if that is possible without waiting, closes the fd, frees. NULL is legal. What was not flushed is lost.
 */
void link_free(struct link *l);
static inline void link_freep(struct link **l)
{
	link_free(*l);
}
#define _cleanup_link_ _cleanup_(link_freep)

/* One step of the handshake: 0 done, -EAGAIN (wait for link_events()), or an error. With certificates the client is
 * done before the server has judged it: a refusal then comes from its first link_recv(). */
int link_handshake(struct link *l, struct err *e) _must_check_;
int link_handshake_wait(struct link *l, uint64_t deadline_ns, struct err *e) _must_check_; /* or -ETIMEDOUT */
const char *link_peer_name(const struct link *l); /* of its certificate; "" before the handshake and with a psk */

int link_fd(const struct link *l); /* for epoll; stays the link's */
/* EPOLLIN and EPOLLOUT bits that the link waits for now; ask again after each call. Level-triggered. */
uint32_t link_events(const struct link *l);

/* Where wire_*_encode() appends frames. They are sent by link_flush(); more may be appended at any time. */
struct buf *link_out(struct link *l);
/* Sends what waits: 0 all is sent, -EAGAIN the rest waits for EPOLLOUT, or an error. To a peer that has gone everything
 * is "sent": link_recv() gives what came from it, and then the error. */
int link_flush(struct link *l, struct err *e) _must_check_;
/* The same with waiting: 0, -ETIMEDOUT (the rest still waits), or an error. It does not read meanwhile: two ends that
 * send each other more than the sockets hold, and both wait here, stand still until the deadline. */
int link_flush_wait(struct link *l, uint64_t deadline_ns, struct err *e) _must_check_;

/*
 * The next frame: 1 with *h and *body (h->length bytes, unaligned, valid until the next link_recv or link_free), 0 when
 * no whole frame is there yet, or an error. Call until 0 before waiting on the fd: what has left the socket raises no
 * event there any more.
 */
int link_recv(struct link *l, struct wire_header *h, const uint8_t **body, struct err *e) _must_check_;
/* The same with waiting: 1, -ETIMEDOUT, or an error; never 0. */
int link_recv_wait(struct link *l, uint64_t deadline_ns, struct wire_header *h, const uint8_t **body,
		   struct err *e) _must_check_;
/* Was something taken off the socket that link_recv() has not given out yet? Then do not sleep on the fd. */
bool link_pending(const struct link *l);

/* Who the peer is, as WIRE_FROM_* bits: a frame that none of them may send ends the link with -EPROTO. Nobody at first,
 * so this must be called before the first link_recv(). */
void link_set_accept(struct link *l, unsigned from);

/* Bytes of frames, headers included, since the beginning. */
uint64_t link_bytes_sent(const struct link *l);
uint64_t link_bytes_received(const struct link *l);

/* Changes the sending key after each n records (0: the default, which stays below RFC 8446 5.5). */
void link_set_rekey(struct link *l, uint64_t n);

#endif
