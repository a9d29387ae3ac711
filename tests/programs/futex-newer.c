/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The newer futex calls wait, wake and move waiters as the older one, and one waits for several words.
 * Proves: futex_waitv futex_wake futex_wait futex_requeue
 */
#include <errno.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

/* As futex(2) has it; older headers know neither the calls nor this. */
struct waiter {
	uint64_t val, uaddr;
	uint32_t flags, reserved;
};

#define NR_futex_wake 454
#define NR_futex_wait 455
#define NR_futex_requeue 456
#define FLAGS (2 | 128) /* 32 bits, private */
#define NONE 0xffffffffUL

static uint32_t a, b, done;

static void *one(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&a, __ATOMIC_SEQ_CST) == 0)
		if (syscall(NR_futex_wait, &a, 0L, NONE, FLAGS, NULL, CLOCK_MONOTONIC) < 0)
			must(errno == EAGAIN || errno == EINTR);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void *several(void *arg)
{
	struct waiter v[2] = {{.uaddr = (uintptr_t)&a, .flags = FLAGS}, {.uaddr = (uintptr_t)&b, .flags = FLAGS}};

	(void)arg;
	while (__atomic_load_n(&a, __ATOMIC_SEQ_CST) == 0)
		if (syscall(SYS_futex_waitv, v, 2, 0, NULL, CLOCK_MONOTONIC) < 0)
			must(errno == EAGAIN || errno == EINTR);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void round_(void)
{
	struct waiter v[2] = {{.uaddr = (uintptr_t)&a, .flags = FLAGS}, {.uaddr = (uintptr_t)&b, .flags = FLAGS}};
	pthread_t t[2];

	a = b = done = 0;
	say_result("another value", syscall(NR_futex_wait, &a, 5L, NONE, FLAGS, NULL, CLOCK_MONOTONIC));
	say_result("no bits", syscall(NR_futex_wake, &a, 0L, 1, FLAGS));
	must(pthread_create(&t[0], NULL, one, NULL) == 0 && pthread_create(&t[1], NULL, several, NULL) == 0);
	burn_ms(3);
	must(syscall(NR_futex_requeue, v, 0, 0, 0) == 0);
	__atomic_store_n(&a, 1, __ATOMIC_SEQ_CST);
	must(syscall(NR_futex_wake, &a, NONE, 100, FLAGS) >= 0 && syscall(NR_futex_wake, &b, NONE, 100, FLAGS) >= 0);
	for (int i = 0; i < 2; i++)
		must(pthread_join(t[i], NULL) == 0);
	say("done %u", done);
}

int main(void)
{
	return promise_run(round_);
}
