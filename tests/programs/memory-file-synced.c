/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: msync is asked of private and read-only mappings as well, and refuses what is not mapped.
 * Proves: msync mmap
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600);
	char *p;

	must(fd >= 0 && ftruncate(fd, 8192) == 0);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	must(p != MAP_FAILED);
	p[0] = 'p';
	say_result("private", msync(p, 8192, MS_SYNC));
	say_result("both ways", msync(p, 8192, MS_SYNC | MS_ASYNC));
	say_result("not aligned", msync(p + 1, 8192, MS_SYNC));
	must(munmap(p, 8192) == 0);
	say_result("nothing there", msync(p, 8192, MS_ASYNC));
	must(close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
