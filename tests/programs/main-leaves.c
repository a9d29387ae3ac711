/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a process whose main thread has left goes on with the others, and ends with the last.
 * Proves: write pipe2 clone close wait4 read exit_group exit futex clock_gettime clone3
 */
#include <pthread.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static int report;

static void *last(void *arg)
{
	(void)pthread_join(*(pthread_t *)arg, NULL);
	burn_ms(10);
	_exit(write(report, "x", 1) == 1 ? 17 : 18);
}

static void round_(void)
{
	int p[2], status;
	char byte;
	pid_t child;

	must(pipe(p) == 0);
	child = promise_fork();
	if (child == 0) {
		static pthread_t self;
		pthread_t t;

		report = p[1];
		self = pthread_self();
		must(pthread_create(&t, NULL, last, &self) == 0);
		pthread_exit(NULL);
	}
	must(child > 0 && close(p[1]) == 0);
	must(read(p[0], &byte, 1) == 1 && waitpid(child, &status, 0) == child && close(p[0]) == 0);
	say("the child ended with %d", WEXITSTATUS(status));
}

int main(void)
{
	return promise_run(round_);
}
