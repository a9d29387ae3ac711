/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A mapping of 64 GiB in which a few pages are used keeps just these.
 * Proves: mmap mincore
 */
#include <string.h>
#include <sys/mman.h>

#include "promise.h"

static void round_(void)
{
	const size_t size = 64UL << 30, step = 5000000123UL;
	unsigned char resident = 0;
	char *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	must(p != MAP_FAILED && madvise(p, size, MADV_NOHUGEPAGE) == 0);
	for (size_t at = 77; at < size; at += step)
		memcpy(p + at, "found", 5);
	burn_ms(3);
	for (size_t at = 77; at < size; at += step) {
		must(memcmp(p + at, "found", 5) == 0 && p[at + 5] == 0);
		must(mincore((void *)((uintptr_t)(p + at) & ~4095UL), 4096, &resident) == 0 && (resident & 1));
	}
	must(mincore(p + (1UL << 30), 4096, &resident) == 0);
	say("found all, elsewhere %d", resident & 1);
	must(munmap(p, size) == 0);
}

int main(void)
{
	return promise_run(round_);
}
