/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: barriers, read-write locks and semaphores hold between threads wherever they run.
 * Proves: exit futex clone3
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>

#include "promise.h"

#define THREADS 3
#define STEPS 40

static pthread_barrier_t gate;
static pthread_rwlock_t table_lock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t full, empty;
static int table[THREADS], serial;
static long moved;

static void *stepper(void *arg)
{
	int me = (int)(uintptr_t)arg;

	for (int i = 0; i < STEPS; i++) {
		int r = pthread_barrier_wait(&gate);

		must(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
		must(pthread_rwlock_wrlock(&table_lock) == 0);
		serial += r == PTHREAD_BARRIER_SERIAL_THREAD;
		table[me]++;
		must(pthread_rwlock_unlock(&table_lock) == 0);
		must(pthread_rwlock_rdlock(&table_lock) == 0);
		for (int k = 0; k < THREADS; k++)
			must(table[k] - table[me] <= 1 && table[me] - table[k] <= 1);
		must(pthread_rwlock_unlock(&table_lock) == 0);
	}
	return NULL;
}

static void *giver(void *arg)
{
	for (long i = 1; i <= STEPS; i++) {
		while (sem_wait(&empty) < 0)
			must(errno == EINTR);
		*(long *)arg = i;
		must(sem_post(&full) == 0);
	}
	return NULL;
}

static void round_(void)
{
	pthread_t t[THREADS], g;
	long slot = 0;

	serial = 0;
	moved = 0;
	for (int i = 0; i < THREADS; i++)
		table[i] = 0;
	must(pthread_barrier_init(&gate, NULL, THREADS) == 0);
	must(sem_init(&full, 0, 0) == 0 && sem_init(&empty, 0, 1) == 0);
	for (uintptr_t i = 0; i < THREADS; i++)
		must(pthread_create(&t[i], NULL, stepper, (void *)i) == 0);
	must(pthread_create(&g, NULL, giver, &slot) == 0);
	for (int i = 0; i < STEPS; i++) {
		while (sem_wait(&full) < 0)
			must(errno == EINTR);
		moved += slot;
		must(sem_post(&empty) == 0);
	}
	for (int i = 0; i < THREADS; i++)
		must(pthread_join(t[i], NULL) == 0);
	must(pthread_join(g, NULL) == 0);
	must(pthread_barrier_destroy(&gate) == 0);
	say("%d serial, %d %d %d steps, %ld moved", serial, table[0], table[1], table[2], moved);
}

int main(void)
{
	return promise_run(round_);
}
