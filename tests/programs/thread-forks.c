/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: fork() from a thread makes a child with that thread alone; exec from a thread replaces the whole process.
 * Proves: clone exit_group wait4 execve exit getpid gettid futex clock_gettime clone3
 */
#include <pthread.h>
#include <stdatomic.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static atomic_bool stop;

static void *spin(void *arg)
{
	while (!stop)
		burn_ms(1);
	return arg;
}

static void *exec_here(void *arg)
{
	(void)execl("/bin/sh", "sh", "-c", "exit 9", (char *)NULL);
	return arg;
}

static void *fork_here(void *arg)
{
	int status, first, second;
	pid_t child = promise_fork();

	if (child == 0)
		_exit(gettid() == getpid() ? 5 : 6);
	must(child > 0 && waitpid(child, &status, 0) == child);
	first = WEXITSTATUS(status);
	child = promise_fork();
	if (child == 0) {
		pthread_t t;

		(void)pthread_create(&t, NULL, exec_here, NULL);
		(void)pthread_join(t, NULL);
		_exit(1);
	}
	must(child > 0 && waitpid(child, &status, 0) == child);
	second = WEXITSTATUS(status);
	say("children ended with %d and %d", first, second);
	return arg;
}

static void round_(void)
{
	pthread_t t, u;

	stop = false;
	must(pthread_create(&u, NULL, spin, NULL) == 0);
	must(pthread_create(&t, NULL, fork_here, NULL) == 0);
	must(pthread_join(t, NULL) == 0);
	stop = true;
	must(pthread_join(u, NULL) == 0);
}

int main(void)
{
	return promise_run(round_);
}
