/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The socket under TLS; see socket_bio.h. */
#include "socket_bio.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int failed(BIO *b, struct socket_bio *s, void (*set_retry)(BIO *))
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		set_retry(b);
	else
		s->error = errno;
	return -1;
}

static void retry_read(BIO *b)
{
	BIO_set_retry_read(b);
}

static void retry_write(BIO *b)
{
	BIO_set_retry_write(b);
}

static int cut(BIO *b, struct socket_bio *s)
{
	s->cut = true;
	retry_write(b);
	return -1;
}

static int bio_write(BIO *b, const char *p, size_t n, size_t *ret)
{
	struct socket_bio *s = BIO_get_data(b);
	ssize_t r;

	BIO_clear_retry_flags(b);
	if (s->cut)
		return cut(b, s);
	do {
		r = send(s->fd, p, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	} while (r < 0 && errno == EINTR);
	if (r < 0 && (errno == EPIPE || errno == ECONNRESET))
		return cut(b, s);
	if (r < 0)
		return failed(b, s, retry_write);
	*ret = (size_t)r;
	return 1;
}

/* An end that speaks another version answers in clear. OpenSSL would take the half of it and call it nonsense. */
static bool is_preamble(const struct socket_bio *s)
{
	static const char magic[] = "GODWIT";
	char head[sizeof(magic) - 1];

	return recv(s->fd, head, sizeof(head), MSG_PEEK | MSG_DONTWAIT) == sizeof(head) &&
	       !memcmp(head, magic, sizeof(head));
}

static int bio_read(BIO *b, char *p, size_t n, size_t *ret)
{
	struct socket_bio *s = BIO_get_data(b);
	ssize_t r;

	BIO_clear_retry_flags(b);
	if (!s->begun && is_preamble(s)) {
		s->error = EPROTONOSUPPORT;
		return -1;
	}
	do {
		r = recv(s->fd, p, n, MSG_DONTWAIT);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return failed(b, s, retry_read);
	s->ended = r == 0;
	s->begun = true;
	*ret = (size_t)r;
	return r > 0;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *p)
{
	struct socket_bio *s = BIO_get_data(b);

	switch (cmd) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF: /* tells an end without goodbye from a failure of the socket */
		return s->ended;
	default:
		return 0;
	}
}

/* Made once and kept: a method must outlive all its BIOs. */
static BIO_METHOD *method(void)
{
	static BIO_METHOD *kept;
	BIO_METHOD *m;

	if (kept)
		return kept;
	m = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK | BIO_TYPE_DESCRIPTOR, "godwit link");
	if (!m)
		return NULL;
	if (!BIO_meth_set_write_ex(m, bio_write) || !BIO_meth_set_read_ex(m, bio_read) ||
	    !BIO_meth_set_ctrl(m, bio_ctrl)) {
		BIO_meth_free(m);
		return NULL;
	}
	kept = m;
	return m;
}

BIO *socket_bio_new(struct socket_bio *s)
{
	BIO_METHOD *m = method();
	BIO *b = m ? BIO_new(m) : NULL;

	if (!b)
		return NULL;
	BIO_set_data(b, s);
	BIO_set_init(b, 1);
	return b;
}
