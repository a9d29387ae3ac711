/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a thread that waits with a time limit waits as long as it said, on either clock, relative or absolute.
 * Proves: futex exit clock_gettime clone3
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <time.h>

#include "promise.h"

static void in_ms(clockid_t clock, unsigned ms, struct timespec *ret)
{
	must(clock_gettime(clock, ret) == 0);
	ret->tv_nsec += ms * 1000000L;
	ret->tv_sec += ret->tv_nsec / 1000000000L;
	ret->tv_nsec %= 1000000000L;
}

static void *limited(void *arg)
{
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_condattr_t a;
	pthread_cond_t never;
	struct timespec until;
	uint64_t start = now_ns();
	sem_t none;

	must(pthread_condattr_init(&a) == 0 && pthread_condattr_setclock(&a, CLOCK_MONOTONIC) == 0);
	must(pthread_cond_init(&never, &a) == 0 && sem_init(&none, 0, 0) == 0 && pthread_mutex_lock(&lock) == 0);
	in_ms(CLOCK_MONOTONIC, 30, &until);
	must(pthread_cond_timedwait(&never, &lock, &until) == ETIMEDOUT);
	must(took_ms(start, 30, 10000));
	start = now_ns();
	in_ms(CLOCK_REALTIME, 20, &until);
	while (sem_timedwait(&none, &until) < 0 && errno == EINTR)
		;
	must(errno == ETIMEDOUT && took_ms(start, 19, 10000));
	return arg;
}

static void round_(void)
{
	pthread_t t[2];

	for (int i = 0; i < 2; i++)
		must(pthread_create(&t[i], NULL, limited, NULL) == 0);
	for (int i = 0; i < 2; i++)
		must(pthread_join(t[i], NULL) == 0);
	say("all timed out");
}

int main(void)
{
	return promise_run(round_);
}
