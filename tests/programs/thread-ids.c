/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: threads keep their ids, which are those of /proc and of the calls that take one.
 * Proves: tgkill access exit sched_getscheduler getpid gettid futex clock_gettime clone3
 */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

#define THREADS 3

static pthread_barrier_t gate;
static atomic_int good;

static void *look(void *arg)
{
	pid_t tid = gettid();
	char path[60];

	(void)arg;
	for (int i = 0; i < 3; i++) {
		(void)pthread_barrier_wait(&gate);
		(void)snprintf(path, sizeof(path), "/proc/self/task/%d", tid);
		good += tid == gettid() && tid != getpid() && access(path, F_OK) == 0 &&
			syscall(SYS_tgkill, getpid(), tid, 0) == 0 && sched_getscheduler(tid) == SCHED_OTHER;
		burn_ms(2);
		(void)pthread_barrier_wait(&gate);
	}
	return NULL;
}

static void round_(void)
{
	pthread_t t[THREADS];

	good = 0;
	must(pthread_barrier_init(&gate, NULL, THREADS) == 0);
	for (int i = 0; i < THREADS; i++)
		must(pthread_create(&t[i], NULL, look, NULL) == 0);
	for (int i = 0; i < THREADS; i++)
		must(pthread_join(t[i], NULL) == 0);
	must(pthread_barrier_destroy(&gate) == 0);
	say("main is main: %s, good looks: %d", gettid() == getpid() ? "yes" : "no", (int)good);
}

int main(void)
{
	return promise_run(round_);
}
