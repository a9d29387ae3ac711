/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Pages that were given back by MADV_DONTNEED are zero, or the file again; those of MADV_FREE are the old
 * or zero.
 * Proves: madvise
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char block[8192], *a, *f;
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600);

	memset(block, 'f', sizeof(block));
	must(fd >= 0 && write(fd, block, sizeof(block)) == sizeof(block));
	a = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	f = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	must(a != MAP_FAILED && f != MAP_FAILED);
	memset(a, 'a', 4 * 4096);
	f[0] = f[4096] = 'w';
	must(madvise(a + 4096, 4096, MADV_DONTNEED) == 0 && madvise(f, 4096, MADV_DONTNEED) == 0);
	say("%d %d %d, file %c %c", a[0], a[4096], a[8192], f[0], f[4096]);
	must(madvise(a + 8192, 4096, MADV_FREE) == 0);
	must(a[8192] == 'a' || a[8192] == 0);
	a[8192] = 'n';
	must(madvise(a, 4 * 4096, MADV_SEQUENTIAL) == 0 && madvise(a, 4 * 4096, MADV_WILLNEED) == 0);
	say("written again %c", a[8192]);
	say_result("unknown advice", madvise(a, 4096, 999));
	must(munmap(a, 4 * 4096) == 0 && munmap(f, 8192) == 0 && close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
