/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: getdents64 and getdents tell the same entries, and refuse a buffer that is too small for one.
 * Proves: getdents getdents64
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

struct entry64 {
	uint64_t ino;
	int64_t off;
	uint16_t len;
	uint8_t type;
	char name[];
};

struct entry {
	unsigned long ino, off;
	uint16_t len;
	char name[];
};

/* A call may return before the end of the directory, when the process is stopped in it. */
static uint64_t sum64(int fd, int *count)
{
	static char buf[4096] __attribute__((aligned(8)));
	uint64_t sum = 0;
	long n;

	while ((n = syscall(SYS_getdents64, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; at += ((const struct entry64 *)(buf + at))->len) {
			const struct entry64 *e = (const struct entry64 *)(buf + at);

			sum += hash(0, e->name, strlen(e->name));
			++*count;
		}
	return sum;
}

static uint64_t sum(int fd, int *count)
{
	static char buf[4096] __attribute__((aligned(8)));
	uint64_t s = 0;
	long n;

	while ((n = syscall(SYS_getdents, fd, buf, sizeof(buf))) > 0)
		for (long at = 0; at < n; at += ((const struct entry *)(buf + at))->len) {
			const struct entry *e = (const struct entry *)(buf + at);

			s += hash(0, e->name, strlen(e->name));
			++*count;
		}
	return s;
}

static void round_(void)
{
	static char buf[4096] __attribute__((aligned(8)));
	const char *const names[] = {"d/alpha", "d/beta", "d/a name that is somewhat longer"};
	int n = 0, m = 0, fd;
	uint64_t s;

	must(mkdir("d", 0700) == 0);
	for (int i = 0; i < 3; i++)
		must(mkdir(names[i], 0700) == 0);
	fd = open("d", O_RDONLY | O_DIRECTORY);
	must(fd >= 0);
	say_result("too small", syscall(SYS_getdents64, fd, buf, 8));
	s = sum64(fd, &n);
	say_result("at the end", syscall(SYS_getdents64, fd, buf, sizeof(buf)));
	must(lseek(fd, 0, SEEK_SET) == 0);
	must(s == sum(fd, &m));
	say("%d entries, %d, %016llx", n, m, (unsigned long long)s);
	must(close(fd) == 0);
	for (int i = 0; i < 3; i++)
		must(rmdir(names[i]) == 0);
	must(rmdir("d") == 0);
}

int main(void)
{
	return promise_run(round_);
}
