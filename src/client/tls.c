/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See tls.h. */
#include "tls.h"

#include <errno.h>
#include <inttypes.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include "sys.h"

#define READ_BYTES (64 * 1024)

static SSL_SESSION *session_of(SSL *ssl)
{
	static const unsigned char suite[2] = {0x13, 0x01}; /* TLS_AES_128_GCM_SHA256 */
	const struct tls *t = SSL_get_app_data(ssl);
	const SSL_CIPHER *cipher = SSL_CIPHER_find(ssl, suite);
	SSL_SESSION *s = SSL_SESSION_new();

	if (s && cipher && SSL_SESSION_set1_master_key(s, t->key, t->key_len) && SSL_SESSION_set_cipher(s, cipher) &&
	    SSL_SESSION_set_protocol_version(s, TLS1_3_VERSION))
		return s;
	SSL_SESSION_free(s);
	return NULL;
}

static int use_key(SSL *ssl, const EVP_MD *md, const unsigned char **id, size_t *id_len, SSL_SESSION **ret)
{
	const struct tls *t = SSL_get_app_data(ssl);

	*ret = NULL;
	if (md && EVP_MD_get_type(md) != NID_sha256)
		return 0;
	*ret = session_of(ssl);
	*id = (const unsigned char *)t->identity;
	*id_len = strlen(t->identity);
	return *ret != NULL;
}

static SSL_CTX *new_ctx(void)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (!ctx)
		return NULL;
	if (!SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) ||
	    !SSL_CTX_set_ciphersuites(ctx, "TLS_AES_128_GCM_SHA256") ||
	    !SSL_CTX_set1_groups_list(ctx, "X25519:P-256")) {
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* No certificate is trusted: an end that does not know the key, but shows one, is refused. */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_psk_use_session_callback(ctx, use_key);
	return ctx;
}

/* The result r <= 0 of an SSL function: 0: it waits for the socket, or -errno with e. */
static int judge(struct tls *t, int r, struct err *e)
{
	switch (SSL_get_error(t->ssl, r)) {
	case SSL_ERROR_WANT_READ:
		t->blocked = false;
		return 0;
	case SSL_ERROR_WANT_WRITE:
		t->blocked = true;
		return 0;
	case SSL_ERROR_ZERO_RETURN:
		return err_set(e, -EPIPE, "the other end closed the connection");
	case SSL_ERROR_SYSCALL:
		return err_set(e, -ECONNRESET, "the connection broke");
	default:
		ERR_clear_error();
		return err_set(e, -EPROTO, "the connection is not in order");
	}
}

static int handshake(struct tls *t, unsigned ms, struct err *e)
{
	uint64_t end = sys_ms() + ms, now;
	int r;

	for (;;) {
		ERR_clear_error();
		r = SSL_connect(t->ssl);
		if (r == 1)
			break;
		if (judge(t, r, e) < 0)
			return err_set(e, -EACCES, "the handshake was refused");
		now = sys_ms();
		if (now >= end)
			return err_set(e, -ETIMEDOUT, "it does not answer");
		struct sys_wait w = {.socket = t->socket, .send = t->blocked, .ms = (unsigned)(end - now)};

		sys_wait(&w);
	}
	OPENSSL_cleanse(t->key, sizeof(t->key));
	if (!SSL_session_reused(t->ssl))
		return err_set(e, -EACCES, "the other end does not know the key");
	return 0;
}

int tls_open(struct tls *t, const char *address, const char *port, uint8_t kind, uint64_t id, const uint8_t *key,
	     size_t key_len, unsigned ms, struct err *e)
{
	struct wire_preamble p = {.version = WIRE_PROTOCOL, .kind = kind, .id = id};
	uint8_t bytes[WIRE_PREAMBLE_SIZE];
	SSL_CTX *ctx;

	*t = (struct tls){.socket = -1, .key_len = key_len};
	if (!key_len || key_len > sizeof(t->key))
		return err_set(e, -EPROTO, "the key is of an impossible length");
	memcpy(t->key, key, key_len);
	(void)snprintf(t->identity, sizeof(t->identity), "%016" PRIx64, id);
	buf_init(&t->in, 0); /* bounded by the longest message, see tls_next() */
	buf_init(&t->out, 0);
	t->socket = sys_connect(address, port, ms, e);
	if (t->socket < 0)
		return e->code;
	wire_preamble_encode(&p, bytes);
	if (sys_send(t->socket, bytes, sizeof(bytes)) < 0)
		return err_set(e, -ECONNRESET, "the connection broke at once");
	ctx = new_ctx();
	t->ssl = ctx ? SSL_new(ctx) : NULL;
	SSL_CTX_free(ctx);
	if (!t->ssl || !SSL_set_app_data(t->ssl, t) || !SSL_set_fd(t->ssl, (int)t->socket))
		return err_set(e, -ENOMEM, "out of memory");
	return handshake(t, ms, e);
}

void tls_close(struct tls *t)
{
	if (t->ssl && SSL_is_init_finished(t->ssl) && !t->blocked)
		(void)SSL_shutdown(t->ssl);
	SSL_free(t->ssl);
	if (t->socket > 0)
		sys_close(t->socket);
	buf_release(&t->in);
	buf_release(&t->out);
	OPENSSL_cleanse(t->key, sizeof(t->key));
	t->ssl = NULL;
	t->socket = -1;
}

int tls_flush(struct tls *t, struct err *e)
{
	size_t n;
	int r;

	while (t->out.len) {
		ERR_clear_error();
		r = SSL_write_ex(t->ssl, buf_head(&t->out), t->out.len, &n);
		if (r != 1)
			return judge(t, r, e);
		buf_consume(&t->out, n);
	}
	t->blocked = false;
	return 0;
}

int tls_fill(struct tls *t, struct err *e)
{
	uint8_t *p;
	size_t n;
	int r;

	if (t->given)
		buf_consume(&t->in, t->given);
	t->given = 0;
	p = buf_reserve(&t->in, READ_BYTES);
	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	ERR_clear_error();
	r = SSL_read_ex(t->ssl, p, READ_BYTES, &n);
	if (r != 1)
		return judge(t, r, e);
	buf_commit(&t->in, n);
	return 1;
}

int tls_next(struct tls *t, struct wire_header *h, const uint8_t **body)
{
	if (t->given)
		buf_consume(&t->in, t->given);
	t->given = 0;
	if (t->in.len < WIRE_HEADER_SIZE)
		return 0;
	if (wire_header_decode(buf_head(&t->in), h) < 0 ||
	    !(wire_type_from(h->type) & (WIRE_FROM_EXECUTOR | WIRE_FROM_DAEMON)))
		return -EPROTO;
	if (t->in.len < WIRE_HEADER_SIZE + (size_t)h->length)
		return 0;
	*body = buf_head(&t->in) + WIRE_HEADER_SIZE;
	t->given = WIRE_HEADER_SIZE + (size_t)h->length;
	return 1;
}
