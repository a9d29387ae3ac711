/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Frames of src/wire over a Unix stream socket, and the socket of a user's broker.
 * Promise: a frame is handed out whole or not at all; a peer that sends what it may not is an error; nothing blocks.
 * Must not: know what a message means, but for the number of its command.
 */
#ifndef GODWIT_EXEC_FRAMES_H
#define GODWIT_EXEC_FRAMES_H

#include <stdbool.h>
#include "../base/buf.h"
#include "../base/err.h"
#include "../wire/wire.h"

struct frames {
	int fd; /* not owned */
	struct buf in, out;
	size_t given; /* bytes at the head of `in` that were given out */
	unsigned accept; /* WIRE_FROM_* bits of the other end */
};

void frames_init(struct frames *f, int fd, unsigned accept);
void frames_release(struct frames *f); /* closes nothing */
/* Reads once what the socket has. 0, -EAGAIN: nothing there, -EPIPE: the end, or -errno. */
int frames_fill(struct frames *f) _must_check_;
/* The next whole frame: 1 with *h and *body (valid until the next call), 0: none yet, or -EPROTO. */
int frames_next(struct frames *f, struct wire_header *h, uint8_t **body) _must_check_;
/* Sends what waits in `out`: 0 all of it, -EAGAIN: not all, or -errno. */
int frames_flush(struct frames *f) _must_check_;

/* The command's number, with which the body of each message of remote execution begins. */
uint32_t frame_id(const uint8_t *body, uint32_t length);
void frame_set_id(uint8_t *body, uint32_t length, uint32_t id);
/* Appends a frame as it came, with another number. -ENOBUFS, -ENOMEM */
int frame_pass(struct buf *out, const struct wire_header *h, const uint8_t *body, uint32_t id) _must_check_;

/*
 * The socket of this user's broker for the daemon at `control`, by its number: the first one whose listener is this
 * user. Its name is abstract, so that nothing of it stays behind and no directory must be trusted; who listens, the
 * kernel says. broker_connect: a connected socket, -ECONNREFUSED when nobody listens there, -EPERM when somebody else
 * does. broker_listen: a listening socket, -EADDRINUSE.
 */
#define BROKER_NAMES 8
int broker_connect(const char *control, unsigned number) _must_check_;
int broker_listen(const char *control, unsigned number) _must_check_;

#endif
