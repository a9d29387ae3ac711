/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What is written to a private mapping stays in the process, the rest is the file.
 * Proves: mmap munmap pread64
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char block[4096], *p;
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600);

	must(fd >= 0);
	for (int i = 0; i < 4; i++) {
		memset(block, 'a' + i, sizeof(block));
		must(write(fd, block, sizeof(block)) == sizeof(block));
	}
	p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	must(p != MAP_FAILED);
	say("%c%c%c%c", p[0], p[4096], p[8192], p[12288]);
	p[4096] = 'X';
	p[8192 + 5] = 'Y';
	must(pread(fd, block, 10, 4096) == 10);
	say("file %.3s, memory %.3s, beside it %c%c", block, p + 4096, p[8192], p[8192 + 5]);
	must(munmap(p, 2 * 4096) == 0);
	say("the rest %c%c %c", p[8192], p[8192 + 5], p[12288]);
	must(munmap(p + 8192, 8192) == 0 && close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
