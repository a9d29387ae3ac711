/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a call's arguments and the guest's memory to segments.
 * Promise: what cannot be read, is too large or is not understood makes the process go home, where the kernel gives the
 * true answer. Must not: decide anything by the number of a call; the table does.
 */
#include <errno.h>
#include <string.h>

#include "segment.h"

#define IOV_COUNT_MAX 1024
#define IOV_SIZE 16
#define MSGHDR_SIZE 56
#define MMSGHDR_SIZE 64
#define NO_FIX UINT16_MAX
#define FIX_MAX (2 * SEG_COUNT_MAX)
#define PAGE 4096
#define PATH_CAP 4096 /* the kernel's PATH_MAX, with the NUL */

/* Offsets in struct msghdr of x86-64. */
enum { MSG_NAME = 0, MSG_NAMELEN = 8, MSG_IOV = 16, MSG_IOVLEN = 24, MSG_CONTROL = 32, MSG_CONTROLLEN = 40 };

struct fix { /* "the pointer at off is to be that of target" */
	uint32_t off;
	uint16_t target;
	uint16_t next;
};

struct planned { /* a segment that is still to be written out */
	struct seg s;
	uint16_t first_fix, last_fix;
	size_t from; /* SEG_STRINGS: where they begin in the builder's strings */
};

struct page { /* of the guest */
	uint64_t addr; /* 1: none */
	uint8_t bytes[PAGE];
};

struct builder {
	const uint64_t *args;
	const struct sysc_memory *mem;
	uint32_t sum;
	unsigned n, nfix;
	int of_arg[6]; /* segment of an argument, -1 */
	struct planned seg[SEG_COUNT_MAX];
	struct fix fix[FIX_MAX];
	struct buf strings; /* of all lists, one behind the other */
	struct page pointers, text; /* read last */
};

/* Plans a segment. Returns its index, or -E2BIG when the call is too large to be forwarded. */
static int plan(struct builder *b, uint8_t arg, uint8_t dir, uint64_t addr, uint64_t len)
{
	struct planned *p = &b->seg[b->n];

	if (b->n == SEG_COUNT_MAX || len > SEG_DATA_MAX - b->sum)
		return -E2BIG;
	b->sum += (uint32_t)len;
	*p = (struct planned){.s = {.dir = dir, .rule = RULE_ALWAYS, .arg = arg, .len = (uint32_t)len, .addr = addr},
			      .first_fix = NO_FIX,
			      .last_fix = NO_FIX};
	if (arg < 6)
		b->of_arg[arg] = (int)b->n;
	return (int)b->n++;
}

static void set_rule(struct builder *b, int seg, uint8_t rule, uint16_t p1, uint16_t p2)
{
	b->seg[seg].s.rule = rule;
	b->seg[seg].s.p1 = p1;
	b->seg[seg].s.p2 = p2;
}

/* Notes that the pointer at offset off of segment parent leads to segment target. Offsets come ascending. */
static int add_fix(struct builder *b, int parent, uint32_t off, int target)
{
	struct planned *p = &b->seg[parent];
	unsigned k = b->nfix;

	if (k == FIX_MAX)
		return -E2BIG;
	b->fix[k] = (struct fix){.off = off, .target = (uint16_t)target, .next = NO_FIX};
	if (p->last_fix == NO_FIX)
		p->first_fix = (uint16_t)k;
	else
		b->fix[p->last_fix].next = (uint16_t)k;
	p->last_fix = (uint16_t)k;
	p->s.nfix++;
	b->nfix++;
	return 0;
}

static int read_guest(struct builder *b, uint64_t addr, void *p, size_t n)
{
	return b->mem->read(b->mem->ctx, addr, p, n);
}

/* Copies a string with its NUL into s, looking at most at cap bytes; never asks for a page beyond the one in which
 * the string ends. Returns its length, cap when there is no NUL among them, or -EFAULT. */
static ssize_t read_string(struct builder *b, uint64_t addr, char *s, size_t cap)
{
	size_t n = 0;

	while (n < cap) {
		size_t chunk = 4096 - (size_t)((addr + n) & 4095);
		const char *nul;

		if (chunk > 256)
			chunk = 256;
		if (chunk > cap - n)
			chunk = cap - n;
		if (read_guest(b, addr + n, s + n, chunk) < 0)
			return -EFAULT;
		nul = memchr(s + n, 0, chunk);
		if (nul)
			return nul - s;
		n += chunk;
	}
	return (ssize_t)cap;
}

static int plan_string(struct builder *b, const struct sysc_arg *a, uint8_t i)
{
	SEG_UNINITIALIZED char s[PATH_CAP];
	size_t cap = a->kind == ARG_STR16 ? 16 : sizeof(s);
	ssize_t n = read_string(b, b->args[i], s, cap);

	if (n < 0)
		return (int)n;
	if ((size_t)n == cap && a->kind != ARG_STR16)
		return -E2BIG;
	return plan(b, i, SEG_IN, b->args[i], (size_t)n == cap ? cap : (size_t)n + 1);
}

