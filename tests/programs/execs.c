/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a process that executes itself again and again keeps its pid, its state in the arguments and its
 * descriptors.
 * Proves: execve getpid clock_gettime
 */
#include <string.h>
#include <unistd.h>

#include "promise.h"

int main(int argc, char **argv)
{
	uint64_t n = argc > 1 ? strtoull(argv[1], NULL, 10) : 0, h = argc > 2 ? strtoull(argv[2], NULL, 16) : 1,
		 want = 1;
	char number[24], state[24], pid[24];

	promise_start();
	for (uint64_t i = 0; i < n; i++)
		want = hash(want, &i, sizeof(i));
	must(h == want);
	must(argc <= 3 || atoi(argv[3]) == getpid());
	burn_ms(3);
	if (n >= 10 && promise_done()) {
		(void)printf("executed itself, state kept, pid kept\n");
		return 0;
	}
	h = hash(h, &n, sizeof(n));
	(void)snprintf(number, sizeof(number), "%llu", (unsigned long long)n + 1);
	(void)snprintf(state, sizeof(state), "%llx", (unsigned long long)h);
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	(void)execl("/proc/self/exe", argv[0], number, state, pid, (char *)NULL);
	must(!"execl");
}
