/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: memory that is obtained, grown, moved, protected and given back is the same on every node.
 * Proves: mremap mmap mprotect munmap brk madvise
 */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

#define SLOTS 200
#define MIB (1UL << 20)

static void heap(void)
{
	static unsigned char *p[SLOTS];
	static size_t size[SLOTS];
	uint64_t s = 7, h = 0;

	for (int i = 0; i < 4000; i++) {
		size_t k = xorshift(&s) % SLOTS, n = xorshift(&s) % (i % 50 ? 3000 : 300000) + 1;

		if (p[k])
			h = hash(h, p[k], size[k] < 64 ? size[k] : 64);
		if (xorshift(&s) & 1) {
			p[k] = realloc(p[k], n);
			must(p[k]);
			if (n > size[k])
				memset(p[k] + size[k], (int)(i & 255), n - size[k]);
		} else {
			free(p[k]);
			p[k] = malloc(n);
			must(p[k]);
			memset(p[k], (int)(k & 255), n);
		}
		size[k] = n;
	}
	for (int k = 0; k < SLOTS; k++) {
		h = hash(h, p[k], p[k] ? size[k] : 0);
		free(p[k]);
		p[k] = NULL;
		size[k] = 0;
	}
	say("heap %016llx", (unsigned long long)h);
}

static void break_(void)
{
	unsigned char *at = sbrk(0), *high;
	uint64_t h = 0;

	must(sbrk(3 * (intptr_t)MIB) == at);
	memset(at, 0x5a, 3 * MIB);
	must(sbrk(-(intptr_t)MIB) == at + 3 * MIB);
	high = sbrk(0);
	must(high == at + 2 * MIB);
	h = hash(h, at, 2 * MIB);
	must(sbrk((intptr_t)MIB) == high);
	for (size_t i = 0; i < MIB; i++)
		must(high[i] == 0); /* what was given back comes back empty */
	must(brk(at) == 0);
	say("break %016llx", (unsigned long long)h);
}

static void mappings(void)
{
	unsigned char *a = mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *b;
	uint64_t h;

	must(a != MAP_FAILED);
	for (size_t i = 0; i < 4 * MIB; i += 97)
		a[i] = (unsigned char)(i * 31);
	h = hash(0, a, 4 * MIB);
	b = mremap(a, 4 * MIB, 9 * MIB, MREMAP_MAYMOVE);
	must(b != MAP_FAILED && hash(0, b, 4 * MIB) == h && b[8 * MIB] == 0);
	must(madvise(b + MIB, MIB, MADV_DONTNEED) == 0);
	for (size_t i = 0; i < MIB; i += 4096)
		must(b[MIB + i] == 0);
	must(mprotect(b + 2 * MIB, MIB, PROT_READ) == 0);
	must(munmap(b + 3 * MIB, MIB) == 0);
	h = hash(hash(0, b, 3 * MIB), b + 4 * MIB, 5 * MIB);
	must(mprotect(b + 2 * MIB, MIB, PROT_READ | PROT_WRITE) == 0);
	b[2 * MIB] = 1;
	/* A hole cannot be moved as one piece: two calls. */
	must(munmap(b, 3 * MIB) == 0 && munmap(b + 4 * MIB, 5 * MIB) == 0);
	a = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	b = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(a != MAP_FAILED && b != MAP_FAILED);
	memset(a, 7, MIB);
	must(mremap(a, MIB, MIB, MREMAP_MAYMOVE | MREMAP_FIXED, b) == b && b[MIB - 1] == 7);
	must(munmap(b, MIB) == 0);
	say("mappings %016llx", (unsigned long long)h);
}

static void round_(void)
{
	heap();
	break_();
	mappings();
}

int main(void)
{
	return promise_run(round_);
}
