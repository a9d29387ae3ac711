/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: small calls, one after the other between computations, are each made once, in order, wherever they come
 * from.
 * Proves: write pipe2 read close
 */
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	uint64_t s = 77, sum = 0, v;
	int p[2];

	must(pipe(p) == 0);
	for (int i = 0; i < 200; i++) {
		for (int k = 0; k < 3000; k++)
			xorshift(&s);
		must(write(p[1], &s, sizeof(s)) == sizeof(s));
		must(read(p[0], &v, sizeof(v)) == sizeof(v) && v == s);
		sum = hash(sum, &v, sizeof(v));
	}
	must(close(p[0]) == 0 && close(p[1]) == 0);
	say("steady %016llx", (unsigned long long)sum);
}

int main(void)
{
	return promise_run(round_);
}