/* The length that a pointer-to-length argument holds now. */
static int pointed_length(struct builder *b, const struct sysc_arg *a, uint64_t *ret)
{
	uint8_t word[4];

	*ret = 0;
	if (!b->args[a->len_arg])
		return 0;
	if (read_guest(b, b->args[a->len_arg], word, sizeof(word)) < 0)
		return -EFAULT;
	*ret = seg_get32(word);
	if ((int32_t)*ret < 0)
		*ret = 0; /* the kernel refuses it and writes nothing */
	if (a->add && *ret > a->add)
		*ret = a->add;
	return 0;
}

static int plan_buffer(struct builder *b, const struct sysc_arg *a, uint8_t i)
{
	static const uint8_t dirs[] = {
	    [ARG_IN] = SEG_IN, [ARG_OUT] = SEG_OUT, [ARG_INOUT] = SEG_IN | SEG_OUT, [ARG_FDSET] = SEG_IN | SEG_OUT};
	uint64_t len;
	int r;

	if (a->len_kind == LEN_POINTED) {
		r = pointed_length(b, a, &len);
		if (r < 0)
			return r;
	} else {
		len = sysc_arg_length(a, b->args);
	}
	r = plan(b, i, dirs[a->kind], b->args[i], len);
	if (r < 0)
		return r;
	b->seg[r].s.flags = a->soft ? SEG_SOFT : 0;
	if (!(dirs[a->kind] & SEG_OUT))
		return 0;
	if (a->rule == RULE_RET)
		set_rule(b, r, RULE_RET, a->mul, (uint16_t)a->add);
	else
		set_rule(b, r, a->rule, a->ret_arg, 0); /* RULE_LEN: the segment is put in at the end */
	return 0;
}

/* A struct iovec array of count entries; its buffers become segments of direction dir. Returns its segment. */
static int plan_iov(struct builder *b, uint8_t arg, uint64_t addr, uint64_t count, uint8_t dir)
{
	int array = count > IOV_COUNT_MAX ? -E2BIG : plan(b, arg, SEG_IN, addr, count * IOV_SIZE);

	for (uint64_t i = 0; array >= 0 && i < count; i++) {
		uint8_t raw[IOV_SIZE];
		uint64_t base, len;
		int r;

		if (read_guest(b, addr + i * IOV_SIZE, raw, sizeof(raw)) < 0)
			return -EFAULT;
		base = seg_get64(raw);
		len = seg_get64(raw + 8);
		if (!base || !len)
			continue;
		r = plan(b, SEG_NESTED, dir, base, len);
		if (r < 0)
			return r;
		if (dir == SEG_OUT)
			set_rule(b, r, RULE_STREAM, 0, 0);
		r = add_fix(b, array, (uint32_t)i * IOV_SIZE, r);
		if (r < 0)
			return r;
	}
	return array;
}

/* One pointer of a struct: a segment of len bytes at ptr and its fix-up. 0 when ptr is NULL, -errno. On the way out
 * the length lies in the struct itself, at len_off. */
static int plan_member(struct builder *b, int parent, uint32_t ptr_off, uint64_t ptr, uint64_t len, uint8_t dir,
		       uint16_t len_off)
{
	int r;

	if (!ptr)
		return 0;
	r = plan(b, SEG_NESTED, dir, ptr, len);
	if (r < 0)
		return r;
	if (dir == SEG_OUT)
		set_rule(b, r, RULE_LEN, (uint16_t)parent, len_off);
	return add_fix(b, parent, ptr_off, r);
}

/* The members of the struct msghdr at addr, which lies at offset off of segment parent. */
static int plan_msghdr(struct builder *b, int parent, uint32_t off, uint64_t addr, uint8_t dir)
{
	uint8_t h[MSGHDR_SIZE];
	uint64_t namelen, iov;
	int r;

	if (read_guest(b, addr, h, sizeof(h)) < 0)
		return -EFAULT;
	namelen = seg_get32(h + MSG_NAMELEN);
	if (namelen > 256)
		namelen = 256; /* the kernel looks at 128 bytes */
	r = plan_member(b, parent, off + MSG_NAME, seg_get64(h + MSG_NAME), namelen, dir,
			(uint16_t)(off + MSG_NAMELEN));
	if (r < 0)
		return r;
	iov = seg_get64(h + MSG_IOV);
	if (iov) {
		r = plan_iov(b, SEG_NESTED, iov, seg_get64(h + MSG_IOVLEN), dir);
		if (r >= 0)
			r = add_fix(b, parent, off + MSG_IOV, r);
		if (r < 0)
			return r;
	}
	return plan_member(b, parent, off + MSG_CONTROL, seg_get64(h + MSG_CONTROL), seg_get64(h + MSG_CONTROLLEN), dir,
			   (uint16_t)(off + MSG_CONTROLLEN));
}

