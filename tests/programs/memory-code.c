/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Code that was written into memory runs, is changed, and runs anew, on whatever node it was written.
 * Proves: mprotect mmap
 */
#include <string.h>
#include <sys/mman.h>

#include "promise.h"

static void round_(void)
{
	/* mov $imm32, %eax; ret */
	unsigned char code[6] = {0xb8, 0, 0, 0, 0, 0xc3}, *p;
	int (*f)(void), sum = 0;

	p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(p != MAP_FAILED);
	memcpy(&f, &p, sizeof(f));
	for (int i = 0; i < 6; i++) {
		must(mprotect(p, 4096, PROT_READ | PROT_WRITE) == 0);
		code[1] = (unsigned char)(i * 10 + 1);
		memcpy(p, code, sizeof(code));
		must(mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0);
		sum += f();
	}
	must(munmap(p, 4096) == 0);
	say("%d", sum);
}

int main(void)
{
	return promise_run(round_);
}
