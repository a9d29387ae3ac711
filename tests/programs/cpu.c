/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: integers and doubles that are being computed when the process moves come out the same.
 * Proves: no-call
 */
#include "promise.h"

static void round_(void)
{
	uint64_t s = 88172645463325252ULL, sum = 0;
	double a = 0.5, b = 1.0;

	for (int i = 0; i < 4000000; i++) {
		sum += xorshift(&s) * (uint64_t)(i | 1);
		a = a * 3.9 * (1 - a);
		b += a / (i + 1);
	}
	say("xorshift %016llx %016llx", (unsigned long long)s, (unsigned long long)sum);
	say("doubles %.17g %.17g", a, b);
}

int main(void)
{
	return promise_run(round_);
}
