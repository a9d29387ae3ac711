/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: the x87 stack, its 80 bits and its control word survive a move.
 * Proves: no-call
 */
#include "promise.h"

static void round_(void)
{
	unsigned short old, cw, seen;
	long double a = 1.0L, b = 0.0L;
	uint64_t turns = 15000000;

	__asm__ volatile("fnstcw %0" : "=m"(old));
	cw = (unsigned short)((old & ~0x0c00) | 0x0800); /* round up */
	__asm__ volatile("fldcw %0" : : "m"(cw));
	/* Six values stay on the stack for the whole loop. */
	__asm__ volatile("fldpi\n\tfldl2e\n\tfldln2\n\tfld1\n\tfldz\n\tfldl2t\n\t"
			 "1:\n\t"
			 "fadd %%st(2), %%st\n\t"
			 "fmul %%st(4), %%st\n\t"
			 "fdiv %%st(5), %%st\n\t"
			 "dec %2\n\t"
			 "jnz 1b\n\t"
			 "fstpt %0\n\t"
			 "fstp %%st\n\tfstp %%st\n\tfstp %%st\n\tfstp %%st\n\t"
			 "fstpt %1"
			 : "=m"(a), "=m"(b), "+r"(turns)
			 :
			 : "cc", "st", "st(1)", "st(2)", "st(3)", "st(4)", "st(5)", "st(6)", "st(7)");
	__asm__ volatile("fnstcw %0" : "=m"(seen));
	__asm__ volatile("fldcw %0" : : "m"(old));
	say("x87 %.21Lg %.21Lg control %#x", a, b, seen & 0x0f00);
}

int main(void)
{
	return promise_run(round_);
}
