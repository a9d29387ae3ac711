/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Waiting by bits, waking by bits, changing while waking, and moving waiters from one word to another.
 * Proves: futex
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static uint32_t a, b, done;

static void *by_bits(void *bits)
{
	while (__atomic_load_n(&a, __ATOMIC_SEQ_CST) == 0)
		(void)syscall(SYS_futex, &a, FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL, (uint32_t)(uintptr_t)bits);
	__atomic_fetch_add(&done, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void round_(void)
{
	pthread_t t[2];
	long n;

	a = b = done = 0;
	for (uintptr_t i = 0; i < 2; i++)
		must(pthread_create(&t[i], NULL, by_bits, (void *)(i + 1)) == 0);
	burn_ms(3);
	/* Bits that nobody waits for wake nobody. */
	say_result("other bits", syscall(SYS_futex, &a, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 4));
	say_result("no bits", syscall(SYS_futex, &a, FUTEX_WAKE_BITSET_PRIVATE, 100, NULL, NULL, 0));
	/* What sleeps on a is moved to b, unless a has changed. */
	say_result("changed", syscall(SYS_futex, &a, FUTEX_CMP_REQUEUE_PRIVATE, 0, 100L, &b, 9));
	n = syscall(SYS_futex, &a, FUTEX_CMP_REQUEUE_PRIVATE, 0, 100L, &b, 0);
	must(n >= 0 && n <= 2);
	__atomic_store_n(&a, 1, __ATOMIC_SEQ_CST);
	/* Sets b to 7, wakes those of a, and because b was 0 those of b as well. */
	n = syscall(SYS_futex, &a, FUTEX_WAKE_OP_PRIVATE, 100, 100L, &b, FUTEX_OP(FUTEX_OP_SET, 7, FUTEX_OP_CMP_EQ, 0));
	must(n >= 0 && b == 7);
	for (int i = 0; i < 2; i++)
		must(pthread_join(t[i], NULL) == 0);
	say("done %u", done);
}

int main(void)
{
	return promise_run(round_);
}
