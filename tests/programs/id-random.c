/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Random bytes are as many as were asked for, and never the same.
 * Proves: getrandom
 */
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	unsigned char seen[16][24], big[1000];

	for (int i = 0; i < 16; i++) {
		must(getrandom(seen[i], sizeof(seen[i]), i % 2 ? GRND_NONBLOCK : 0) == sizeof(seen[i]));
		for (int j = 0; j < i; j++)
			must(memcmp(seen[i], seen[j], sizeof(seen[i])) != 0);
	}
	say_result("many", getrandom(big, sizeof(big), 0));
	say_result("unknown flags", getrandom(big, 1, 0x100));
	say_result("a bad address", syscall(SYS_getrandom, 8L, 10L, 0));
}

int main(void)
{
	return promise_run(round_);
}
