/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A file that is mapped for reading is read as it was when it was mapped, also after its descriptor and
 * name are gone.
 * Proves: mmap munmap
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char block[10000];
	uint64_t s = 5, want;
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600);
	char *shared, *private_;

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)xorshift(&s);
	want = hash(0, block + 4096, 5904);
	must(fd >= 0 && write(fd, block, sizeof(block)) == sizeof(block));
	shared = mmap(NULL, 5904, PROT_READ, MAP_SHARED, fd, 4096);
	private_ = mmap(NULL, 10000, PROT_READ, MAP_PRIVATE | MAP_POPULATE, fd, 0);
	must(shared != MAP_FAILED && private_ != MAP_FAILED && close(fd) == 0 && unlink("f") == 0);
	must(hash(0, shared, 5904) == want && hash(0, private_ + 4096, 5904) == want);
	say("%016llx, beyond the end %d", (unsigned long long)want, private_[10001]);
	must(munmap(shared, 5904) == 0 && munmap(private_, 10000) == 0);
	say_result("no file", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, -1, 0) == MAP_FAILED ? -1 : 0);
	fd = open("/", O_RDONLY);
	say_result("a directory", mmap(NULL, 4096, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? -1 : 0);
	must(close(fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
