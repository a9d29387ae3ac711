/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A call changes the registers that it is allowed to change, and no other; the flags are kept.
 * Proves: getpid getppid
 */
#include <string.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	for (int i = 0; i < 30; i++) {
		uint64_t before[8], after[8], flags;

		for (int k = 0; k < 8; k++)
			before[k] = (uint64_t)(i + 1) * 0x0123456789abcdefULL + (uint64_t)k;
		/* getppid is made at home, getpid here. */
		__asm__ volatile(
		    "pushq %%rbp\n\tmovq 0(%1), %%rbx\n\tmovq 8(%1), %%r12\n\tmovq 16(%1), %%r13\n\t"
		    "movq 24(%1), %%r14\n\tmovq 32(%1), %%r15\n\tmovq 40(%1), %%r8\n\tmovq 48(%1), %%r9\n\t"
		    "movq 56(%1), %%r10\n\tmovl %3, %%eax\n\tstd\n\tsyscall\n\tpushfq\n\tpopq %0\n\tcld\n\t"
		    "movq %%rbx, 0(%2)\n\tmovq %%r12, 8(%2)\n\tmovq %%r13, 16(%2)\n\tmovq %%r14, 24(%2)\n\t"
		    "movq %%r15, 32(%2)\n\tmovq %%r8, 40(%2)\n\tmovq %%r9, 48(%2)\n\tmovq %%r10, 56(%2)\n\tpopq %%rbp"
		    : "=&D"(flags)
		    : "S"(before), "d"(after), "i"(110)
		    : "rax", "rbx", "rcx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "memory", "cc");
		must(memcmp(before, after, sizeof(before)) == 0 && (flags & 0x400));
		must(getpid() > 0 && getppid() > 0);
	}
	say("kept");
}

int main(void)
{
	return promise_run(round_);
}
