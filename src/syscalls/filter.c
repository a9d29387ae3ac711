/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guests' seccomp filter, from the table: a binary search over ranges of numbers with the same action.
 * Promise: a native number is allowed by its number alone, so that the kernel's bitmap of constant actions serves it
 * without running the filter; arguments, and where the call is made, are tested for native_if rows and those that
 * change mappings only. Must not: allow a number without a row.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <string.h>

#include "../base/cleanup.h"
#include "table.h"

#define RANGES_MAX 128
#define CODE_MAX 1024
#define NEAR_RANGES 16 /* a condition cannot jump over the code of many more */

struct range {
	unsigned start; /* up to the next range's start */
	const struct sysc_row *row; /* tests of this row; NULL: one action for all */
	uint32_t action;
};

struct program {
	struct range range[RANGES_MAX];
	unsigned nranges;
	struct sock_filter code[CODE_MAX];
	unsigned n;
	uint64_t own_ip, own_word;
	struct sysc_range kept;
};

static bool is_tested(const struct sysc_row *row, const struct program *p)
{
	return row->cls == SYSC_NATIVE_IF || row->nr == SYS_clone || (row->detail->range && p->kept.end);
}

static int emit(struct program *p, uint16_t code, uint32_t k, uint8_t jt, uint8_t jf)
{
	if (p->n == CODE_MAX)
		return -E2BIG;
	p->code[p->n++] = (struct sock_filter){code, jt, jf, k};
	return 0;
}

static int add_range(struct program *p, unsigned start, const struct sysc_row *row, uint32_t action)
{
	const struct range *last = p->nranges ? &p->range[p->nranges - 1] : NULL;

	if (last && !last->row && !row && last->action == action)
		return 0;
	if (p->nranges == RANGES_MAX)
		return -E2BIG;
	p->range[p->nranges++] = (struct range){start, row, action};
	return 0;
}

/* Ranges over all numbers, ascending; what is above the table (the x32 numbers too) is asked. No kernel has negative
 * ones, and who comes home for number -1 would not be let make it again there: the kernel takes that for no call at
 * all, and shows the process its restart code, arch/x86/kernel/signal.c. */
static int make_ranges(struct program *p)
{
	int r = 0;

	for (unsigned nr = 0; nr <= sysc_max() && r == 0; nr++) {
		const struct sysc_row *row = sysc_row(nr);

		if (row && is_tested(row, p))
			r = add_range(p, nr, row, 0);
		else if (row && row->cls == SYSC_NATIVE)
			r = add_range(p, nr, NULL, SECCOMP_RET_ALLOW);
		else
			r = add_range(p, nr, NULL, SECCOMP_RET_USER_NOTIF);
	}
	if (r == 0)
		r = add_range(p, sysc_max() + 1, NULL, SECCOMP_RET_USER_NOTIF);
	return r < 0 ? r : add_range(p, 1U << 31, NULL, SECCOMP_RET_ERRNO | ENOSYS);
}

/* Goes on when the 64-bit word at this place of struct seccomp_data is the value, else `skip` instructions further. */
static int emit_equals(struct program *p, size_t at, uint64_t value, uint8_t skip)
{
	int r = emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)at, 0, 0);

	if (r == 0)
		r = emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)value, 0, (uint8_t)(skip + 2));
	if (r == 0)
		r = emit(p, BPF_LD | BPF_W | BPF_ABS, (uint32_t)at + 4, 0, 0);
	return r < 0 ? r : emit(p, BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value >> 32), 0, skip);
}

/* What the agent has a guest do is the agent's business: it makes calls at an instruction that nobody else uses. A
 * process that the agent does not know of must not come to be: clone() has to bring a word that no guest can read. */
static int emit_own(struct program *p, bool with_word)
{
	int r;

	if (!p->own_ip)
		return 0;
	r = emit_equals(p, offsetof(struct seccomp_data, instruction_pointer), p->own_ip, with_word ? 5 : 1);
	if (r == 0 && with_word)
		r = emit_equals(p, offsetof(struct seccomp_data, args[5]), p->own_word, 1);
	return r < 0 ? r : emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
}

