/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * OpenMP: loops, tasks, barriers and critical sections of four threads.
 * Promise: each round has the same result, until the file "stop" is there. Must not: depend on which thread does what.
 */
#include <inttypes.h>
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

enum { THREADS = 4, N = 1 << 16 };

static uint64_t table[N];

static uint64_t mix(uint64_t h, uint64_t x)
{
	h ^= x + 0x9e3779b97f4a7c15 + (h << 6) + (h >> 2);
	return h * 0xff51afd7ed558ccd;
}

static uint64_t tree(int depth, uint64_t x)
{
	uint64_t a = 0, b = 0;

	if (depth == 0)
		return mix(x, x);
#pragma omp task shared(a)
	a = tree(depth - 1, x * 2);
#pragma omp task shared(b)
	b = tree(depth - 1, x * 2 + 1);
#pragma omp taskwait
	return mix(a, b);
}

static uint64_t round_of_all(void)
{
	uint64_t sum = 0, top = 0;
	int entered = 0;

	for (int turn = 0; turn < 20; turn++) {
#pragma omp parallel for schedule(dynamic, 512) reduction(+ : sum)
		for (int i = 0; i < N; i++) {
			table[i] = mix(table[i] * (turn > 0), (uint64_t)i);
			sum += table[i];
		}
	}
#pragma omp parallel
	{
#pragma omp critical
		entered++;
#pragma omp barrier
#pragma omp single
		top = tree(10, 1);
	}
	return mix(mix(sum, top), (uint64_t)entered);
}

int main(void)
{
	uint64_t first, again;

	omp_set_dynamic(0);
	omp_set_num_threads(THREADS);
	first = round_of_all();
	for (int rounds = 1; rounds < 3 || access("stop", F_OK) < 0; rounds++) {
		again = round_of_all();
		if (again != first) {
			(void)printf("round %d: %" PRIx64 " instead of %" PRIx64 "\n", rounds, again, first);
			return 1;
		}
	}
	(void)printf("%d threads %" PRIx64 "\n", THREADS, first);
	return 7;
}
