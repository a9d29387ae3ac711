/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A futex puts to sleep whose value is as expected, wakes as many as asked, and ends in time.
 * Proves: futex clone3
 */
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static uint32_t word, gate;

static long futex(uint32_t *at, int op, uint32_t value, const struct timespec *ts)
{
	return syscall(SYS_futex, at, op | FUTEX_PRIVATE_FLAG, value, ts, NULL, 0xffffffff);
}

static void *sleeper(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&word, __ATOMIC_SEQ_CST) == 0)
		(void)futex(&word, FUTEX_WAIT, 0, NULL);
	__atomic_fetch_add(&gate, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void round_(void)
{
	const struct timespec moment = {.tv_nsec = 8000000};
	pthread_t t[3];
	uint64_t start = now_ns();

	word = gate = 0;
	say_result("another value", futex(&word, FUTEX_WAIT, 5, NULL));
	say_result("in time", futex(&word, FUTEX_WAIT, 0, &moment));
	must(took_ms(start, 8, 60000));
	say_result("nobody", futex(&word, FUTEX_WAKE, 1, NULL));
	for (int i = 0; i < 3; i++)
		must(pthread_create(&t[i], NULL, sleeper, NULL) == 0);
	burn_ms(3);
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	must(futex(&word, FUTEX_WAKE, 100, NULL) >= 0);
	for (int i = 0; i < 3; i++)
		must(pthread_join(t[i], NULL) == 0);
	say("woken %u", gate);
	say_result("no operation", futex(&word, 77, 0, NULL));
}

int main(void)
{
	return promise_run(round_);
}