static int plan_msg(struct builder *b, uint8_t i, bool receive)
{
	int seg = plan(b, i, receive ? SEG_IN | SEG_OUT : SEG_IN, b->args[i], MSGHDR_SIZE);

	if (seg < 0)
		return seg;
	if (receive)
		set_rule(b, seg, RULE_OK, 0, 0);
	return plan_msghdr(b, seg, 0, b->args[i], receive ? SEG_OUT : SEG_IN);
}

static int plan_mmsg(struct builder *b, const struct sysc_arg *a, uint8_t i)
{
	uint64_t count = sysc_arg_length(a, b->args);
	int seg = count > IOV_COUNT_MAX ? -E2BIG : plan(b, i, SEG_IN | SEG_OUT, b->args[i], count * MMSGHDR_SIZE);

	for (uint32_t k = 0; seg >= 0 && k < count; k++) {
		int r = plan_msghdr(b, seg, k * MMSGHDR_SIZE, b->args[i] + (uint64_t)k * MMSGHDR_SIZE, SEG_IN);

		if (r < 0)
			return r;
	}
	return seg;
}

static int plan_sigpack(struct builder *b, uint8_t i)
{
	uint8_t raw[16];
	int seg = plan(b, i, SEG_IN, b->args[i], sizeof(raw));

	if (seg < 0)
		return seg;
	if (read_guest(b, b->args[i], raw, sizeof(raw)) < 0)
		return -EFAULT;
	return plan_member(b, seg, 0, seg_get64(raw), 8, SEG_IN, 0);
}

/* capget: version 1 has one pair of masks, the others two. */
static int plan_caps(struct builder *b, const struct sysc_arg *a, uint8_t i)
{
	uint8_t word[4];
	int seg;

	if (!b->args[a->len_arg] || read_guest(b, b->args[a->len_arg], word, sizeof(word)) < 0)
		return -EFAULT;
	seg = plan(b, i, SEG_OUT, b->args[i], seg_get32(word) == 0x19980330 ? 12 : 24);
	if (seg >= 0)
		set_rule(b, seg, RULE_OK, 0, 0);
	return seg;
}

/* What lies at addr, up to the end of its page. */
static int look_at(struct builder *b, struct page *page, uint64_t addr, const uint8_t **ret, size_t *ret_len)
{
	size_t off = (size_t)(addr & (PAGE - 1));

	if (page->addr != addr - off) {
		page->addr = 1;
		if (read_guest(b, addr - off, page->bytes, PAGE) < 0)
			return -EFAULT;
		page->addr = addr - off;
	}
	*ret = page->bytes + off;
	*ret_len = PAGE - off;
	return 0;
}

static int read_pointer(struct builder *b, uint64_t addr, uint64_t *ret)
{
	uint8_t word[8];

	for (size_t n = 0; n < sizeof(word);) {
		const uint8_t *p;
		size_t there;
		int r = look_at(b, &b->pointers, addr + n, &p, &there);

		if (r < 0)
			return r;
		there = there < sizeof(word) - n ? there : sizeof(word) - n;
		memcpy(word + n, p, there);
		n += there;
	}
	*ret = seg_get64(word);
	return 0;
}

static int take_string(struct builder *b, uint64_t addr)
{
	for (;;) {
		const uint8_t *p, *nul;
		size_t n;
		int r = look_at(b, &b->text, addr, &p, &n);

		if (r < 0)
			return r;
		nul = memchr(p, 0, n);
		n = nul ? (size_t)(nul - p) + 1 : n;
		r = buf_append(&b->strings, p, n);
		if (r < 0 || nul)
			return r;
		addr += n;
	}
}

/* The kernel takes 6 MiB at most, whatever the limits: what does not fit here is for home to refuse. */
static int plan_strings(struct builder *b, uint8_t i)
{
	size_t from = b->strings.len, n = 0;
	uint64_t at;
	int r;

	while ((r = read_pointer(b, b->args[i] + 8 * n, &at)) == 0 && at) {
		r = take_string(b, at);
		if (r < 0 || seg_pointers(++n) > SEG_DATA_MAX - b->sum)
			return r < 0 ? r : -E2BIG;
	}
	if (r < 0 || seg_pointers(n) > SEG_DATA_MAX - b->sum)
		return r < 0 ? r : -E2BIG;
	b->sum += (uint32_t)seg_pointers(n);
	r = plan(b, i, SEG_IN, b->args[i], b->strings.len - from);
	if (r < 0)
		return r;
	b->seg[r].s.flags = SEG_STRINGS;
	b->seg[r].from = from;
	return r;
}

