/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Questions about the table: rows, names, and the class that holds for given arguments.
 * Promise: the same answer at both ends of the link, since only numbers and arguments decide. Must not: look at
 * the guest's memory.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>

#include "table.h"

#define EXECVE_CHECK 0x10000 /* of execveat(2): only tells whether it could */

const struct sysc_row *sysc_row(unsigned nr)
{
	return nr < sysc_row_count && sysc_rows[nr].name ? &sysc_rows[nr] : NULL;
}

unsigned sysc_max(void)
{
	return sysc_row_count - 1;
}

const char *sysc_name(unsigned nr)
{
	static __thread char unknown[32];
	const struct sysc_row *row = sysc_row(nr);

	if (row)
		return row->name;
	(void)snprintf(unknown, sizeof(unknown), "syscall_%u", nr);
	return unknown;
}

int sysc_number(const char *name)
{
	for (unsigned nr = 0; nr < sysc_row_count; nr++) {
		if (sysc_rows[nr].name && strcmp(sysc_rows[nr].name, name) == 0)
			return (int)nr;
	}
	return -1;
}

bool sysc_made_by_host(unsigned nr)
{
	const struct sysc_row *row = sysc_row(nr);

	return row && (row->cls == SYSC_NATIVE || row->cls == SYSC_NATIVE_IF);
}

int sysc_may_block(unsigned nr)
{
	const struct sysc_row *row = sysc_row(nr);

	return row && row->detail->may_block;
}

bool sysc_begins_program(unsigned nr, const uint64_t args[6])
{
	return nr == SYS_execve || (nr == SYS_execveat && !(args[4] & EXECVE_CHECK));
}

bool sysc_touches(unsigned nr, const uint64_t args[6], const struct sysc_range *r)
{
	const struct sysc_row *row = sysc_row(nr);

	/* Whatever the kernel makes of a length that goes round. */
	return row && row->detail->range && args[0] < r->end && (args[0] > r->start || args[1] > r->start - args[0]);
}

static bool case_holds(const struct sysc_case *c, const uint64_t args[6])
{
	for (unsigned i = 0; i < c->nconds; i++) {
		const struct sysc_cond *cond = &c->cond[i];
		uint64_t v = args[cond->arg];

		if (cond->wide ? v != 0 : ((uint32_t)v & cond->mask) != cond->value)
			return false;
	}
	return true;
}

unsigned sysc_decide(const struct sysc_row *row, const uint64_t args[6], const struct sysc_case **ret_case)
{
	const struct sysc_detail *d = row->detail;

	*ret_case = NULL;
	for (unsigned i = 0; i < d->ncases; i++) {
		if (case_holds(&d->cases[i], args)) {
			*ret_case = &d->cases[i];
			return d->cases[i].cls;
		}
	}
	return d->otherwise;
}

const struct sysc_arg *sysc_arg_of(const struct sysc_row *row, const struct sysc_case *c, unsigned i)
{
	return c && c->arg[i] ? c->arg[i] : &row->detail->arg[i];
}

bool sysc_arg_is_memory(const struct sysc_arg *a)
{
	return a->kind > ARG_VALUE;
}

uint64_t sysc_arg_length(const struct sysc_arg *a, const uint64_t args[6])
{
	uint64_t n;

	if (a->len_kind == LEN_CONST)
		return a->add;
	n = args[a->len_arg];
	if (a->len_kind == LEN_ARG32)
		n = (uint32_t)n;
	if (a->kind == ARG_FDSET) {
		/* The kernel copies whole words of 64 bits. */
		return (int32_t)n < 0 ? UINT64_MAX : ((uint64_t)(uint32_t)n + 63) / 64 * 8;
	}
	if (__builtin_mul_overflow(n, a->mul, &n) || __builtin_add_overflow(n, a->add, &n))
		return UINT64_MAX;
	return n;
}

int sysc_permitted(unsigned nr, const uint64_t args[6])
{
	const struct sysc_row *row = sysc_row(nr);
	const struct sysc_case *c;
	unsigned cls;

	if (!row)
		return -EPERM;
	cls = sysc_decide(row, args, &c);
	return cls == SYSC_FORWARD || cls == SYSC_EXIT ? 0 : -EPERM;
}
