/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the generated encoders and decoders are made of; for src/wire only.
 * Promise: errors stick, so that the generated code is a straight line: a reader that has failed gives zeros and reads
 * no more, a size that has failed stays failed. Must not: be included outside of src/wire.
 */
#ifndef GODWIT_WIRE_CODEC_H
#define GODWIT_WIRE_CODEC_H

#ifdef _WIN32 /* godwit-client: x86-64 only, which is little-endian */
#define le16toh(v) (v)
#define le32toh(v) (v)
#define le64toh(v) (v)
#define htole16(v) (v)
#define htole32(v) (v)
#define htole64(v) (v)
#else
#include <endian.h>
#endif
#include <errno.h>
#include <string.h>

#include "wire.h"

struct reader {
	const uint8_t *p;
	size_t left;
	bool bad;
};

struct sizer {
	size_t n;
	int error;
	bool reserve; /* bytes without data are space that the caller fills later */
};

/* The next n bytes, or NULL. An empty range is never NULL in a good reader of at least one byte. */
static inline const uint8_t *take(struct reader *r, size_t n)
{
	const uint8_t *p = r->p;

	if (r->bad || n > r->left) {
		r->bad = true;
		return NULL;
	}
	if (n) {
		r->p += n;
		r->left -= n;
	}
	return p;
}

#define CODEC_INTEGER(name, type, raw, from_le, to_le)        \
	static inline type get_##name(struct reader *r)       \
	{                                                     \
		const uint8_t *p = take(r, sizeof(raw));      \
		raw v = 0;                                    \
                                                              \
		if (p)                                        \
			memcpy(&v, p, sizeof(v));             \
		return (type)from_le(v);                      \
	}                                                     \
	static inline uint8_t *put_##name(uint8_t *p, type v) \
	{                                                     \
		raw le = to_le((raw)v);                       \
                                                              \
		memcpy(p, &le, sizeof(le));                   \
		return p + sizeof(le);                        \
	}

#define CODEC_AS_IS(v) (v)
CODEC_INTEGER(u8, uint8_t, uint8_t, CODEC_AS_IS, CODEC_AS_IS)
CODEC_INTEGER(u16, uint16_t, uint16_t, le16toh, htole16)
CODEC_INTEGER(u32, uint32_t, uint32_t, le32toh, htole32)
CODEC_INTEGER(u64, uint64_t, uint64_t, le64toh, htole64)
CODEC_INTEGER(i32, int32_t, uint32_t, le32toh, htole32)
CODEC_INTEGER(i64, int64_t, uint64_t, le64toh, htole64)

static inline void get_u64x6(struct reader *r, uint64_t v[6])
{
	for (int i = 0; i < 6; i++)
		v[i] = get_u64(r);
}

static inline uint8_t *put_u64x6(uint8_t *p, const uint64_t v[6])
{
	for (int i = 0; i < 6; i++)
		p = put_u64(p, v[i]);
	return p;
}

static inline struct wire_bytes get_range(struct reader *r, size_t n, size_t max)
{
	struct wire_bytes b = {NULL, 0};

	if (n > max)
		r->bad = true;
	b.data = take(r, n);
	b.len = b.data ? n : 0;
	return b;
}

static inline struct wire_bytes get_bytes(struct reader *r, size_t max)
{
	return get_range(r, get_u32(r), max);
}

static inline struct wire_bytes get_str(struct reader *r, size_t max)
{
	struct wire_bytes s = get_range(r, get_u16(r), max);

	if (s.len && memchr(s.data, 0, s.len))
		r->bad = true;
	return s;
}

/* Opens a list: its elements are to be read, then list_end() called. */
static inline struct wire_list get_list(struct reader *r, uint32_t max)
{
	struct wire_list l = {.count = get_u32(r)};

	if (l.count > max)
		r->bad = true;
	if (r->bad)
		l.count = 0;
	l.data = r->p;
	return l;
}

static inline void list_end(const struct reader *r, struct wire_list *l)
{
	if (r->bad)
		*l = (struct wire_list){0};
	else if (l->count)
		l->len = (size_t)(r->p - l->data);
}

static inline void size_fail(struct sizer *s, int error)
{
	if (!s->error)
		s->error = error;
}

static inline void size_range(struct sizer *s, const struct wire_bytes *b, size_t max)
{
	if (b->len > max)
		size_fail(s, -EMSGSIZE);
	else
		s->n += b->len;
}

static inline void size_bytes(struct sizer *s, const struct wire_bytes *b, size_t max)
{
	s->n += sizeof(uint32_t);
	size_range(s, b, max);
	if (b->len && !b->data && !s->reserve)
		size_fail(s, -EINVAL);
}

static inline void size_str(struct sizer *s, const struct wire_bytes *b, size_t max)
{
	s->n += sizeof(uint16_t);
	size_range(s, b, max);
	if (b->len && (!b->data || memchr(b->data, 0, b->len)))
		size_fail(s, -EINVAL);
}

/* True: the caller adds the elements of l->items. */
static inline bool size_list(struct sizer *s, const struct wire_list *l, uint32_t max)
{
	s->n += sizeof(uint32_t);
	if (l->count > max)
		size_fail(s, -EMSGSIZE);
	else if (!l->items && l->count && !l->data)
		size_fail(s, -EINVAL);
	else if (!l->items && l->count)
		s->n += l->len;
	return !s->error && l->items;
}

static inline uint8_t *put_range(uint8_t *p, const struct wire_bytes *b)
{
	if (b->data && b->len)
		memcpy(p, b->data, b->len);
	return p + b->len;
}

static inline uint8_t *put_bytes(uint8_t *p, const struct wire_bytes *b)
{
	return put_range(put_u32(p, (uint32_t)b->len), b);
}

static inline uint8_t *put_str(uint8_t *p, const struct wire_bytes *b)
{
	return put_range(put_u16(p, (uint16_t)b->len), b);
}

/* Count, and the elements where they are as they came; those of l->items are the caller's. */
static inline uint8_t *put_list(uint8_t *p, const struct wire_list *l)
{
	struct wire_bytes raw = {l->data, l->items || !l->count ? 0 : l->len};

	return put_range(put_u32(p, l->count), &raw);
}

/* Appends the header and room for the body of the size that was summed up. 0 and where the body goes, or -errno. */
int codec_frame(struct buf *out, enum wire_type type, const struct sizer *s, uint8_t **ret) _must_check_;

#endif
