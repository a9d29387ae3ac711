/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A growable byte buffer; see buf.h. */
#include "buf.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#define BUF_FIRST 4096

void buf_init(struct buf *b, size_t max)
{
	*b = (struct buf){.max = max};
}

void buf_release(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

uint8_t *buf_reserve(struct buf *b, size_t n)
{
	size_t cap = b->cap ? b->cap : BUF_FIRST;
	uint8_t *p;

	if (n > SIZE_MAX / 4 || (b->max && (n > b->max || b->len > b->max - n)))
		return NULL;
	if (b->off + b->len + n <= b->cap)
		return b->data + b->off + b->len;
	/* Moving down what is left is cheaper than growing, if little is left. */
	if (b->off && b->len + n <= b->cap && b->len <= b->off) {
		memmove(b->data, b->data + b->off, b->len);
		b->off = 0;
		return b->data + b->len;
	}
	while (cap < b->len + n)
		cap *= 2;
	/* realloc() can move the pages of a big block without copying them, if its beginning is still wanted. */
	p = b->off ? malloc(cap) : realloc(b->data, cap);
	if (!p)
		return NULL;
	if (b->off) {
		memcpy(p, b->data + b->off, b->len);
		free(b->data);
	}
	b->data = p;
	b->cap = cap;
	b->off = 0;
	return p + b->len;
}

void buf_commit(struct buf *b, size_t n)
{
	assert(b->off + b->len + n <= b->cap);
	b->len += n;
}

int buf_append(struct buf *b, const void *p, size_t n)
{
	uint8_t *to;

	if (!n)
		return 0;
	if (b->max && (n > b->max || b->len > b->max - n))
		return -ENOBUFS;
	to = buf_reserve(b, n);
	if (!to)
		return -ENOMEM;
	memcpy(to, p, n);
	b->len += n;
	return 0;
}

void buf_consume(struct buf *b, size_t n)
{
	assert(n <= b->len);
	b->off += n;
	b->len -= n;
	if (!b->len)
		b->off = 0;
}
