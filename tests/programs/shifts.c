/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a process whose mappings and pages change all the time, so that no two looks at it see the same, keeps
 * what is in them: what was seen before the freeze is never taken for what is there.
 * Proves: mmap mprotect munmap madvise
 */
#include <string.h>
#include <sys/mman.h>

#include "promise.h"

#define SLOTS 24
#define PAGE 4096UL
#define PAGES_MAX 40

struct slot {
	uint64_t *p;
	size_t pages;
	uint64_t seed[PAGES_MAX]; /* of each page's content; 0: it is empty */
	int prot;
};

static void check_page(const struct slot *s, size_t k)
{
	uint64_t x = s->seed[k];

	for (size_t i = 0; i < PAGE / 8; i++)
		must(s->p[k * PAGE / 8 + i] == (x ? xorshift(&x) : 0));
}

static void fill_page(struct slot *s, size_t k, uint64_t seed)
{
	s->seed[k] = seed;
	for (size_t i = 0; i < PAGE / 8; i++)
		s->p[k * PAGE / 8 + i] = xorshift(&seed);
}

static void change(struct slot *s, uint64_t luck)
{
	size_t k = luck / 16 % (s->pages ? s->pages : 1);

	if (!s->p) {
		s->pages = luck / 16 % PAGES_MAX + 1;
		s->p = mmap(NULL, s->pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(s->p != MAP_FAILED);
		s->prot = PROT_READ | PROT_WRITE;
		memset(s->seed, 0, sizeof(s->seed));
	} else if (luck % 16 == 0) {
		must(munmap(s->p, s->pages * PAGE) == 0);
		s->p = NULL;
	} else if (luck % 16 < 3) {
		s->prot ^= PROT_WRITE;
		must(mprotect(s->p, s->pages * PAGE, s->prot) == 0);
	} else if (luck % 16 < 5) {
		must(madvise(s->p + k * PAGE / 8, (s->pages - k) * PAGE, MADV_DONTNEED) == 0);
		memset(s->seed + k, 0, (s->pages - k) * sizeof(s->seed[0]));
	} else {
		check_page(s, k);
		if (s->prot & PROT_WRITE)
			fill_page(s, k, luck | 1);
	}
}

static void round_(void)
{
	static struct slot slots[SLOTS];
	uint64_t luck = 4711, h = 0;

	for (int i = 0; i < 6000; i++) {
		xorshift(&luck);
		change(&slots[luck / 1024 % SLOTS], luck / 65536);
	}
	for (size_t i = 0; i < SLOTS; i++) {
		for (size_t k = 0; slots[i].p && k < slots[i].pages; k++)
			check_page(&slots[i], k);
		h = hash(h, slots[i].seed, sizeof(slots[i].seed));
		if (slots[i].p)
			must(munmap(slots[i].p, slots[i].pages * PAGE) == 0);
		memset(&slots[i], 0, sizeof(slots[i]));
	}
	say("shifts %016llx", (unsigned long long)h);
}

int main(void)
{
	return promise_run(round_);
}
