/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: several threads may wait in forwarded calls at once; each gets its own result.
 * Proves: write pipe2 read close exit futex clone3
 */
#include <pthread.h>
#include <unistd.h>

#include "promise.h"

#define STAGES 4
#define ITEMS 60

static int pipes[STAGES + 1][2];

static void *stage(void *arg)
{
	int me = (int)(uintptr_t)arg;

	for (int i = 0; i < ITEMS; i++) {
		uint64_t v;

		must(read(pipes[me][0], &v, sizeof(v)) == sizeof(v));
		v = hash(v, &me, sizeof(me));
		must(write(pipes[me + 1][1], &v, sizeof(v)) == sizeof(v));
	}
	return NULL;
}

static void round_(void)
{
	pthread_t t[STAGES];
	uint64_t sum = 0;

	for (int i = 0; i <= STAGES; i++)
		must(pipe(pipes[i]) == 0);
	for (uintptr_t i = 0; i < STAGES; i++)
		must(pthread_create(&t[i], NULL, stage, (void *)i) == 0);
	for (uint64_t i = 0; i < ITEMS; i++) {
		uint64_t v = i;

		must(write(pipes[0][1], &v, sizeof(v)) == sizeof(v));
		if (i % 4 != 3)
			continue;
		for (int k = 0; k < 4; k++) {
			must(read(pipes[STAGES][0], &v, sizeof(v)) == sizeof(v));
			sum = hash(sum, &v, sizeof(v));
		}
	}
	for (int i = 0; i < STAGES; i++)
		must(pthread_join(t[i], NULL) == 0);
	for (int i = 0; i <= STAGES; i++)
		must(close(pipes[i][0]) == 0 && close(pipes[i][1]) == 0);
	say("%016llx", (unsigned long long)sum);
}

int main(void)
{
	return promise_run(round_);
}
