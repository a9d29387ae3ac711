/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: the stack grows on every node as it does at home, and deep recursion returns through all its frames.
 * Proves: clock_gettime
 */
#include <alloca.h>
#include <string.h>

#include "promise.h"

static uint64_t deep(unsigned n, uint64_t h)
{
	unsigned char frame[700];
	uint64_t r;

	memset(frame, (int)(n & 255), sizeof(frame));
	h = hash(h, &n, sizeof(n));
	if (n % 512 == 0)
		burn_ms(2);
	r = n ? deep(n - 1, h) : h;
	return hash(r, frame, 16);
}

static uint64_t wide(void)
{
	/* Over its end by more than a page at once. */
	volatile unsigned char *p = alloca(3 << 20);

	p[0] = 1;
	p[1 << 20] = 2;
	p[(3 << 20) - 1] = 3;
	return (uint64_t)(p[0] + p[1 << 20] + p[(3 << 20) - 1]);
}

static void round_(void)
{
	say("deep %016llx", (unsigned long long)deep(6000, 0));
	say("wide %llu", (unsigned long long)wide());
}

int main(void)
{
	return promise_run(round_);
}
