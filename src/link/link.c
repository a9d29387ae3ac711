/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames over TLS; see link.h. */
#include "link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "../base/clock.h"
#include "../base/sock.h"
#include "socket_bio.h"
#include "tls.h"

#define IDENTITY_MAX 128
#define READ_CHUNK (16U << 10) /* one TLS record: what one SSL_read() can give at most */
#define KEEP_BUFFER (4U << 20) /* a receive buffer that grew beyond is given back when it is empty */
#define REKEY_RECORDS (1ULL << 23) /* AES-GCM: at most 2^24.5 records under one key, RFC 8446 5.5 */

struct link {
	SSL *ssl;
	struct socket_bio socket;
	bool ready, failed;
	bool want_out; /* the last operation waits for room in the socket */
	bool flush_blocked; /* a record of `out` is under way */
	bool drained; /* the last link_recv() found the socket empty */
	unsigned accept;
	struct buf in, out;
	size_t given; /* bytes at the head of `in` that the last link_recv() gave out */
	struct wire_header head; /* of the frame at the head of `in` */
	bool head_known;
	uint64_t sent, received, records, rekey;
	char peer[LINK_NAME_MAX + 1];
	struct err error; /* that ended the link */
	char identity[IDENTITY_MAX + 1];
	uint8_t psk[LINK_PSK_MAX];
	size_t psk_len; /* 0: certificates, or wiped */
};

/* ---- errors -------------------------------------------------------------------------------------------- */

static int fail(struct link *l, struct err *e)
{
	l->failed = true;
	if (e)
		*e = l->error;
	return l->error.code;
}

static int socket_error(struct link *l, const char *what)
{
	/* -EPIPE is kept for the end in order. */
	int code = l->socket.error == EPIPE ? ECONNRESET : l->socket.error;

	return err_set(&l->error, -code, "%s: %s", what, strerror(code));
}

/* Judges the result r <= 0 of an SSL function: -EAGAIN, or the error that ends the link. */
static int ssl_result(struct link *l, int r, const char *what, struct err *e)
{
	switch (SSL_get_error(l->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		l->want_out = false;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		if (!l->socket.cut) {
			l->want_out = true;
			return -EAGAIN;
		}
		err_set(&l->error, -ECONNRESET, "%s: the other end takes nothing any more", what);
		break;
	case SSL_ERROR_ZERO_RETURN:
		err_set(&l->error, -EPIPE, "%s: the other end closed the connection", what);
		break;
	default:
		if (l->socket.error)
			socket_error(l, what);
		else if (l->socket.ended)
			err_set(&l->error, -ECONNRESET, "%s: the connection ended without a goodbye", what);
		else
			tls_error(&l->error, what);
	}
	ERR_clear_error();
	return fail(l, e);
}

/* ---- making and freeing ---------------------------------------------------------------------------------- */

static struct link *of_ssl(SSL *ssl)
{
	return SSL_get_app_data(ssl);
}

/* The pre-shared key in the clothes of a session, as OpenSSL wants it. */
static SSL_SESSION *psk_session(SSL *ssl)
{
	static const unsigned char suite[2] = {0x13, 0x01}; /* TLS_AES_128_GCM_SHA256 */
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
	struct link *l = of_ssl(ssl);
	SSL_SESSION *s = SSL_SESSION_new();

	if (s && cipher && l->psk_len && SSL_SESSION_set1_master_key(s, l->psk, l->psk_len) &&
	    SSL_SESSION_set_cipher(s, cipher) && SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION))
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

static int use_psk(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len, SSL_SESSION **sess)
{
	struct link *l = of_ssl(ssl);

	*sess = NULL;
	if (md && EVP_MD_get_type(md) != NID_sha256)
		return 0;
	*sess = psk_session(ssl);
	*id = (const unsigned char *)l->identity;
	*id_len = strlen(l->identity);
	return *sess != NULL;
}

static int find_psk(SSL *ssl, const unsigned char *id, size_t id_len, SSL_SESSION **sess)
{
	struct link *l = of_ssl(ssl);

	*sess = NULL;
	if (id_len != strlen(l->identity) || memcmp(id, l->identity, id_len) != 0)
		return 1; /* not known; the handshake then fails, for there is no certificate */
	*sess = psk_session(ssl);
	return *sess != NULL;
}

static int prepare_fd(int fd, struct err *e)
{
	int one = 1, flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
		return err_set(e, -errno, "cannot use the connection: %s", strerror(errno));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one,
			 sizeof(one)); /* fails on Unix sockets, which need it not */
	return 0;
}

