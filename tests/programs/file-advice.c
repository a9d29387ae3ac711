/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Advice about a file is taken, changes nothing that is read, and is refused for what is no file.
 * Proves: fadvise64 readahead cachestat
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "promise.h"

#define NR_cachestat 451

static void round_(void)
{
	uint64_t range[2] = {0, 8192}, stat_[5] = {0};
	char block[8192];
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600), p[2];

	memset(block, 'b', sizeof(block));
	must(fd >= 0 && pipe(p) == 0 && write(fd, block, sizeof(block)) == sizeof(block));
	for (int advice = POSIX_FADV_NORMAL; advice <= POSIX_FADV_NOREUSE; advice++)
		must(posix_fadvise(fd, 0, 0, advice) == 0);
	say("unknown advice %d", posix_fadvise(fd, 0, 0, 77) == EINVAL);
	say("a pipe %d", posix_fadvise(p[0], 0, 0, POSIX_FADV_NORMAL) == ESPIPE);
	say_result("readahead", readahead(fd, 0, 4096));
	say_result("readahead of a pipe", readahead(p[0], 0, 4096));
	say_result("cachestat", syscall(NR_cachestat, fd, range, stat_, 0));
	must(pread(fd, block, sizeof(block), 0) == sizeof(block));
	say("%016llx", (unsigned long long)hash(0, block, sizeof(block)));
	must(close(fd) == 0 && close(p[0]) == 0 && close(p[1]) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
