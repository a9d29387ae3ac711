/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Anonymous memory is zero, is kept page for page, and is given back in parts.
 * Proves: mmap munmap
 */
#include <sys/mman.h>

#include "promise.h"

#define PAGE 4096

static void round_(void)
{
	unsigned char *p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				-1, 0);
	unsigned char *q;
	uint64_t h = 0;

	must(p != MAP_FAILED);
	for (int i = 0; i < 64; i++)
		must(p[i * PAGE] == 0 && p[i * PAGE + PAGE - 1] == 0);
	for (int i = 0; i < 64; i += 3)
		p[i * PAGE + i] = (unsigned char)(i + 1);
	must(munmap(p + 10 * PAGE, 5 * PAGE) == 0);
	q = mmap(p + 10 * PAGE, 5 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	must(q == p + 10 * PAGE && q[2 * PAGE + 12] == 0);
	h = hash(0, p, 64 * PAGE);
	say("%016llx", (unsigned long long)h);
	say_result("no length", mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED ? -1 : 0);
	say_result("not aligned", munmap(p + 1, PAGE));
	must(munmap(p, 64 * PAGE) == 0);
	say_result("again", munmap(p, 64 * PAGE)); /* nothing there is no error */
}

int main(void)
{
	return promise_run(round_);
}
