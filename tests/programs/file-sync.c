/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Everything that asks for data to be on the disk says that it is, or that there is none.
 * Proves: fsync fdatasync sync_file_range syncfs sync
 */
#include <fcntl.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int fd = open("f", O_CREAT | O_RDWR | O_SYNC, 0600), p[2];

	must(fd >= 0 && pipe(p) == 0 && write(fd, "data", 4) == 4);
	say_result("fsync", fsync(fd));
	say_result("fdatasync", fdatasync(fd));
	say_result("sync_file_range", sync_file_range(fd, 0, 4, SYNC_FILE_RANGE_WRITE));
	say_result("syncfs", syncfs(fd));
	sync();
	say_result("a pipe", fsync(p[0]));
	say_result("no descriptor", fdatasync(-1));
	say_result("a bad range", sync_file_range(fd, -1, 4, SYNC_FILE_RANGE_WRITE));
	must(close(fd) == 0 && close(p[0]) == 0 && close(p[1]) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
