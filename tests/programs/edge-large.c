/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Reading and writing many MiB by one call, or by a thousand pieces, passes all of it.
 * Proves: pwrite64 pread64 writev readv
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

#define SIZE (20UL << 20)
#define PIECES 1024

static void round_(void)
{
	static struct iovec iov[PIECES];
	int fd = open("big", O_CREAT | O_RDWR | O_TRUNC, 0600);
	uint64_t *a, *b, s = 21;
	size_t got = 0;
	ssize_t n;

	a = mmap(NULL, 2 * SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(fd >= 0 && a != MAP_FAILED);
	b = a + SIZE / 8;
	for (size_t i = 0; i < SIZE / 8; i += 64)
		a[i] = xorshift(&s);
	/* A part is an answer as well. */
	for (got = 0; got < SIZE; got += (size_t)n) {
		n = pwrite(fd, (char *)a + got, SIZE - got, (off_t)got);
		must(n > 0);
	}
	for (got = 0; got < SIZE; got += (size_t)n) {
		n = pread(fd, (char *)b + got, SIZE - got, (off_t)got);
		must(n > 0);
	}
	must(memcmp(a, b, SIZE) == 0);
	memset(b, 0, SIZE);
	for (int i = 0; i < PIECES; i++)
		iov[i] = (struct iovec){(char *)b + (size_t)i * 3000, 2999};
	must(lseek(fd, 0, SEEK_SET) == 0);
	n = readv(fd, iov, PIECES);
	say("pieces %zd, %016llx", n, (unsigned long long)hash(0, b, PIECES * 3000));
	must(lseek(fd, 0, SEEK_SET) == 0);
	n = writev(fd, iov, PIECES);
	say("written %zd", n);
	say_result("too many pieces", syscall(SYS_readv, fd, iov, 1025L));
	must(munmap(a, 2 * SIZE) == 0 && close(fd) == 0 && unlink("big") == 0);
}

int main(void)
{
	return promise_run(round_);
}
