/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The form in which a forwarded call's memory travels: private to src/syscalls. HOWTO_ADD.md describes the bytes.
 * Promise: seg_parse() accepts only what the rest of the code can use without further checks. Must not: know calls.
 */
#ifndef GODWIT_SYSCALLS_SEGMENT_H
#define GODWIT_SYSCALLS_SEGMENT_H

#include "table.h"

/* An iovec array of the greatest length the kernel takes, and the few others that such a call has. */
#define SEG_COUNT_MAX 1064
#define SEG_DATA_MAX (16u << 20) /* sum of all lengths; a call with more comes home */
#define SEG_ALIGN 16u
#define SEG_HEAD 24u /* bytes of a segment's header */
#define SEG_FIX 8u /* bytes of a fix-up */
#define SEG_NESTED 0xff /* arg: reached by a fix-up only */
#define ANSWER_HEAD 16u

enum { SEG_IN = 1, SEG_OUT = 2 };
enum {
	SEG_SOFT = 1,
	SEG_STRINGS = 2, /* the data are strings; the memory is an array of pointers to them, and they behind it */
};

/* Arrays of segments are large; filling them with a pattern first would cost more than the call. */
#define SEG_UNINITIALIZED __attribute__((uninitialized))

struct seg {
	uint8_t dir, rule, arg, flags;
	uint32_t len;
	uint64_t addr; /* in the guest */
	uint16_t p1, p2;
	uint16_t nfix;
	uint32_t strings; /* SEG_STRINGS: how many */
	uint32_t off; /* in the scratch memory */
	const uint8_t *fix; /* nfix times u32 offset, u32 target segment */
	const uint8_t *data; /* len bytes when dir has SEG_IN, else NULL */
};

struct seg_list {
	unsigned n;
	size_t image; /* bytes at the beginning of the scratch memory that the call reads */
	size_t size;
	struct seg seg[SEG_COUNT_MAX];
};

/* Parses and lays out. 0, or -EPROTO when anything is not as a faithful sender writes it. */
int seg_parse(const uint8_t *p, size_t n, struct seg_list *l);

/* Bytes of so many pointers, and of the NULL that ends them. */
static inline uint64_t seg_pointers(uint64_t strings)
{
	return 8 * (strings + 1);
}
/* Bytes that the segment takes in the scratch memory. */
static inline uint64_t seg_room(const struct seg *s)
{
	return s->len + (s->flags & SEG_STRINGS ? seg_pointers(s->strings) : 0);
}

/* Fix-up i of a segment. */
void seg_fixup(const struct seg *s, unsigned i, uint32_t *ret_off, uint32_t *ret_target);

static inline uint32_t seg_get32(const uint8_t *p)
{
	return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static inline uint64_t seg_get64(const uint8_t *p)
{
	return (uint64_t)seg_get32(p) | (uint64_t)seg_get32(p + 4) << 32;
}
static inline uint16_t seg_get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}
static inline void seg_put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}
static inline void seg_put32(uint8_t *p, uint32_t v)
{
	seg_put16(p, (uint16_t)v);
	seg_put16(p + 2, (uint16_t)(v >> 16));
}
static inline void seg_put64(uint8_t *p, uint64_t v)
{
	seg_put32(p, (uint32_t)v);
	seg_put32(p + 4, (uint32_t)(v >> 32));
}

#endif
