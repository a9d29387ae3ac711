/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a robust mutex whose owner ends tells the next one so; one that inherits priority excludes as any other.
 * Proves: exit futex clock_gettime clone3
 */
#include <errno.h>
#include <pthread.h>

#include "promise.h"

static pthread_mutex_t robust, inherit;
static int counter;

static void *leave_locked(void *arg)
{
	must(pthread_mutex_lock(&robust) == 0);
	burn_ms(3);
	return arg;
}

static void *count(void *arg)
{
	for (int i = 0; i < 500; i++) {
		must(pthread_mutex_lock(&inherit) == 0);
		counter++;
		must(pthread_mutex_unlock(&inherit) == 0);
	}
	return arg;
}

static void round_(void)
{
	pthread_mutexattr_t a;
	pthread_t t, u;
	int r;

	must(pthread_mutexattr_init(&a) == 0 && pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST) == 0);
	must(pthread_mutex_init(&robust, &a) == 0);
	must(pthread_create(&t, NULL, leave_locked, NULL) == 0);
	must(pthread_join(t, NULL) == 0);
	r = pthread_mutex_lock(&robust);
	say("the owner is dead: %s", r == EOWNERDEAD ? "yes" : "no");
	must(r == EOWNERDEAD && pthread_mutex_consistent(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);
	must(pthread_mutex_lock(&robust) == 0 && pthread_mutex_unlock(&robust) == 0);
	must(pthread_mutex_destroy(&robust) == 0 && pthread_mutexattr_destroy(&a) == 0);

	must(pthread_mutexattr_init(&a) == 0 && pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0);
	must(pthread_mutex_init(&inherit, &a) == 0);
	counter = 0;
	must(pthread_create(&t, NULL, count, NULL) == 0 && pthread_create(&u, NULL, count, NULL) == 0);
	must(pthread_join(t, NULL) == 0 && pthread_join(u, NULL) == 0);
	must(pthread_mutex_destroy(&inherit) == 0 && pthread_mutexattr_destroy(&a) == 0);
	say("counted to %d", counter);
}

int main(void)
{
	return promise_run(round_);
}
