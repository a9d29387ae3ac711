/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Segments: parsed, laid out in scratch memory, collected after the call, applied to the guest.
 * Promise: any bytes are safe to parse; nothing is written before all of it was found in order. Must not: trust a
 * length, offset or index from the other end.
 */
#include <errno.h>
#include <string.h>

#include "segment.h"

void seg_fixup(const struct seg *s, unsigned i, uint32_t *ret_off, uint32_t *ret_target)
{
	*ret_off = seg_get32(s->fix + (size_t)i * SEG_FIX);
	*ret_target = seg_get32(s->fix + (size_t)i * SEG_FIX + 4);
}

/* Strings only go to the call, as an argument; each of them ends. */
static int parse_strings(struct seg *s)
{
	if (s->dir != SEG_IN || s->arg == SEG_NESTED || s->nfix || (s->len && s->data[s->len - 1]))
		return -EPROTO;
	for (const uint8_t *p = s->data; p < s->data + s->len; s->strings++)
		p += strlen((const char *)p) + 1;
	return 0;
}

/* One segment at p, of which n bytes are there. Returns its size in bytes or -EPROTO. */
static ssize_t parse_one(const uint8_t *p, size_t n, struct seg *s)
{
	size_t used = SEG_HEAD;

	if (n < SEG_HEAD)
		return -EPROTO;
	*s = (struct seg){.dir = p[0],
			  .rule = p[1],
			  .arg = p[2],
			  .flags = p[3],
			  .len = seg_get32(p + 4),
			  .addr = seg_get64(p + 8),
			  .p1 = seg_get16(p + 16),
			  .p2 = seg_get16(p + 18),
			  .nfix = seg_get16(p + 20)};
	if (seg_get16(p + 22) != 0 || s->dir == 0 || s->dir > (SEG_IN | SEG_OUT) || s->rule >= RULE__MAX)
		return -EPROTO;
	if ((s->flags & ~(SEG_SOFT | SEG_STRINGS)) || (s->arg >= 6 && s->arg != SEG_NESTED) || s->len > SEG_DATA_MAX)
		return -EPROTO;
	if (s->nfix) {
		/* The original pointers are put back after the call, so they must have been sent. */
		if (!(s->dir & SEG_IN) || n - used < (size_t)s->nfix * SEG_FIX)
			return -EPROTO;
		s->fix = p + used;
		used += (size_t)s->nfix * SEG_FIX;
	}
	if (s->dir & SEG_IN) {
		if (n - used < s->len)
			return -EPROTO;
		s->data = p + used;
		used += s->len;
	}
	if ((s->flags & SEG_STRINGS) && parse_strings(s) < 0)
		return -EPROTO;
	return (ssize_t)used;
}

/* What one segment says of others: targets of fix-ups and the place of its length. */
static int check_references(const struct seg_list *l, const struct seg *s)
{
	uint32_t next = 0; /* fix-ups ascend and do not overlap */

	for (unsigned i = 0; i < s->nfix; i++) {
		uint32_t off, target;

		seg_fixup(s, i, &off, &target);
		if (off < next || s->len < 8 || off > s->len - 8 || target >= l->n || &l->seg[target] == s ||
		    (l->seg[target].flags & SEG_STRINGS))
			return -EPROTO;
		next = off + 8;
	}
	if (s->rule == RULE_LEN) {
		if (s->p1 >= l->n || &l->seg[s->p1] == s || !(l->seg[s->p1].dir & SEG_OUT))
			return -EPROTO;
		if ((uint32_t)s->p2 + 4 > l->seg[s->p1].len)
			return -EPROTO;
	}
	return 0;
}

/* What the call reads comes first, so that only this part must be brought into the deputy. */
static void lay_out(struct seg_list *l)
{
	uint32_t off = 0, room;

	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < l->n; i++) {
			struct seg *s = &l->seg[i];

			if (((s->dir & SEG_IN) ? 0u : 1u) != pass)
				continue;
			s->off = off;
			/* At least one unit each: every segment has an address of its own. */
			room = (uint32_t)seg_room(s);
			off += (room ? room + SEG_ALIGN - 1 : SEG_ALIGN) & ~(SEG_ALIGN - 1);
		}
		if (pass == 0)
			l->image = off;
	}
	l->size = off;
}

