/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A thread that ends by itself leaves the others, and its memory word is cleared and waited for.
 * Proves: clone3 exit futex exit_group
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void *counts(void *arg)
{
	volatile long n = 0;

	for (int i = 0; i < 1000; i++)
		n += i;
	if (arg)
		pthread_exit((void *)n);
	return (void *)(n + 1);
}

static void round_(void)
{
	void *result;
	pthread_t t;
	long sum = 0;
	int status;

	for (intptr_t i = 0; i < 6; i++) {
		must(pthread_create(&t, NULL, counts, (void *)(i % 2)) == 0 && pthread_join(t, &result) == 0);
		sum += (long)result;
	}
	say("sum %ld", sum);
	if (promise_fork() == 0) {
		must(pthread_create(&t, NULL, counts, NULL) == 0);
		_exit(7); /* with the other, wherever that is */
	}
	must(wait(&status) > 0);
	say("ended with %d", WEXITSTATUS(status));
}

int main(void)
{
	return promise_run(round_);
}
