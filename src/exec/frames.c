/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See frames.h. */
#include "frames.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "../base/sock.h"

#define READ_BYTES (128 * 1024)
#define KEEP_BYTES (1 << 20) /* a buffer that grew beyond is given back when it is empty */
#define LISTEN_BACKLOG 1024

void frames_init(struct frames *f, int fd, unsigned accept)
{
	*f = (struct frames){.fd = fd, .accept = accept};
	buf_init(&f->in, 0); /* bounded by the longest message, see frames_next() */
	buf_init(&f->out, 0);
}

void frames_release(struct frames *f)
{
	buf_release(&f->in);
	buf_release(&f->out);
}

static void forget_given(struct frames *f)
{
	if (f->given)
		buf_consume(&f->in, f->given);
	f->given = 0;
	if (!f->in.len && f->in.cap > KEEP_BYTES)
		buf_release(&f->in);
}

int frames_fill(struct frames *f)
{
	uint8_t *p;
	ssize_t n;

	forget_given(f);
	p = buf_reserve(&f->in, READ_BYTES);
	if (!p)
		return -ENOMEM;
	n = recv(f->fd, p, READ_BYTES, MSG_DONTWAIT);
	if (n < 0)
		return errno == EINTR || errno == EAGAIN ? -EAGAIN : -errno;
	if (n == 0)
		return -EPIPE;
	buf_commit(&f->in, (size_t)n);
	return 0;
}

int frames_next(struct frames *f, struct wire_header *h, uint8_t **body)
{
	forget_given(f);
	if (f->in.len < WIRE_HEADER_SIZE)
		return 0;
	if (wire_header_decode(buf_head(&f->in), h) < 0 || !(wire_type_from(h->type) & f->accept))
		return -EPROTO;
	if (f->in.len < WIRE_HEADER_SIZE + (size_t)h->length)
		return 0;
	*body = buf_head(&f->in) + WIRE_HEADER_SIZE;
	f->given = WIRE_HEADER_SIZE + (size_t)h->length;
	return 1;
}

int frames_flush(struct frames *f)
{
	ssize_t n;

	while (f->out.len > 0) {
		n = send(f->fd, buf_head(&f->out), f->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		buf_consume(&f->out, (size_t)n);
	}
	if (f->out.cap > KEEP_BYTES)
		buf_release(&f->out);
	return 0;
}

uint32_t frame_id(const uint8_t *body, uint32_t length)
{
	return length < 4
		   ? 0
		   : (uint32_t)body[0] | (uint32_t)body[1] << 8 | (uint32_t)body[2] << 16 | (uint32_t)body[3] << 24;
}

void frame_set_id(uint8_t *body, uint32_t length, uint32_t id)
{
	for (unsigned i = 0; i < 4 && i < length; i++)
		body[i] = (uint8_t)(id >> (8 * i));
}

int frame_pass(struct buf *out, const struct wire_header *h, const uint8_t *body, uint32_t id)
{
	size_t n = WIRE_HEADER_SIZE + (size_t)h->length;
	uint8_t *p = buf_reserve(out, n);

	if (!p)
		return -ENOBUFS;
	memcpy(p, body - WIRE_HEADER_SIZE, n); /* the header stands before the body, in a link's buffer, too */
	frame_set_id(p + WIRE_HEADER_SIZE, h->length, id);
	buf_commit(out, n);
	return 0;
}

/* ---- the broker's socket ------------------------------------------------------------------------------------------
 */

static socklen_t broker_address(struct sockaddr_un *sa, const char *control, unsigned number)
{
	uint64_t hash = 0xcbf29ce484222325ULL; /* FNV-1a: one name for each daemon */
	int n;

	for (; *control; control++)
		hash = (hash ^ (uint8_t)*control) * 0x100000001b3ULL;
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "godwit-execd-%s-%u-%016" PRIx64 "-%u", GODWIT_VERSION,
		     geteuid(), hash, number);
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int broker_connect(const char *control, unsigned number)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	socklen_t len = broker_address(&sa, control, number);
	uid_t uid;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, len) < 0)
		return -errno;
	if (sock_peer_cred(fd, NULL, &uid, NULL) < 0 || uid != geteuid())
		return -EPERM;
	return take_fd(&fd);
}

int broker_listen(const char *control, unsigned number)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;
	socklen_t len = broker_address(&sa, control, number);

	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)&sa, len) < 0 || listen(fd, LISTEN_BACKLOG) < 0)
		return -errno;
	return take_fd(&fd);
}
