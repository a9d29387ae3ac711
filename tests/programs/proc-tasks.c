/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: /proc/self/task lists the threads of the process by their ids, while they live.
 * Proves: openat gettid clone3
 */
#include <dirent.h>
#include <pthread.h>
#include <unistd.h>

#include "promise.h"

static pthread_barrier_t together;
static pid_t ids[3];

static void *thread(void *arg)
{
	ids[(intptr_t)arg] = gettid();
	(void)pthread_barrier_wait(&together);
	(void)pthread_barrier_wait(&together);
	return NULL;
}

static int count(bool *known)
{
	DIR *dir = opendir("/proc/self/task");
	struct dirent *d;
	int n = 0;

	must(dir);
	*known = true;
	while ((d = readdir(dir))) {
		pid_t id = atoi(d->d_name);

		if (d->d_name[0] == '.')
			continue;
		n++;
		*known &= id == getpid() || id == ids[0] || id == ids[1] || id == ids[2];
	}
	must(closedir(dir) == 0);
	return n;
}

static void round_(void)
{
	pthread_t t[3];
	bool known;
	int n;

	must(pthread_barrier_init(&together, NULL, 4) == 0);
	for (intptr_t i = 0; i < 3; i++)
		must(pthread_create(&t[i], NULL, thread, (void *)i) == 0);
	(void)pthread_barrier_wait(&together);
	n = count(&known);
	say("%d threads, all known %d", n, known);
	(void)pthread_barrier_wait(&together);
	for (int i = 0; i < 3; i++)
		must(pthread_join(t[i], NULL) == 0);
	must(pthread_barrier_destroy(&together) == 0);
}

int main(void)
{
	return promise_run(round_);
}