#define ADDR (uint32_t) offsetof(struct seccomp_data, args[0])
#define LENGTH (uint32_t) offsetof(struct seccomp_data, args[1])
#define LOW 0 /* of the two halves of an argument */
#define HIGH 4
#define LOAD(at)                                     \
	(struct sock_filter)                         \
	{                                            \
		BPF_LD | BPF_W | BPF_ABS, 0, 0, (at) \
	}
#define JUMP(op, k, yes, no)                     \
	(struct sock_filter)                     \
	{                                        \
		BPF_JMP | (op), (yes), (no), (k) \
	}
/* Stand for jumps to what comes behind a test: the call leaves the range alone, or it may be that it does not. */
#define APART 254
#define NEAR 255

/* Does the call change mappings of what is kept? The halves of addresses are looked at one at a time; calls of more
 * than 4 GiB, and those across such a border, are left to the agent unless they are far away. */
static int emit_range(struct program *p)
{
	const uint64_t last = p->kept.end - 1;
	const uint32_t start = (uint32_t)p->kept.start, high = (uint32_t)(p->kept.start >> 32);
	const struct sock_filter code[] = {
	    LOAD(ADDR + HIGH),
	    JUMP(BPF_JGE | BPF_K, high ? high - 1 : 0, 2, 0),
	    LOAD(LENGTH + HIGH), /* it begins far below */
	    JUMP(BPF_JEQ | BPF_K, 0, APART, NEAR),
	    JUMP(BPF_JGT | BPF_K, (uint32_t)(last >> 32), APART, 0),
	    JUMP(BPF_JEQ | BPF_K, (uint32_t)(last >> 32), 0, 2),
	    LOAD(ADDR + LOW),
	    JUMP(BPF_JGT | BPF_K, (uint32_t)last, APART, 0),
	    LOAD(LENGTH + HIGH), /* it does not begin above */
	    JUMP(BPF_JEQ | BPF_K, 0, 0, NEAR),
	    LOAD(ADDR + HIGH),
	    JUMP(BPF_JEQ | BPF_K, high, 5, 0),
	    JUMP(BPF_JGT | BPF_K, high, NEAR, 0),
	    LOAD(ADDR + LOW), /* it begins in the 4 GiB below: does it end there? */
	    {BPF_ALU | BPF_XOR | BPF_K, 0, 0, UINT32_MAX},
	    {BPF_MISC | BPF_TAX, 0, 0, 0},
	    JUMP(BPF_JA, 6, 0, 0),
	    LOAD(ADDR + LOW), /* in the same: does it end before the start? */
	    JUMP(BPF_JGT | BPF_K, start, NEAR, 0),
	    {BPF_MISC | BPF_TAX, 0, 0, 0},
	    {BPF_LD | BPF_IMM, 0, 0, start},
	    {BPF_ALU | BPF_SUB | BPF_X, 0, 0, 0},
	    {BPF_MISC | BPF_TAX, 0, 0, 0},
	    LOAD(LENGTH + LOW),
	    JUMP(BPF_JGT | BPF_X, 0, NEAR, APART),
	};
	unsigned begin = p->n, own, apart;
	int r = 0;

	for (size_t i = 0; i < ARRAY_SIZE(code) && r == 0; i++)
		r = emit(p, code[i].code, code[i].k, code[i].jt, code[i].jf);
	own = p->n;
	if (r == 0)
		r = emit_own(p, false);
	if (r == 0)
		r = emit(p, BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
	apart = p->n;
	for (unsigned i = begin; i < own && r == 0; i++) {
		struct sock_filter *c = &p->code[i];

		if (BPF_CLASS(c->code) != BPF_JMP || BPF_OP(c->code) == BPF_JA)
			continue;
		c->jt = (uint8_t)(c->jt == APART ? apart - i - 1 : c->jt == NEAR ? own - i - 1 : c->jt);
		c->jf = (uint8_t)(c->jf == APART ? apart - i - 1 : c->jf == NEAR ? own - i - 1 : c->jf);
	}
	return r;
}

/* The tests of a native_if row, in the order of its cases: the first that holds decides. */
static int emit_row(struct program *p, const struct sysc_row *row)
{
	const struct sysc_detail *d = row->detail;
	int r = d->range && p->kept.end ? emit_range(p) : 0;

	if (r == 0 && row->cls == SYSC_NATIVE)
		return emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	for (unsigned i = 0; d && i < d->ncases && r == 0; i++) {
		const struct sysc_case *c = &d->cases[i];
		/* The low half of a 64-bit argument of struct seccomp_data. */
		uint32_t off = (uint32_t)(offsetof(struct seccomp_data, args) + 8u * c->cond[0].arg);

		if (c->cls != SYSC_NATIVE)
			break; /* the rest is for the agent to tell apart */
		r = emit(p, BPF_LD | BPF_W | BPF_ABS, off, 0, 0);
		if (r == 0 && c->cond[0].mask != UINT32_MAX)
			r = emit(p, BPF_ALU | BPF_AND | BPF_K, c->cond[0].mask, 0, 0);
		if (r == 0)
			r = emit(p, BPF_JMP | BPF_JEQ | BPF_K, c->cond[0].value, 0, 1);
		if (r == 0)
			r = emit(p, BPF_RET | BPF_K, SECCOMP_RET_ALLOW, 0, 0);
	}
	if (r == 0)
		r = emit_own(p, row->nr == SYS_clone);
	return r < 0 ? r : emit(p, BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF, 0, 0);
}

/* The decision among ranges [lo, hi). The depth is the logarithm of their number. */
static int emit_tree(struct program *p, unsigned lo, unsigned hi)
{
	unsigned mid = lo + (hi - lo) / 2, at;
	bool far = hi - lo > NEAR_RANGES;
	int r;

	if (hi - lo == 1) {
		const struct range *g = &p->range[lo];

		return g->row ? emit_row(p, g->row) : emit(p, BPF_RET | BPF_K, g->action, 0, 0);
	}
	at = p->n;
	r = emit(p, BPF_JMP | BPF_JGE | BPF_K, p->range[mid].start, 0, far);
	if (r == 0 && far)
		r = emit(p, BPF_JMP | BPF_JA, 0, 0, 0);
	if (r == 0)
		r = emit_tree(p, lo, mid);
	if (r < 0)
		return r;
	if (far)
		p->code[at + 1].k = p->n - at - 2;
	else if (p->n - at - 1 > UINT8_MAX)
		return -E2BIG;
	else
		p->code[at].jt = (uint8_t)(p->n - at - 1);
	return emit_tree(p, mid, hi);
}

static int make_program(struct program *p)
{
	int r = make_ranges(p);

	if (r == 0)
		r = emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch), 0, 0);
	if (r == 0)
		r = emit(p, BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
	if (r == 0)
		r = emit(p, BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS, 0, 0);
	if (r == 0)
		r = emit(p, BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr), 0, 0);
	return r < 0 ? r : emit_tree(p, 0, p->nranges);
}

int sysc_filter(uint64_t own_ip, uint64_t own_word, const struct sysc_range *kept, struct sock_filter **ret,
		unsigned *ret_count)
{
	struct program p = {.own_ip = own_ip, .own_word = own_word, .kept = *kept};
	struct sock_filter *code;
	int r = make_program(&p);

	if (r < 0)
		return r;
	code = malloc(p.n * sizeof(*code));
	if (!code)
		return -ENOMEM;
	memcpy(code, p.code, p.n * sizeof(*code));
	*ret = code;
	*ret_count = p.n;
	return 0;
}