static int link_new(struct link **ret, SSL_CTX *ctx, int fd, bool server, struct err *e)
{
	struct link *l = calloc(1, sizeof(*l));
	BIO *bio;
	int r = prepare_fd(fd, e);

	if (!l || r < 0) {
		free(l);
		return r < 0 ? r : err_set(e, -ENOMEM, "out of memory");
	}
	l->socket.fd = fd;
	l->rekey = REKEY_RECORDS;
	buf_init(&l->in, 0); /* bounded by the length of one frame, which wire_header_decode() checks */
	buf_init(&l->out, LINK_OUT_MAX);
	bio = socket_bio_new(&l->socket);
	l->ssl = bio ? SSL_new(ctx) : NULL;
	if (!l->ssl || !SSL_set_app_data(l->ssl, l)) {
		BIO_free(bio);
		SSL_free(l->ssl);
		free(l);
		ERR_clear_error();
		return err_set(e, -ENOMEM, "out of memory");
	}
	SSL_set_bio(l->ssl, bio, bio);
	if (server)
		SSL_set_accept_state(l->ssl);
	else
		SSL_set_connect_state(l->ssl);
	*ret = l;
	return 0;
}

int link_new_psk(struct link **ret, int fd, bool server, const char *identity, const uint8_t *psk, size_t psk_len,
		 struct err *e)
{
	size_t n = strlen(identity);
	SSL_CTX *ctx;
	int r;

	if (!n || n > IDENTITY_MAX || psk_len < LINK_PSK_MIN || psk_len > LINK_PSK_MAX)
		return err_set(e, -EINVAL, "the key of the link is of an impossible length");
	ctx = tls_ctx_new();
	if (!ctx)
		return err_set(e, -ENOMEM, "out of memory");
	r = link_new(ret, ctx, fd, server, e);
	SSL_CTX_free(ctx); /* the link holds it */
	if (r < 0)
		return r;
	memcpy((*ret)->identity, identity, n);
	memcpy((*ret)->psk, psk, psk_len);
	(*ret)->psk_len = psk_len;
	if (server) {
		/* OpenSSL takes the key for a session, and a server that verifies peers wants its sessions named. */
		(void)SSL_set_session_id_context((*ret)->ssl, (const unsigned char *)"godwit", 6);
		SSL_set_psk_find_session_callback((*ret)->ssl, find_psk);
	} else {
		SSL_set_psk_use_session_callback((*ret)->ssl, use_psk);
	}
	return 0;
}

int link_new_cert(struct link **ret, int fd, bool server, const struct link_identity *id, struct err *e)
{
	return link_new(ret, id->ctx, fd, server, e);
}

void link_free(struct link *l)
{
	if (!l)
		return;
	/* In the middle of a record a goodbye cannot be sent; the peer then sees, rightly, a broken connection. */
	if (l->ready && !l->failed && !l->flush_blocked)
		(void)SSL_shutdown(l->ssl);
	ERR_clear_error();
	SSL_free(l->ssl);
	(void)close(l->socket.fd);
	buf_release(&l->in);
	buf_release(&l->out);
	OPENSSL_cleanse(l->psk, sizeof(l->psk));
	free(l);
}

/* ---- handshake ------------------------------------------------------------------------------------------- */

/* The name in the peer's certificate, which has been verified; a name that could mislead a reader is refused. */
static int learn_peer(struct link *l)
{
	X509 *x = SSL_get1_peer_certificate(l->ssl);
	X509_NAME *subject = x ? X509_get_subject_name(x) : NULL;
	int at = subject ? X509_NAME_get_index_by_NID(subject, NID_commonName, -1) : -1;
	ASN1_STRING *cn = at >= 0 ? X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)) : NULL;
	int n = cn ? ASN1_STRING_length(cn) : 0;
	bool ok = n > 0 && n <= LINK_NAME_MAX && SSL_get_verify_result(l->ssl) == X509_V_OK;

	for (int i = 0; ok && i < n; i++) {
		unsigned char c = ASN1_STRING_get0_data(cn)[i];

		ok = c > 0x20 && c < 0x7f;
		l->peer[i] = (char)c;
	}
	if (!ok)
		l->peer[0] = '\0';
	X509_free(x);
	return ok ? 0 : err_set(&l->error, -EKEYREJECTED, "handshake: the other end's certificate names no node");
}