int seg_parse(const uint8_t *p, size_t n, struct seg_list *l)
{
	unsigned used_args = 0;
	uint64_t sum = 0;

	l->n = 0;
	while (n > 0) {
		struct seg *s = &l->seg[l->n];
		ssize_t used;

		if (l->n == SEG_COUNT_MAX)
			return -EPROTO;
		used = parse_one(p, n, s);
		if (used < 0)
			return -EPROTO;
		sum += seg_room(s);
		if (sum > SEG_DATA_MAX || (s->arg < 6 && (used_args & 1u << s->arg)))
			return -EPROTO;
		if (s->arg < 6)
			used_args |= 1u << s->arg;
		p += used;
		n -= (size_t)used;
		l->n++;
	}
	for (unsigned i = 0; i < l->n; i++) {
		if (check_references(l, &l->seg[i]) < 0)
			return -EPROTO;
	}
	lay_out(l);
	return 0;
}

ssize_t sysc_scratch_size(const uint8_t *segments, size_t n)
{
	SEG_UNINITIALIZED struct seg_list l;

	return seg_parse(segments, n, &l) < 0 ? -EPROTO : (ssize_t)l.size;
}

ssize_t sysc_image_size(const uint8_t *segments, size_t n)
{
	SEG_UNINITIALIZED struct seg_list l;

	return seg_parse(segments, n, &l) < 0 ? -EPROTO : (ssize_t)l.image;
}

static void place_strings(const struct seg *s, uint64_t base, uint8_t *local)
{
	uint32_t text = s->off + (uint32_t)seg_pointers(s->strings), at = 0;

	if (s->len)
		memcpy(local + text, s->data, s->len);
	for (uint32_t i = 0; i < s->strings; i++) {
		seg_put64(local + s->off + 8 * (size_t)i, base + text + at);
		at += (uint32_t)strlen((const char *)s->data + at) + 1;
	}
}

int sysc_place(const uint8_t *segments, size_t n, uint64_t base, uint8_t *local, size_t size, uint64_t args[6])
{
	SEG_UNINITIALIZED struct seg_list l;

	if (seg_parse(segments, n, &l) < 0 || size < l.image)
		return -EPROTO;
	if (size)
		memset(local, 0, size);
	for (unsigned i = 0; i < l.n; i++) {
		const struct seg *s = &l.seg[i];

		if (s->flags & SEG_STRINGS)
			place_strings(s, base, local);
		else if (s->len && s->data)
			memcpy(local + s->off, s->data, s->len);
		for (unsigned k = 0; k < s->nfix; k++) {
			uint32_t off, target;

			seg_fixup(s, k, &off, &target);
			seg_put64(local + s->off + off, base + l.seg[target].off);
		}
		if (s->arg < 6)
			args[s->arg] = base + s->off;
	}
	return 0;
}

/* The state of sysc_collect(). */
struct collector {
	const struct seg_list *l;
	int64_t ret;
	uint64_t stream; /* bytes of ret not yet assigned to a RULE_STREAM segment */
	int (*read)(void *ctx, size_t off, void *p, size_t n);
	void *ctx;
};

static bool is_error(int64_t ret)
{
	return ret < 0 && ret >= -4095;
}

static bool is_interrupted(int64_t ret)
{
	return ret == -EINTR || (ret <= -512 && ret >= -516);
}

