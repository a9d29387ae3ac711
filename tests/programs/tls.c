/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: thread-local variables, errno and the stack's canary stay with the thread that moves.
 * Proves: openat close clock_gettime
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "promise.h"

static __thread uint64_t counter = 12345;
static __thread char big[20000];
static __thread int *volatile self;

static __attribute__((noinline)) void guarded(char c)
{
	/* An array: the compiler puts the canary, read from the thread's memory, behind it. */
	char text[64];

	memset(text, c, sizeof(text));
	burn_ms(1);
	counter += (uint64_t)text[c & 63];
}

static void round_(void)
{
	counter = 12345;
	self = (int *)(void *)&counter;
	memset(big, 1, sizeof(big));
	for (int i = 0; i < 40; i++) {
		errno = 0;
		must(open("/nonexistent/file", O_RDONLY) == -1 && errno == ENOENT);
		must(close(-1) == -1 && errno == EBADF);
		guarded((char)('a' + i % 26));
		big[i * 100] = (char)i;
		must(self == (int *)(void *)&counter);
	}
	say("thread-local %llu %016llx", (unsigned long long)counter, (unsigned long long)hash(0, big, sizeof(big)));
}

int main(void)
{
	return promise_run(round_);
}
