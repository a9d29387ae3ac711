/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a thread that is cancelled while it waits in a call runs its clean-up and ends as cancelled.
 * Proves: pipe2 exit futex clock_gettime clone3
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <unistd.h>

#include "promise.h"

static int pipes[2], cleaned;
static sem_t waits; /* posting it is no point of cancellation */

static void clean(void *arg)
{
	cleaned += *(int *)arg;
}

static void *wait_for_ever(void *arg)
{
	char byte;

	pthread_cleanup_push(clean, arg);
	must(sem_post(&waits) == 0);
	(void)!read(pipes[0], &byte, 1);
	pthread_cleanup_pop(0);
	return NULL;
}

static void round_(void)
{
	int weight = 7;

	must(pipe(pipes) == 0 && sem_init(&waits, 0, 0) == 0);
	cleaned = 0;
	for (int i = 0; i < 3; i++) {
		pthread_t t;
		void *result;

		must(pthread_create(&t, NULL, wait_for_ever, &weight) == 0);
		while (sem_wait(&waits) < 0)
			must(errno == EINTR);
		burn_ms(2);
		must(pthread_cancel(t) == 0 && pthread_join(t, &result) == 0);
		must(result == PTHREAD_CANCELED);
	}
	must(close(pipes[0]) == 0 && close(pipes[1]) == 0);
	say("cleaned up %d", cleaned);
}

int main(void)
{
	return promise_run(round_);
}