/* What OpenSSL should have seen to is looked at once more: these are the promises the rest of the project builds on. */
static int check_peer(struct link *l)
{
	if (SSL_version(l->ssl) != TLS1_3_VERSION)
		return err_set(&l->error, -EPROTO, "handshake: not TLS 1.3");
	if (!l->psk_len)
		return learn_peer(l);
	OPENSSL_cleanse(l->psk, sizeof(l->psk));
	l->psk_len = 0;
	/* The pre-shared key counts as a session that was resumed. */
	if (!SSL_session_reused(l->ssl))
		return err_set(&l->error, -EKEYREJECTED, "handshake: the other end does not know the key");
	return 0;
}

int link_handshake(struct link *l, struct err *e)
{
	int r;

	if (l->failed)
		return fail(l, e);
	if (l->ready)
		return 0;
	ERR_clear_error();
	r = SSL_do_handshake(l->ssl);
	if (r != 1)
		return ssl_result(l, r, "handshake", e);
	l->want_out = false;
	if (check_peer(l) < 0)
		return fail(l, e);
	l->ready = true;
	return 0;
}

/* Waits until the socket is as link_events() asks. */
static int wait_ready(struct link *l, short events, uint64_t deadline_ns, const char *what, struct err *e)
{
	int r = sock_wait(l->socket.fd, events, deadline_ns);

	if (r == -ETIMEDOUT)
		return err_set(e, r, "%s: the other end did not go on in time", what);
	return r < 0 ? err_set(e, r, "%s: %s", what, strerror(-r)) : 0;
}

int link_handshake_wait(struct link *l, uint64_t deadline_ns, struct err *e)
{
	for (;;) {
		int r = link_handshake(l, e);

		if (r != -EAGAIN)
			return r;
		r = wait_ready(l, l->want_out ? POLLOUT : POLLIN, deadline_ns, "handshake", e);
		if (r < 0)
			return r;
	}
}

/* ---- sending --------------------------------------------------------------------------------------------- */

/* The other end has gone. What it sent before may decide everything (a whole image is a process), so that whoever reads
 * finds the end, behind that; this is no worse than what was sent and never read. */
static int discard_out(struct link *l)
{
	l->want_out = false;
	buf_clear(&l->out);
	return 0;
}

static int not_ready(struct link *l, struct err *e)
{
	return l->failed ? fail(l, e) : err_set(e, -ENOTCONN, "the link has not finished its handshake");
}

int link_flush(struct link *l, struct err *e)
{
	if (l->failed || !l->ready)
		return not_ready(l, e);
	while (l->out.len) {
		size_t n;
		int r;

		if (l->socket.cut)
			return discard_out(l);

		/* Never in the middle of a record: OpenSSL finishes that one first. */
		if (!l->flush_blocked && l->records >= l->rekey) {
			if (!SSL_key_update(l->ssl, SSL_KEY_UPDATE_NOT_REQUESTED))
				return ssl_result(l, 0, "sending", e);
			l->records = 0;
		}
		ERR_clear_error();
		r = SSL_write_ex(l->ssl, buf_head(&l->out), l->out.len, &n);
		if (r != 1) {
			l->flush_blocked = true;
			if (l->socket.cut)
				continue;
			r = ssl_result(l, r, "sending", e);
			l->flush_blocked = r == -EAGAIN;
			return r;
		}
		l->flush_blocked = false;
		l->want_out = false;
		l->records++;
		l->sent += n;
		buf_consume(&l->out, n);
	}
	return 0;
}

int link_flush_wait(struct link *l, uint64_t deadline_ns, struct err *e)
{
	for (;;) {
		int r = link_flush(l, e);

		if (r != -EAGAIN)
			return r;
		r = wait_ready(l, l->want_out ? POLLOUT : POLLIN, deadline_ns, "sending", e);
		if (r < 0)
			return r;
	}
}

/* ---- receiving ------------------------------------------------------------------------------------------- */

