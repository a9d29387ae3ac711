/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What malloc gives is kept through growing, moving and giving back of many pieces of all sizes.
 * Proves: brk mmap munmap mremap
 */
#include <string.h>

#include "promise.h"

static void round_(void)
{
	static struct {
		unsigned char *p;
		size_t n;
		unsigned char c;
	} slot[60];
	uint64_t s = 17, h = 0;

	for (int i = 0; i < 1500; i++) {
		size_t k = xorshift(&s) % 60, n = xorshift(&s) % (i % 50 ? 3000 : 400000) + 1;

		for (size_t j = 0; j < slot[k].n; j += 500)
			must(slot[k].p[j] == slot[k].c);
		if (i % 7 == 0) {
			free(slot[k].p);
			slot[k].p = NULL;
			slot[k].n = 0;
			continue;
		}
		slot[k].p = realloc(slot[k].p, n);
		must(slot[k].p);
		slot[k].n = n;
		slot[k].c = (unsigned char)i;
		memset(slot[k].p, i, n);
		h = hash(h, &n, sizeof(n));
	}
	for (int k = 0; k < 60; k++) {
		free(slot[k].p);
		slot[k].p = NULL;
		slot[k].n = 0;
	}
	say("%016llx", (unsigned long long)h);
}

int main(void)
{
	return promise_run(round_);
}
