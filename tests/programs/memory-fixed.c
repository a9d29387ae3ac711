/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: MAP_FIXED replaces what is there, MAP_FIXED_NOREPLACE does not, and a hint is only a hint.
 * Proves: mmap munmap
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char *p = mmap(NULL, 8 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *q;
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600);

	must(p != MAP_FAILED && fd >= 0 && write(fd, "the file", 8) == 8);
	memset(p, 'o', 8 * 4096);
	q = mmap(p + 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	must(q == p + 4096 && q[0] == 0);
	q = mmap(p + 3 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, 0);
	must(q == p + 3 * 4096);
	say("%c %d %c %.8s %c", p[0], p[4096], p[8192], p + 3 * 4096, p[4 * 4096]);
	/* Anonymous memory over the file's page. */
	q = mmap(p + 3 * 4096, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	must(q == p + 3 * 4096 && q[0] == 0);
	say_result(
	    "not over another",
	    mmap(p, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED ? -1 : 0);
	q = mmap(p, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(q != MAP_FAILED && q != p && munmap(q, 4096) == 0);
	must(munmap(p + 5 * 4096, 4096) == 0);
	q = mmap(p + 5 * 4096, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	must(q == p + 5 * 4096 && munmap(p, 8 * 4096) == 0 && close(fd) == 0 && unlink("f") == 0);
	say("in its place");
}

int main(void)
{
	return promise_run(round_);
}
