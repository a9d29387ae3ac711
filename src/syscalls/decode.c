/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A call as one line for people.
 * Promise: any arguments, segments and answers give a terminated line; what is malformed is shown as addresses.
 * Must not: be parsed by programs.
 */
#include <string.h>

#include "segment.h"
#include "symbols.h"

#define SHOWN_IOVS 8
#define SHOWN_INTS 8
#define SHOWN_FDS 32
#define SHOWN_STRINGS 8

struct decoder {
	struct line *l;
	const struct seg_list *segs;
	const uint8_t *answer;
	size_t answer_len;
};

/* What came back for the guest's address addr: its bytes, NULL when nothing did. */
static const uint8_t *find_answer(const struct decoder *d, uint64_t addr, size_t *ret_len)
{
	size_t off = 0;

	while (d->answer_len - off >= ANSWER_HEAD) {
		uint32_t len = seg_get32(d->answer + off + 8);

		if (len > d->answer_len - off - ANSWER_HEAD)
			break;
		if (seg_get64(d->answer + off) == addr) {
			*ret_len = len;
			return d->answer + off + ANSWER_HEAD;
		}
		off += ANSWER_HEAD + len;
	}
	return NULL;
}

/* The best view of a segment's memory: as it was after the call if it was written, else as it was before. */
static const uint8_t *content(const struct decoder *d, const struct seg *s, size_t *ret_len)
{
	const uint8_t *p = s->dir & SEG_OUT ? find_answer(d, s->addr, ret_len) : NULL;

	if (!p && s->data) {
		p = s->data;
		*ret_len = s->len;
	}
	return p;
}

static void put_ints(struct line *l, const uint8_t *p, size_t n)
{
	size_t count = n / 4;

	line_put(l, "[");
	for (size_t i = 0; i < count && i < SHOWN_INTS; i++)
		line_put(l, i ? ", %d" : "%d", (int32_t)seg_get32(p + 4 * i));
	line_put(l, count > SHOWN_INTS ? ", ...]" : "]");
}

static void put_fdset(struct line *l, const uint8_t *p, size_t n)
{
	unsigned shown = 0;

	line_put(l, "[");
	for (size_t bit = 0; bit < n * 8; bit++) {
		if (!(p[bit / 8] & 1u << bit % 8))
			continue;
		if (shown++ == SHOWN_FDS) {
			line_put(l, " ...");
			break;
		}
		line_put(l, shown > 1 ? " %zu" : "%zu", bit);
	}
	line_put(l, "]");
}

static void put_iov(const struct decoder *d, const struct seg *s)
{
	line_put(d->l, "[");
	for (unsigned i = 0; i < s->nfix; i++) {
		const struct seg *t;
		uint32_t off, target;
		const uint8_t *p;
		size_t n = 0;

		if (i == SHOWN_IOVS) {
			line_put(d->l, ", ...");
			break;
		}
		seg_fixup(s, i, &off, &target);
		t = &d->segs->seg[target];
		p = content(d, t, &n);
		line_put(d->l, i ? ", {" : "{");
		if (p)
			line_bytes(d->l, p, n, false);
		else
			line_put(d->l, "%#llx", (unsigned long long)t->addr);
		line_put(d->l, ", %u}", t->len);
	}
	line_put(d->l, "]");
}

static void put_strings(struct line *l, const struct sysc_arg *a, const struct seg *s)
{
	const uint8_t *p = s->data;

	if (a->show == SHOW_NONE) {
		line_put(l, "[%u strings]", s->strings);
		return;
	}
	line_put(l, "[");
	for (uint32_t i = 0; i < s->strings; i++) {
		size_t n = strlen((const char *)p) + 1;

		line_put(l, i ? ", " : "");
		if (i == SHOWN_STRINGS) {
			line_put(l, "...");
			break;
		}
		line_bytes(l, p, n, true);
		p += n;
	}
	line_put(l, "]");
}

static void put_memory(const struct decoder *d, const struct sysc_arg *a, const struct seg *s)
{
	size_t n = 0;
	const uint8_t *p = content(d, s, &n);

	if (s->flags & SEG_STRINGS)
		put_strings(d->l, a, s);
	else if (!p || (a->kind != ARG_FDSET && a->kind < ARG_IOV_IN && a->show == SHOW_NONE) || a->kind == ARG_CAPS)
		line_put(d->l, "%#llx", (unsigned long long)s->addr);
	else if (a->kind == ARG_FDSET)
		put_fdset(d->l, p, n);
	else if (a->kind == ARG_IOV_IN || a->kind == ARG_IOV_OUT)
		put_iov(d, s);
	else if (a->kind > ARG_INOUT)
		line_put(d->l, "{%zu bytes}", n);
	else if (a->show == SHOW_INTS)
		put_ints(d->l, p, n);
	else if (a->show == SHOW_TIME && n == 16)
		line_put(d->l, "{%lld, %lld}", (long long)seg_get64(p), (long long)seg_get64(p + 8));
	else
		line_bytes(d->l, p, n, a->kind <= ARG_PATH);
}

static const struct seg *segment_of(const struct decoder *d, unsigned arg)
{
	for (unsigned i = 0; i < d->segs->n; i++) {
		if (d->segs->seg[i].arg == arg)
			return &d->segs->seg[i];
	}
	return NULL;
}

static void put_arg(const struct decoder *d, const struct sysc_case *c, const struct sysc_arg *a, unsigned i,
		    uint64_t v)
{
	const struct seg *s = segment_of(d, i);

	for (unsigned k = 0; c && k < c->nconds; k++) {
		/* The case's symbol stands for the value of its last condition. */
		if (k + 1 == c->nconds && c->cond[k].arg == i && c->cond[k].mask == UINT32_MAX && c->name[0]) {
			line_put(d->l, "%s", c->name);
			return;
		}
	}
	if (!sysc_arg_is_memory(a))
		line_value(d->l, a->show, v);
	else if (v == 0 || !s)
		line_value(d->l, SHOW_ADDR, v);
	else
		put_memory(d, a, s);
}

void sysc_decode(unsigned nr, const uint64_t args[6], const uint8_t *segments, size_t n, int64_t ret,
		 const uint8_t *answer, size_t answer_len, char *line, size_t cap)
{
	const struct sysc_row *row = sysc_row(nr);
	SEG_UNINITIALIZED struct seg_list segs;
	struct line l = {line, cap, 0};
	struct decoder d = {&l, &segs, answer, answer_len};
	const struct sysc_case *c = NULL;
	unsigned nargs = row ? row->detail->nargs : 6;

	if (cap == 0)
		return;
	line[0] = 0;
	if (seg_parse(segments, n, &segs) < 0)
		segs.n = 0;
	if (row)
		(void)sysc_decide(row, args, &c);
	line_put(&l, "%s(", sysc_name(nr));
	for (unsigned i = 0; i < nargs; i++) {
		if (i)
			line_put(&l, ", ");
		if (row)
			put_arg(&d, c, sysc_arg_of(row, c, i), i, args[i]);
		else
			line_put(&l, "%#llx", (unsigned long long)args[i]);
	}
	line_put(&l, ") = ");
	line_result(&l, ret);
}
