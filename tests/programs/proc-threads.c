/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: threads that all read what /proc says of the process, in pieces of any size, each get a whole text of it.
 * Proves: openat read readv close
 */
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

#define TEXT_MAX (256 * 1024)

/* The text by pieces of n bytes. */
static size_t read_all(const char *path, char *text, size_t n)
{
	int fd = open(path, O_RDONLY);
	size_t len = 0;
	ssize_t got = 1;

	must(fd >= 0);
	for (unsigned i = 0; got > 0; i++) {
		struct iovec v[2] = {{text + len, n / 2}, {text + len + n / 2, n - n / 2}};

		must(len + n < TEXT_MAX);
		got = i % 2 ? readv(fd, v, 2) : read(fd, text + len, n);
		must(got >= 0);
		len += (size_t)got;
	}
	must(close(fd) == 0);
	text[len] = '\0';
	return len;
}

static void look_at_maps(char *text, size_t n)
{
	unsigned long from, to, last = 0;
	char flags[8], *save = NULL;
	bool code = false;

	must(read_all("/proc/self/maps", text, n) > 100);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		must(sscanf(line, "%lx-%lx %7s", &from, &to, flags) == 3 && from >= last && to > from);
		must(strlen(flags) == 4);
		last = to;
		code |= from <= (unsigned long)look_at_maps && to > (unsigned long)look_at_maps && flags[2] == 'x' &&
			strstr(line, "proc-threads");
	}
	must(code);
}

static void look_at_stat(const char *path, int id, char *text, size_t n)
{
	unsigned words = 0;
	char *p;

	must(read_all(path, text, n) > 50);
	p = strrchr(text, ')');
	/* Another thread may wait for a page, or stand already when the process is about to be moved. */
	must(p && atoi(text) == id && p[1] == ' ' && strchr("RSDt", p[2]));
	for (; (p = strchr(p, ' ')); p++)
		words++;
	must(words >= 49 && text[strlen(text) - 1] == '\n');
}

static void look_at_status(char *text, size_t n)
{
	unsigned lines = 0;
	char *p;

	must(read_all("/proc/self/status", text, n) > 100 && strncmp(text, "Name:\tproc-threads\n", 19) == 0);
	must(strstr(text, "\nThreads:\t4\n") && strstr(text, "\nTracerPid:\t") && strstr(text, "\nVmSize:\t"));
	for (p = text; (p = strchr(p, '\n')); p++)
		lines++;
	must(lines > 40);
}

static void *thread(void *arg)
{
	size_t n = (size_t)(uintptr_t)arg;
	char *text = malloc(TEXT_MAX);

	must(text);
	look_at_maps(text, n);
	look_at_stat("/proc/thread-self/stat", gettid(), text, n);
	look_at_stat("/proc/self/stat", getpid(), text, n);
	look_at_status(text, n);
	free(text);
	return NULL;
}

static pthread_barrier_t all;

static void *begin(void *arg)
{
	(void)pthread_barrier_wait(&all);
	(void)thread(arg);
	(void)pthread_barrier_wait(&all);
	return NULL;
}

static void round_(void)
{
	static const uintptr_t pieces[] = {97, 1024, 16384};
	pthread_t t[3];

	must(pthread_barrier_init(&all, NULL, 4) == 0);
	for (int i = 0; i < 3; i++)
		must(pthread_create(&t[i], NULL, begin, (void *)pieces[i]) == 0);
	(void)begin((void *)(uintptr_t)333);
	for (int i = 0; i < 3; i++)
		must(pthread_join(t[i], NULL) == 0);
	must(pthread_barrier_destroy(&all) == 0);
	say("whole texts");
}

int main(void)
{
	return promise_run(round_);
}
