/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a wait until a point in time of CLOCK_MONOTONIC does not end before it, and one that is woken ends at
 * once, whatever the thread waits for.
 * Proves: futex
 */
#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define TIMES 5
#define LATE 10000 /* ms: a busy machine, and moves */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER, inherits;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static sem_t sem;
static bool woken;

static struct timespec in_ms(unsigned ms)
{
	struct timespec ts;
	uint64_t at = now_ns() + ms * 1000000ULL;

	ts.tv_sec = (time_t)(at / 1000000000);
	ts.tv_nsec = (long)(at % 1000000000);
	return ts;
}

/* The clock is not behind the point, and not too far beyond it. */
static bool reached(const struct timespec *at)
{
	uint64_t ns = (uint64_t)at->tv_sec * 1000000000 + (uint64_t)at->tv_nsec, now = now_ns();

	return now >= ns && now - ns < LATE * 1000000ULL;
}

static int wait_vector(const uint32_t *word, uint32_t value, const struct timespec *until)
{
	struct futex_waitv v = {
	    .val = value, .uaddr = (uintptr_t)word, .flags = FUTEX_32 | FUTEX_PRIVATE_FLAG, .__reserved = 0};

	return (int)syscall(SYS_futex_waitv, &v, 1, 0, until, CLOCK_MONOTONIC);
}

static void *times_out(void *arg)
{
	static const uint32_t word = 7;
	struct timespec until;
	int r;

	for (int i = 0; i < TIMES; i++) {
		until = in_ms(3);
		must(pthread_mutex_lock(&lock) == 0);
		do
			r = pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &until);
		while (r == 0);
		must(pthread_mutex_unlock(&lock) == 0);
		must(r == ETIMEDOUT && reached(&until));
		until = in_ms(2);
		while ((r = sem_clockwait(&sem, CLOCK_MONOTONIC, &until)) < 0 && errno == EINTR)
			;
		must(r < 0 && errno == ETIMEDOUT && reached(&until));
		until = in_ms(2);
		must(pthread_mutex_clocklock(&inherits, CLOCK_MONOTONIC, &until) == ETIMEDOUT && reached(&until));
		until = in_ms(2);
		while ((r = wait_vector(&word, word, &until)) < 0 && errno == EINTR)
			;
		must(r < 0 && (errno == ENOSYS || (errno == ETIMEDOUT && reached(&until))));
		/* One that has passed. */
		until = in_ms(0);
		must(pthread_mutex_clocklock(&inherits, CLOCK_MONOTONIC, &until) == ETIMEDOUT && reached(&until));
	}
	return arg;
}

static void *is_woken(void *arg)
{
	struct timespec until = in_ms(100000);

	must(pthread_mutex_lock(&lock) == 0);
	while (!woken)
		must(pthread_cond_clockwait(&cond, &lock, CLOCK_MONOTONIC, &until) == 0);
	must(pthread_mutex_unlock(&lock) == 0);
	return arg;
}

static void round_(void)
{
	pthread_t t[3], w;

	woken = false;
	must(pthread_mutex_lock(&inherits) == 0);
	must(pthread_create(&w, NULL, is_woken, NULL) == 0);
	for (int i = 0; i < 3; i++)
		must(pthread_create(&t[i], NULL, times_out, NULL) == 0);
	for (int i = 0; i < 3; i++)
		must(pthread_join(t[i], NULL) == 0);
	must(pthread_mutex_lock(&lock) == 0);
	woken = true;
	must(pthread_cond_broadcast(&cond) == 0 && pthread_mutex_unlock(&lock) == 0);
	must(pthread_join(w, NULL) == 0 && pthread_mutex_unlock(&inherits) == 0);
	say("none was early");
}

int main(void)
{
	pthread_mutexattr_t a;

	must(pthread_mutexattr_init(&a) == 0 && pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT) == 0);
	must(pthread_mutex_init(&inherits, &a) == 0 && sem_init(&sem, 0, 0) == 0);
	return promise_run(round_);
}
