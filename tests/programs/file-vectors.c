/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Scattered buffers are filled and written in their order, at the position, at a given place, or appended.
 * Proves: readv writev preadv pwritev preadv2 pwritev2
 */
#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char a[4] = "", b[6] = "", c[11] = "";
	struct iovec out[3] = {{"one", 3}, {"", 0}, {"three", 5}};
	struct iovec in[3] = {{a, 3}, {b, 5}, {c, 10}};
	int fd = open("vectors", O_RDWR | O_CREAT | O_TRUNC, 0600);

	must(fd >= 0);
	say_result("writev", writev(fd, out, 3));
	say_result("pwritev", pwritev(fd, out, 3, 6));
	say_result("pwritev2 appends", pwritev2(fd, out, 3, 0, RWF_APPEND));
	say_result("pwritev2 at the position", pwritev2(fd, out, 1, -1, 0));
	must(lseek(fd, 0, SEEK_SET) == 0);
	say_result("readv", readv(fd, in, 3));
	say("%s|%s|%s", a, b, c);
	say_result("preadv", preadv(fd, in, 2, 6));
	say("%s|%s", a, b);
	say_result("preadv2", preadv2(fd, in, 2, 2, RWF_HIPRI));
	say("%s|%s", a, b);
	say_result("preadv2 at the position", preadv2(fd, in, 1, -1, 0));
	say_result("too many", syscall(SYS_readv, fd, in, -1L));
	say_result("unknown flag", preadv2(fd, in, 1, 0, 0x40000000));
	must(close(fd) == 0 && unlink("vectors") == 0);
}

int main(void)
{
	return promise_run(round_);
}
