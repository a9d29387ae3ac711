/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: threads begin, compute with storage of their own, and end with their results, also while the process
 * moves.
 * Proves: exit futex clone3
 */
#include <pthread.h>

#include "promise.h"

#define THREADS 6

static __thread uint64_t mine;

static void *work(void *arg)
{
	uint64_t seed = (uint64_t)(uintptr_t)arg + 1;

	mine = 0;
	for (int i = 0; i < 400000; i++)
		mine = mine * 31 + xorshift(&seed);
	return (void *)(uintptr_t)mine;
}

static void round_(void)
{
	pthread_t t[THREADS];

	for (int turn = 0; turn < 3; turn++) {
		uint64_t sum = 0;

		for (uintptr_t i = 0; i < THREADS; i++)
			must(pthread_create(&t[i], NULL, work, (void *)(i + (uintptr_t)turn * THREADS)) == 0);
		for (int i = 0; i < THREADS; i++) {
			void *result;

			must(pthread_join(t[i], &result) == 0);
			sum = hash(sum, &result, sizeof(result));
		}
		say("turn %d %016llx", turn, (unsigned long long)sum);
	}
}

int main(void)
{
	return promise_run(round_);
}
