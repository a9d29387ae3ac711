/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: fallocate reserves room, keeps the size when told to, and punches holes that read as zeros.
 * Proves: fallocate newfstatat
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char block[16384];
	int fd = open("room", O_RDWR | O_CREAT | O_TRUNC, 0600);
	struct stat st;

	must(fd >= 0);
	must(fallocate(fd, 0, 0, 100000) == 0 && fstat(fd, &st) == 0);
	say("size %ld, room %d", (long)st.st_size, st.st_blocks * 512 >= 100000);
	must(fallocate(fd, FALLOC_FL_KEEP_SIZE, 100000, 100000) == 0 && fstat(fd, &st) == 0);
	say("size %ld, room %d", (long)st.st_size, st.st_blocks * 512 >= 200000);
	memset(block, 'y', sizeof(block));
	must(pwrite(fd, block, sizeof(block), 0) == sizeof(block));
	must(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 4096, 8192) == 0);
	must(pread(fd, block, sizeof(block), 0) == sizeof(block));
	say("%016llx", (unsigned long long)hash(0, block, sizeof(block)));
	say_result("nothing", fallocate(fd, 0, 0, 0));
	say_result("a pipe's end", fallocate(0x7fff, 0, 0, 1));
	must(posix_fallocate(fd, 0, 10) == 0);
	must(close(fd) == 0 && unlink("room") == 0);
}

int main(void)
{
	return promise_run(round_);
}
