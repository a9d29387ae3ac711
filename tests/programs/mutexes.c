/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: threads that take turns by mutex and condition variable do so in order, and lose no wake-up.
 * Proves: exit futex clone3
 */
#include <pthread.h>

#include "promise.h"

#define THREADS 4
#define TURNS 150

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static unsigned turn;
static char order[THREADS * TURNS + 1];

static void *player(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;

	for (unsigned i = 0; i < TURNS; i++) {
		must(pthread_mutex_lock(&lock) == 0);
		while (turn % THREADS != me)
			must(pthread_cond_wait(&changed, &lock) == 0);
		order[turn++] = (char)('a' + me);
		must(pthread_cond_broadcast(&changed) == 0);
		must(pthread_mutex_unlock(&lock) == 0);
	}
	return NULL;
}

static void round_(void)
{
	pthread_t t[THREADS];

	turn = 0;
	for (uintptr_t i = 0; i < THREADS; i++)
		must(pthread_create(&t[i], NULL, player, (void *)i) == 0);
	for (int i = 0; i < THREADS; i++)
		must(pthread_join(t[i], NULL) == 0);
	say("%u turns %016llx", turn, (unsigned long long)hash(0, order, turn));
}

int main(void)
{
	return promise_run(round_);
}
