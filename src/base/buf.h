/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A growable byte buffer that is written at its end and consumed at its beginning.
 * Promise: data is contiguous at buf_head(); growth beyond `max` is refused with -ENOBUFS, so that a peer
 * cannot make us allocate without bound. Must not: know what the bytes mean.
 */
#ifndef GODWIT_BASE_BUF_H
#define GODWIT_BASE_BUF_H

#include <stddef.h>
#include <stdint.h>
#include "cleanup.h"

struct buf {
	uint8_t *data;
	size_t off; /* first unconsumed byte */
	size_t len; /* unconsumed bytes from off on */
	size_t cap; /* allocated bytes */
	size_t max; /* limit of len; 0 = SIZE_MAX */
};

void buf_init(struct buf *b, size_t max); /* allocates nothing */
void buf_release(struct buf *b); /* frees the memory; b may be used again as after buf_init() */
static inline void buf_clear(struct buf *b)
{
	b->off = 0;
	b->len = 0;
}
static inline uint8_t *buf_head(const struct buf *b)
{
	return b->data + b->off;
}
/* Makes room for n more bytes behind the content and returns where they go, NULL when refused or out of
 * memory; buf_commit() then makes n of them content. Earlier pointers into b become invalid. */
uint8_t *buf_reserve(struct buf *b, size_t n) _must_check_;
void buf_commit(struct buf *b, size_t n);
int buf_append(struct buf *b, const void *p, size_t n) _must_check_; /* 0, -ENOMEM, -ENOBUFS */
void buf_consume(struct buf *b, size_t n); /* n <= len */

#endif
