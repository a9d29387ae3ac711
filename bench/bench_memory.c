/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A process with MIB of memory that nothing can compress and that it rewrites all the time. It samples the monotonic
 * clock about each 50 us and says what its longest standstill was: what a freeze is, as the frozen one sees it.
 *
 * Each 50 ms it appends a line to standard output: NOW GAP BEGIN, in ns of CLOCK_MONOTONIC: the longest time between
 * two samples since the line before, and where it began. The first line is "ready".
 * It runs until it is killed.
 * Promise: notices when a page comes back from a move with other content, says so, and ends with 3.
 * Must not: make system calls between two samples but the clock's; use a signal, which would bring a guest home.
 */
#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/mman.h>

#define PAGE 4096
#define WORDS (PAGE / sizeof(uint64_t))
#define SAMPLE_NS 50000
#define LINE_NS 50000000

static uint64_t now_ns(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000U + (uint64_t)t.tv_nsec;
}

static uint64_t next(uint64_t x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ x << 17;
}

/* The content of a page follows from its number. */
static void fill(uint64_t *page, uint64_t number)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15U | 1;

	for (size_t i = 0; i < WORDS; i++)
		page[i] = x = next(x);
}

/* Looks at a page and writes it again. */
static void work(uint64_t *page, uint64_t number)
{
	uint64_t x = (number + 1) * 0x9e3779b97f4a7c15U | 1, wrong = 0;

	for (size_t i = 0; i < WORDS; i++) {
		x = next(x);
		wrong |= page[i] ^ x;
		page[i] = x;
	}
	if (wrong) {
		(void)printf("page %" PRIu64 " has changed\n", number);
		(void)fflush(stdout);
		exit(3);
	}
}

int main(int argc, char **argv)
{
	uint64_t mib = argc == 2 ? strtoull(argv[1], NULL, 10) : 0, pages = mib << 8, luck = 1, batch = 64;
	uint64_t before, line, gap = 0, begin = 0;
	uint64_t *memory;

	memory = mib ? mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) : MAP_FAILED;
	if (memory == MAP_FAILED) {
		(void)fprintf(stderr, "usage: bench-memory MIB\n");
		return 2;
	}
	for (uint64_t i = 0; i < pages; i++)
		fill(memory + i * WORDS, i);
	before = now_ns(); /* how many pages are 50 us, now that they are there */
	for (uint64_t i = 0; i < batch; i++)
		work(memory + i % pages * WORDS, i % pages);
	batch = batch * SAMPLE_NS / (now_ns() - before + 1) + 1;
	(void)printf("ready\n");
	(void)fflush(stdout);
	for (before = line = now_ns();;) {
		uint64_t t;

		for (uint64_t i = 0; i < batch; i++) {
			luck = next(luck);
			work(memory + luck % pages * WORDS, luck % pages);
		}
		t = now_ns();
		if (t - before > gap) {
			gap = t - before;
			begin = before;
		}
		before = t;
		if (t - line < LINE_NS)
			continue;
		(void)printf("%" PRIu64 " %" PRIu64 " %" PRIu64 "\n", t, gap, begin);
		(void)fflush(stdout);
		line = t;
		gap = 0;
	}
}
