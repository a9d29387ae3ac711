/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A fixed amount of work; prints the seconds that it took.
 *
 * bench-spin cpu N      N million steps that need no system call
 * bench-spin calls N    N thousand times getppid and a read of 512 bytes
 * Promise: the same N is the same work, wherever it runs. Must not: use more than one processor.
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <sys/syscall.h>

static double now(void)
{
	struct timespec t;

	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static uint64_t spin(uint64_t steps)
{
	uint64_t x = 88172645463325252U;

	while (steps--) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
	}
	return x;
}

static int call(uint64_t times)
{
	int fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
	char data[512];

	while (times--) {
		if (syscall(SYS_getppid) < 0 || read(fd, data, sizeof(data)) != sizeof(data))
			return -1;
	}
	(void)close(fd);
	return 0;
}

int main(int argc, char **argv)
{
	double begin = now();
	uint64_t n = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;

	if (n && strcmp(argv[1], "cpu") == 0) {
		if (spin(n * 1000000) == 0) /* never; keeps the loop */
			return 1;
	} else if (n && strcmp(argv[1], "calls") == 0) {
		if (call(n * 1000) < 0) {
			perror("bench-spin");
			return 1;
		}
	} else {
		(void)fprintf(stderr, "usage: bench-spin cpu|calls N\n");
		return 2;
	}
	(void)printf("%.6f\n", now() - begin);
	return 0;
}
