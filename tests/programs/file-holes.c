/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A file has its holes where nothing was written, they read as zeros, and SEEK_DATA and SEEK_HOLE find
 * them.
 * Proves: lseek pwrite64 pread64 newfstatat
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

#define MIB (1 << 20)

static void round_(void)
{
	static char block[4096], back[8192];
	int fd = open("sparse", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct stat st;

	must(fd >= 0);
	memset(block, 'x', sizeof(block));
	must(pwrite(fd, block, sizeof(block), 4L * MIB) == sizeof(block));
	must(pwrite(fd, block, sizeof(block), 9L * MIB) == sizeof(block));
	must(lseek(fd, 3, SEEK_END) == 9L * MIB + 4096 + 3 && write(fd, "end", 3) == 3);
	must(fstat(fd, &st) == 0);
	say("size %ld, most of it a hole: %d", (long)st.st_size, st.st_blocks * 512 < MIB);
	say("data at %ld", (long)lseek(fd, 0, SEEK_DATA));
	say("hole at %ld", (long)lseek(fd, 4L * MIB, SEEK_HOLE));
	say("data again at %ld", (long)lseek(fd, 5L * MIB, SEEK_DATA));
	say("the end as a hole at %ld", (long)lseek(fd, 9L * MIB, SEEK_HOLE));
	say_result("beyond the end", lseek(fd, 100L * MIB, SEEK_DATA));
	say_result("before the beginning", lseek(fd, -1, SEEK_SET));
	must(pread(fd, back, sizeof(back), 4L * MIB - 4096) == sizeof(back));
	say("%016llx", (unsigned long long)hash(0, back, sizeof(back)));
	must(close(fd) == 0 && unlink("sparse") == 0);
}

int main(void)
{
	return promise_run(round_);
}