/* Plans the segments of argument i. >= 0, or -errno: the call cannot be forwarded. */
static int plan_arg(struct builder *b, const struct sysc_arg *a, uint8_t i)
{
	uint64_t v = b->args[i];

	if (!sysc_arg_is_memory(a) || v == 0)
		return 0;
	switch (a->kind) {
	case ARG_STR:
	case ARG_STR16:
	case ARG_PATH:
		return plan_string(b, a, i);
	case ARG_IOV_IN:
		return plan_iov(b, i, v, sysc_arg_length(a, b->args), SEG_IN);
	case ARG_IOV_OUT:
		return plan_iov(b, i, v, sysc_arg_length(a, b->args), SEG_OUT);
	case ARG_MSG_IN:
		return plan_msg(b, i, false);
	case ARG_MSG_OUT:
		return plan_msg(b, i, true);
	case ARG_MMSG_IN:
		return plan_mmsg(b, a, i);
	case ARG_SIGPACK:
		return plan_sigpack(b, i);
	case ARG_CAPS:
		return plan_caps(b, a, i);
	case ARG_STRINGS:
		return plan_strings(b, i);
	default:
		return plan_buffer(b, a, i);
	}
}

/* RULE_LEN names an argument until all segments are known. A length that is not there means nothing is written. */
static void resolve_lengths(struct builder *b)
{
	for (unsigned i = 0; i < 6; i++) {
		struct seg *s = b->of_arg[i] < 0 ? NULL : &b->seg[b->of_arg[i]].s;

		if (!s || s->rule != RULE_LEN || !(s->dir & SEG_OUT))
			continue;
		if (b->of_arg[s->p1] >= 0)
			s->p1 = (uint16_t)b->of_arg[s->p1];
		else
			set_rule(b, b->of_arg[i], RULE_RET, 0, 0);
	}
}

static int write_segment(struct builder *b, const struct planned *p, struct buf *out)
{
	size_t data = p->s.dir & SEG_IN ? p->s.len : 0;
	size_t n = SEG_HEAD + (size_t)p->s.nfix * SEG_FIX + data;
	uint8_t *w = buf_reserve(out, n);

	if (!w)
		return -ENOBUFS;
	w[0] = p->s.dir;
	w[1] = p->s.rule;
	w[2] = p->s.arg;
	w[3] = p->s.flags;
	seg_put32(w + 4, p->s.len);
	seg_put64(w + 8, p->s.addr);
	seg_put16(w + 16, p->s.p1);
	seg_put16(w + 18, p->s.p2);
	seg_put16(w + 20, p->s.nfix);
	seg_put16(w + 22, 0);
	w += SEG_HEAD;
	for (unsigned k = p->first_fix; k != NO_FIX; k = b->fix[k].next, w += SEG_FIX) {
		seg_put32(w, b->fix[k].off);
		seg_put32(w + 4, b->fix[k].target);
	}
	if (data && (p->s.flags & SEG_STRINGS))
		memcpy(w, buf_head(&b->strings) + p->from, data);
	else if (data && read_guest(b, p->s.addr, w, data) < 0)
		return -EFAULT;
	buf_commit(out, n);
	return 0;
}

/* Makes the segments of a call that is to be forwarded. 0, or -errno with out as it was. */
static int build(struct builder *b, const struct sysc_row *row, const struct sysc_case *c, struct buf *out)
{
	size_t before = out->len;
	int r = 0;

	for (uint8_t i = 0; i < row->detail->nargs && r >= 0; i++)
		r = plan_arg(b, sysc_arg_of(row, c, i), i);
	if (r < 0)
		return r;
	resolve_lengths(b);
	for (unsigned i = 0; i < b->n && r >= 0; i++)
		r = write_segment(b, &b->seg[i], out);
	if (r < 0)
		out->len = before;
	return r < 0 ? r : 0;
}

enum sysc_class sysc_request(unsigned nr, const uint64_t args[6], const struct sysc_memory *mem, struct buf *out)
{
	const struct sysc_row *row = sysc_row(nr);
	const struct sysc_case *c;
	SEG_UNINITIALIZED struct builder b;
	unsigned cls;
	int r;

	if (!row)
		return SYSC_HOME;
	cls = sysc_decide(row, args, &c);
	if (cls == CASE_ASK)
		return SYSC_NATIVE;
	if (cls != SYSC_FORWARD)
		return cls;
	b.args = args;
	b.mem = mem;
	b.sum = 0;
	b.n = 0;
	b.nfix = 0;
	b.pointers.addr = b.text.addr = 1;
	buf_init(&b.strings, SEG_DATA_MAX);
	for (unsigned i = 0; i < 6; i++)
		b.of_arg[i] = -1;
	r = build(&b, row, c, out);
	buf_release(&b.strings);
	return r < 0 ? SYSC_HOME : SYSC_FORWARD;
}
