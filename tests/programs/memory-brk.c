/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The break is moved up and down; what is new is zero, what was given back is gone.
 * Proves: brk
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char *base = sbrk(0);
	size_t sum = 0;

	must(base != (void *)-1 && sbrk(40000) == base);
	memset(base, 7, 40000);
	must(sbrk(-30000) == base + 40000 && base[9999] == 7);
	must(sbrk(60000) == base + 10000);
	for (int i = 16384; i < 70000; i++) /* beyond the page in which it ended */
		sum += (unsigned char)base[i];
	say("new pages add up to %zu, old ones keep %d", sum, base[5000]);
	must(syscall(SYS_brk, base) == (long)base && sbrk(0) == base + 70000); /* the library keeps its own account */
	must(brk(base) == 0 && sbrk(0) == base);
	say_result("below the program", brk((void *)4096));
}

int main(void)
{
	return promise_run(round_);
}
