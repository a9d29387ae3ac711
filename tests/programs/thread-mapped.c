/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: threads that map and unmap files and memory at the same time find each what it has mapped, and a range
 * that is covered by another file shows either the one or the other.
 * Proves: mmap munmap clone3
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

#define PAGE 4096UL
#define FILES 4
#define PAGES 24UL
#define TURNS 25

static int files[FILES];
static unsigned char *stage; /* covered by one file after the other */
static _Atomic bool over;

static uint64_t word(unsigned which, uint64_t page)
{
	return (which + 1) * 0x9e3779b97f4a7c15ULL + page;
}

static int make_file(unsigned which)
{
	uint64_t page[PAGE / 8];
	int fd = open("thread.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	must(fd >= 0 && unlink("thread.tmp") == 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		for (size_t k = 0; k < PAGE / 8; k++)
			page[k] = word(which, i);
		must(write(fd, page, PAGE) == (ssize_t)PAGE);
	}
	return fd;
}

static void *mapper(void *arg)
{
	unsigned which = (unsigned)(uintptr_t)arg;
	uint64_t s = which + 1;

	for (int i = 0; i < TURNS; i++) {
		size_t from = xorshift(&s) % PAGES, n = xorshift(&s) % (PAGES - from) + 1;
		unsigned char *p = mmap(NULL, n * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, files[which],
					(off_t)(from * PAGE));

		must(p != MAP_FAILED);
		for (size_t k = 0; k < n; k++)
			must(*(uint64_t *)(void *)(p + k * PAGE) == word(which, from + k));
		p[n * PAGE - 1] ^= 0xff;
		if (n > 1)
			must(munmap(p, PAGE) == 0);
		must(munmap(p + (n > 1 ? PAGE : 0), (n > 1 ? n - 1 : 1) * PAGE) == 0);
	}
	return NULL;
}

static void *taker(void *arg)
{
	(void)arg;
	while (!over) {
		unsigned char *p[8];

		for (size_t i = 0; i < 8; i++) {
			p[i] = mmap(NULL, (i + 1) * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			must(p[i] != MAP_FAILED && p[i][i * PAGE] == 0);
			p[i][i * PAGE] = (unsigned char)i;
		}
		for (size_t i = 0; i < 8; i++)
			must(p[i][i * PAGE] == i && munmap(p[i], (i + 1) * PAGE) == 0);
	}
	return NULL;
}

static void *looker(void *arg)
{
	(void)arg;
	while (!over) {
		for (uint64_t i = 0; i < PAGES; i++) {
			uint64_t w = *(volatile uint64_t *)(void *)(stage + i * PAGE);

			must(w == word(0, i) || w == word(1, i));
		}
	}
	return NULL;
}

static void round_(void)
{
	pthread_t mappers[FILES], others[2];

	for (unsigned i = 0; i < FILES; i++)
		files[i] = make_file(i);
	over = false;
	stage = mmap(NULL, PAGES * PAGE, PROT_READ, MAP_PRIVATE, files[0], 0);
	must(stage != MAP_FAILED);
	must(pthread_create(&others[0], NULL, taker, NULL) == 0 && pthread_create(&others[1], NULL, looker, NULL) == 0);
	for (uintptr_t i = 0; i < FILES; i++)
		must(pthread_create(&mappers[i], NULL, mapper, (void *)i) == 0);
	for (int i = 0; i < 2 * TURNS; i++) {
		must(mmap(stage, PAGES * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, files[(i + 1) % 2], 0) == stage);
		must(*(uint64_t *)(void *)(stage + (PAGES - 1) * PAGE) == word((unsigned)(i + 1) % 2, PAGES - 1));
	}
	for (unsigned i = 0; i < FILES; i++)
		must(pthread_join(mappers[i], NULL) == 0);
	over = true;
	must(pthread_join(others[0], NULL) == 0 && pthread_join(others[1], NULL) == 0);
	for (unsigned i = 0; i < FILES; i++)
		must(close(files[i]) == 0);
	must(munmap(stage, PAGES * PAGE) == 0);
	say("all found");
}

int main(void)
{
	return promise_run(round_);
}
