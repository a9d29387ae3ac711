/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The ioctls that every descriptor has set and clear its flags.
 * Proves: ioctl fcntl
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "promise.h"

static void show(const char *what, int fd)
{
	say("%s: close on exec %d, nonblock %d, async %d", what, fcntl(fd, F_GETFD),
	    (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0, (fcntl(fd, F_GETFL) & O_ASYNC) != 0);
}

static void round_(void)
{
	int p[2], one = 1, zero = 0, n = -1, fd = open("f", O_CREAT | O_RDWR, 0600);

	must(pipe(p) == 0 && fd >= 0 && write(fd, "12345", 5) == 5 && lseek(fd, 2, SEEK_SET) == 2);
	must(ioctl(p[0], FIOCLEX) == 0 && ioctl(p[0], FIONBIO, &one) == 0 && ioctl(p[0], FIOASYNC, &one) == 0);
	show("set", p[0]);
	must(ioctl(p[0], FIONCLEX) == 0 && ioctl(p[0], FIONBIO, &zero) == 0 && ioctl(p[0], FIOASYNC, &zero) == 0);
	show("cleared", p[0]);
	must(ioctl(fd, FIONREAD, &n) == 0);
	say("left in the file %d", n);
	say_result("no such ioctl", ioctl(fd, 0x12345678, &n));
	say_result("no terminal", ioctl(p[0], TCGETS, &n));
	say_result("no descriptor", ioctl(-1, FIONREAD, &n));
	must(close(p[0]) == 0 && close(p[1]) == 0 && close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