/* Looks at the head of `in`: 1 a whole frame, 0 *ret_missing bytes are missing at least, or an error. */
static int look(struct link *l, size_t *ret_missing, struct err *e)
{
	size_t total;

	if (l->in.len < WIRE_HEADER_SIZE) {
		*ret_missing = WIRE_HEADER_SIZE - l->in.len;
		return 0;
	}
	if (!l->head_known) {
		if (wire_header_decode(buf_head(&l->in), &l->head) < 0) {
			err_set(&l->error, -EPROTO, "receiving: what came is no message");
			return fail(l, e);
		}
		if (!(wire_type_from(l->head.type) & l->accept)) {
			err_set(&l->error, -EPROTO, "receiving: the other end may not send %s",
				wire_type_name(l->head.type));
			return fail(l, e);
		}
		l->head_known = true;
	}
	total = WIRE_HEADER_SIZE + (size_t)l->head.length;
	if (l->in.len >= total)
		return 1;
	*ret_missing = total - l->in.len;
	return 0;
}

/* Brings at least one byte into `in`: 1, -EAGAIN, or an error. Decrypts where the frame will be handed out. */
static int read_more(struct link *l, size_t missing, struct err *e)
{
	size_t want = missing > READ_CHUNK ? missing : READ_CHUNK, n;
	uint8_t *p = buf_reserve(&l->in, want);
	int r;

	if (!p) {
		err_set(&l->error, -ENOMEM, "receiving: out of memory");
		return fail(l, e);
	}
	ERR_clear_error();
	r = SSL_read_ex(l->ssl, p, want, &n);
	if (r == 1) {
		buf_commit(&l->in, n);
		l->received += n;
		return 1;
	}
	r = ssl_result(l, r, "receiving", e);
	if (r == -EPIPE && l->in.len) {
		err_set(&l->error, -ECONNRESET, "receiving: the connection ended in the middle of a message");
		return fail(l, e);
	}
	return r;
}

int link_recv(struct link *l, struct wire_header *h, const uint8_t **body, struct err *e)
{
	if (l->failed || !l->ready)
		return not_ready(l, e);
	if (l->given) {
		buf_consume(&l->in, l->given);
		l->given = 0;
		l->head_known = false;
	}
	l->drained = false;
	if (!l->in.len && l->in.cap > KEEP_BUFFER)
		buf_release(&l->in);
	for (;;) {
		size_t missing = 0;
		int r = look(l, &missing, e);

		if (r > 0) {
			*h = l->head;
			*body = buf_head(&l->in) + WIRE_HEADER_SIZE;
			l->given = WIRE_HEADER_SIZE + (size_t)l->head.length;
			return 1;
		}
		if (r == 0)
			r = read_more(l, missing, e);
		if (r < 0) {
			l->drained = true;
			return r == -EAGAIN ? 0 : r;
		}
	}
}

int link_recv_wait(struct link *l, uint64_t deadline_ns, struct wire_header *h, const uint8_t **body, struct err *e)
{
	for (;;) {
		int r = link_recv(l, h, body, e);

		if (r)
			return r;
		r = wait_ready(l, l->want_out ? POLLOUT : POLLIN, deadline_ns, "receiving", e);
		if (r < 0)
			return r;
	}
}

/* ---- the rest -------------------------------------------------------------------------------------------- */

bool link_pending(const struct link *l)
{
	return l->ready && !l->failed && !l->drained && (l->in.len > l->given || SSL_has_pending(l->ssl));
}

uint32_t link_events(const struct link *l)
{
	if (!l->ready)
		return l->want_out ? EPOLLOUT : EPOLLIN;
	return EPOLLIN | (l->want_out || l->out.len ? EPOLLOUT : 0);
}

int link_fd(const struct link *l)
{
	return l->socket.fd;
}

struct buf *link_out(struct link *l)
{
	return &l->out;
}

const char *link_peer_name(const struct link *l)
{
	return l->peer;
}

void link_set_accept(struct link *l, unsigned from)
{
	l->accept = from;
}

uint64_t link_bytes_sent(const struct link *l)
{
	return l->sent;
}

uint64_t link_bytes_received(const struct link *l)
{
	return l->received;
}

void link_set_rekey(struct link *l, uint64_t n)
{
	l->rekey = n ? n : REKEY_RECORDS;
}
