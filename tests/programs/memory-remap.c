/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: mremap grows, shrinks and moves memory with all that is in it.
 * Proves: mremap mmap
 */
#include <sys/mman.h>

#include "promise.h"

static void round_(void)
{
	size_t n = 8 * 4096;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q, *place;

	must(p != MAP_FAILED);
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(i * 13 >> 4);
	say("%016llx", (unsigned long long)hash(0, p, n));
	q = mremap(p, n, 64 * 4096, MREMAP_MAYMOVE);
	must(q != MAP_FAILED && q[n] == 0 && q[64 * 4096 - 1] == 0);
	say("%016llx", (unsigned long long)hash(0, q, n));
	must(mremap(q, 64 * 4096, 3 * 4096, 0) == q);
	place = mmap(NULL, n, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	p = mremap(q, 3 * 4096, n, MREMAP_MAYMOVE | MREMAP_FIXED, place);
	must(p == place);
	say("%016llx", (unsigned long long)hash(0, p, n));
	say_result("where it was", mremap(q, 4096, 8192, MREMAP_MAYMOVE) == MAP_FAILED ? -1 : 0);
	say_result("no room in place", mremap(p, n, 1UL << 50, 0) == MAP_FAILED ? -1 : 0);
	must(munmap(p, n) == 0);
}

int main(void)
{
	return promise_run(round_);
}