/* How many bytes of an OUT segment the kernel has written. 0 or -errno of the reader. */
static int valid_bytes(struct collector *c, const struct seg *s, uint32_t *ret_len)
{
	uint64_t n = 0;
	uint8_t word[4];
	int r;

	switch (s->rule) {
	case RULE_ALWAYS:
		n = s->len;
		break;
	case RULE_OK:
		n = is_error(c->ret) ? 0 : s->len;
		break;
	case RULE_POS:
		n = c->ret > 0 ? s->len : 0;
		break;
	case RULE_INTR:
		n = is_interrupted(c->ret) ? s->len : 0;
		break;
	case RULE_RET: /* the comparison keeps the product in range: a segment is smaller than 2^24 bytes */
		if (c->ret >= 0)
			n = c->ret > s->len ? s->len : (uint64_t)c->ret * s->p1 + s->p2;
		break;
	case RULE_STREAM:
		n = c->stream < s->len ? c->stream : s->len;
		c->stream -= n;
		break;
	case RULE_LEN:
		if (is_error(c->ret))
			break;
		r = c->read(c->ctx, c->l->seg[s->p1].off + s->p2, word, sizeof(word));
		if (r < 0)
			return r;
		n = seg_get32(word);
		break;
	}
	*ret_len = n < s->len ? (uint32_t)n : s->len;
	return 0;
}

/* Appends what one segment brought back. */
static int collect_one(struct collector *c, const struct seg *s, struct buf *out)
{
	uint32_t len;
	uint8_t *p;
	int r;

	if (!(s->dir & SEG_OUT))
		return 0;
	r = valid_bytes(c, s, &len);
	if (r < 0 || len == 0)
		return r;
	p = buf_reserve(out, ANSWER_HEAD + (size_t)len);
	if (!p)
		return -ENOBUFS;
	seg_put64(p, s->addr);
	seg_put32(p + 8, len);
	seg_put32(p + 12, s->flags & SEG_SOFT);
	r = c->read(c->ctx, s->off, p + ANSWER_HEAD, len);
	if (r < 0)
		return r;
	/* The guest gets its own pointers back, not those into the scratch memory. */
	for (unsigned k = 0; k < s->nfix; k++) {
		uint32_t off, target;

		seg_fixup(s, k, &off, &target);
		if (off + 8 <= len)
			memcpy(p + ANSWER_HEAD + off, s->data + off, 8);
	}
	buf_commit(out, ANSWER_HEAD + (size_t)len);
	return 0;
}

int sysc_collect(const uint8_t *segments, size_t n, int64_t ret,
		 int (*read_scratch)(void *ctx, size_t off, void *p, size_t n), void *ctx, struct buf *out)
{
	SEG_UNINITIALIZED struct seg_list l;
	struct collector c = {
	    .l = &l, .ret = ret, .stream = ret > 0 ? (uint64_t)ret : 0, .read = read_scratch, .ctx = ctx};
	size_t before = out->len;

	if (seg_parse(segments, n, &l) < 0)
		return -EPROTO;
	for (unsigned i = 0; i < l.n; i++) {
		int r = collect_one(&c, &l.seg[i], out);

		if (r < 0) {
			out->len = before;
			return r;
		}
	}
	return 0;
}

/* One chunk of an answer at p; returns its size or -EPROTO. */
static ssize_t answer_one(const uint8_t *p, size_t n)
{
	uint32_t len;

	if (n < ANSWER_HEAD)
		return -EPROTO;
	len = seg_get32(p + 8);
	if (len == 0 || len > n - ANSWER_HEAD || (seg_get32(p + 12) & ~(uint32_t)SEG_SOFT))
		return -EPROTO;
	if (seg_get64(p) > UINT64_MAX - len)
		return -EPROTO;
	return (ssize_t)(ANSWER_HEAD + (size_t)len);
}

int sysc_apply(const uint8_t *answer, size_t n, const struct sysc_memory *mem)
{
	ssize_t used;
	int ret = 0;

	for (size_t off = 0; off < n; off += (size_t)used) {
		used = answer_one(answer + off, n - off);
		if (used < 0)
			return -EPROTO;
	}
	for (size_t off = 0; off < n; off += (size_t)used) {
		const uint8_t *p = answer + off;

		used = answer_one(p, n - off);
		if (used < 0)
			return -EPROTO;
		if (mem->write(mem->ctx, seg_get64(p), p + ANSWER_HEAD, seg_get32(p + 8)) < 0 &&
		    !(seg_get32(p + 12) & SEG_SOFT))
			ret = -EFAULT;
	}
	return ret;
}
