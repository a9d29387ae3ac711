/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Is every address that a forwarded call hands to the kernel inside of the segments that came with it?
 * Promise: with a yes, the call reads and writes nothing of the deputy but its scratch memory. Must not: judge what
 * the call does there; sysc_permitted() says whether it may be made at all.
 */
#include <errno.h>
#include <string.h>

#include "segment.h"

struct cover {
	const struct seg_list *l;
	const uint64_t *args;
	const struct seg *of_arg[6];
};

static bool long_enough(const struct seg *s, uint64_t need, uint8_t dir)
{
	return s->len >= need && (s->dir & dir) == dir;
}

/* The segment to which the pointer at offset off of s leads; *k is where the search begins, since callers ascend. */
static const struct seg *target_of(const struct cover *c, const struct seg *s, uint32_t off, unsigned *k)
{
	for (; *k < s->nfix; (*k)++) {
		uint32_t at, target;

		seg_fixup(s, *k, &at, &target);
		if (at == off)
			return &c->l->seg[target];
		if (at > off)
			return NULL;
	}
	return NULL;
}

static bool iov_covered(const struct cover *c, const struct seg *s, uint64_t count, uint8_t dir)
{
	unsigned k = 0;

	if (count > SEG_COUNT_MAX || !long_enough(s, count * 16, SEG_IN))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		uint64_t base = seg_get64(s->data + (size_t)i * 16), len = seg_get64(s->data + (size_t)i * 16 + 8);
		const struct seg *t = target_of(c, s, i * 16, &k);

		if (t ? !long_enough(t, len, dir) : base && len)
			return false;
	}
	return true;
}

/* A pointer within a struct and the bytes that it must lead to. */
static bool member_covered(const struct cover *c, const struct seg *s, uint32_t off, uint64_t need, uint8_t dir)
{
	unsigned k = 0;
	const struct seg *t = target_of(c, s, off, &k);

	return t ? long_enough(t, need, dir) : seg_get64(s->data + off) == 0;
}

/* struct msghdr at offset off of s. */
static bool msghdr_covered(const struct cover *c, const struct seg *s, uint32_t off, uint8_t dir)
{
	const uint8_t *h = s->data + off;
	uint64_t name = seg_get32(h + 8);
	unsigned k = 0;
	const struct seg *iov = target_of(c, s, off + 16, &k);

	if (!member_covered(c, s, off, name < 128 ? name : 128, dir))
		return false;
	if (iov ? !iov_covered(c, iov, seg_get64(h + 24), dir) : seg_get64(h + 16) != 0)
		return false;
	return member_covered(c, s, off + 32, seg_get64(h + 40), dir);
}

static bool mmsg_covered(const struct cover *c, const struct seg *s, uint64_t count)
{
	if (count > SEG_COUNT_MAX || !long_enough(s, count * 64, SEG_IN | SEG_OUT))
		return false;
	for (uint32_t i = 0; i < count; i++) {
		if (!msghdr_covered(c, s, i * 64, SEG_IN))
			return false;
	}
	return true;
}

static bool string_covered(const struct seg *s, const struct sysc_arg *a)
{
	if (!(s->dir & SEG_IN))
		return false;
	return memchr(s->data, 0, s->len) || (a->kind == ARG_STR16 && s->len >= 16);
}

/* The u32 at the beginning of another argument's memory, as the kernel will read it. */
static bool word_of_arg(const struct cover *c, unsigned i, uint32_t *ret)
{
	const struct seg *s = c->of_arg[i];

	if (!s || !long_enough(s, 4, SEG_IN))
		return false;
	*ret = seg_get32(s->data);
	return true;
}

static bool buffer_covered(const struct cover *c, const struct seg *s, const struct sysc_arg *a)
{
	uint8_t dir = a->kind == ARG_IN ? SEG_IN : a->kind == ARG_OUT ? SEG_OUT : SEG_IN | SEG_OUT;
	uint64_t need;
	uint32_t word;

	if (a->len_kind != LEN_POINTED) {
		need = sysc_arg_length(a, c->args);
	} else if (!c->args[a->len_arg]) {
		need = 0;
	} else if (word_of_arg(c, a->len_arg, &word)) {
		need = (int32_t)word < 0 ? 0 : word;
		if (a->add && need > a->add)
			need = a->add;
	} else {
		return false;
	}
	return long_enough(s, need, dir);
}

static bool arg_covered(const struct cover *c, const struct seg *s, const struct sysc_arg *a)
{
	uint32_t version;

	if (a->kind == ARG_STRINGS || (s->flags & SEG_STRINGS))
		return a->kind == ARG_STRINGS &&
		       (s->flags & SEG_STRINGS); /* each of them ends, and so does their array */
	switch (a->kind) {
	case ARG_STR:
	case ARG_STR16:
	case ARG_PATH:
		return string_covered(s, a);
	case ARG_IOV_IN:
		return iov_covered(c, s, sysc_arg_length(a, c->args), SEG_IN);
	case ARG_IOV_OUT:
		return iov_covered(c, s, sysc_arg_length(a, c->args), SEG_OUT);
	case ARG_MSG_IN:
		return long_enough(s, 56, SEG_IN) && msghdr_covered(c, s, 0, SEG_IN);
	case ARG_MSG_OUT:
		return long_enough(s, 56, SEG_IN | SEG_OUT) && msghdr_covered(c, s, 0, SEG_OUT);
	case ARG_MMSG_IN:
		return mmsg_covered(c, s, sysc_arg_length(a, c->args));
	case ARG_SIGPACK:
		return long_enough(s, 16, SEG_IN) && member_covered(c, s, 0, 8, SEG_IN);
	case ARG_CAPS:
		return word_of_arg(c, a->len_arg, &version) && long_enough(s, version == 0x19980330 ? 12 : 24, SEG_OUT);
	default:
		return buffer_covered(c, s, a);
	}
}

int sysc_covered(unsigned nr, const uint64_t args[6], const uint8_t *segments, size_t n)
{
	const struct sysc_row *row = sysc_row(nr);
	SEG_UNINITIALIZED struct seg_list l;
	const struct sysc_case *which;
	struct cover c = {.l = &l, .args = args};

	if (seg_parse(segments, n, &l) < 0)
		return -EPROTO;
	if (!row)
		return -EPERM;
	(void)sysc_decide(row, args, &which);
	for (unsigned i = 0; i < l.n; i++) {
		if (l.seg[i].arg < 6)
			c.of_arg[l.seg[i].arg] = &l.seg[i];
	}
	for (unsigned i = 0; i < 6; i++) {
		const struct sysc_arg *a = sysc_arg_of(row, which, i);
		bool memory = i < row->detail->nargs && sysc_arg_is_memory(a) && args[i];

		if (!memory ? c.of_arg[i] != NULL : !c.of_arg[i] || !arg_covered(&c, c.of_arg[i], a))
			return -EPERM;
	}
	return 0;
}
