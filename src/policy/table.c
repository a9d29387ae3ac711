/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots found by hash, the hash, and the policy's own luck.
 * Promise: no allocation; the same seed gives the same luck. Must not: be used as cryptography.
 */
#include <string.h>
#include "internal.h"

void table_init(struct table *t, uint32_t *bucket, uint32_t n_buckets, uint32_t *next, uint32_t max)
{
	memset(bucket, 0xff, n_buckets * sizeof(*bucket)); /* NONE */
	*t = (struct table){.bucket = bucket, .next = next, .mask = n_buckets - 1, .free = NONE, .max = max};
}

uint32_t table_take(struct table *t, uint64_t hash)
{
	uint32_t slot = t->free, *head = &t->bucket[hash & t->mask];

	if (slot != NONE)
		t->free = t->next[slot];
	else if (t->high < t->max)
		slot = t->high++;
	else
		return NONE;
	t->next[slot] = *head;
	*head = slot;
	t->count++;
	return slot;
}

void table_drop(struct table *t, uint64_t hash, uint32_t slot)
{
	uint32_t *at = &t->bucket[hash & t->mask];

	while (*at != slot)
		at = &t->next[*at];
	*at = t->next[slot];
	t->next[slot] = t->free;
	t->free = slot;
	t->count--;
}

static uint64_t mix(uint64_t z)
{
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t hash_number(uint64_t seed, uint64_t n)
{
	return mix(seed ^ mix(n + 0x9e3779b97f4a7c15ULL));
}

/* Never 0, which means "no name". The seed keeps a neighbour from choosing names that fall together. */
uint64_t hash_string(uint64_t seed, const char *s)
{
	uint64_t h = seed;

	for (; *s; s++)
		h = (h ^ (uint8_t)*s) * 0x100000001b3ULL;
	h = mix(h ^ (seed >> 7));
	return h ? h : 1;
}

uint64_t draw(struct policy *p)
{
	p->rng += 0x9e3779b97f4a7c15ULL;
	return mix(p->rng);
}

uint32_t draw_below(struct policy *p, uint32_t n)
{
	return (uint32_t)(((draw(p) >> 32) * n) >> 32);
}

bool text_ok(const char *s, size_t cap)
{
	return memchr(s, 0, cap) != NULL;
}

bool name_ok(const char *s, size_t cap)
{
	return *s && text_ok(s, cap);
}
