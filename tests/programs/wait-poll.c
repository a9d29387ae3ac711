/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: poll tells what each descriptor is ready for, skips negative ones, and names what is closed or hung up.
 * Proves: poll
 */
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void show(const char *what, struct pollfd *p, nfds_t n, int timeout)
{
	int r = poll(p, n, timeout);

	say("%s: %d: %x %x %x", what, r, p[0].revents, p[1].revents, p[2].revents);
}

static void round_(void)
{
	int a[2], b[2];
	struct pollfd p[3];

	must(pipe(a) == 0 && pipe(b) == 0);
	p[0] = (struct pollfd){a[0], POLLIN, 0};
	p[1] = (struct pollfd){a[1], POLLOUT, 0};
	p[2] = (struct pollfd){-1, POLLIN, 7};
	show("empty pipe", p, 3, 0);
	must(write(a[1], "x", 1) == 1);
	show("one byte", p, 3, -1);
	p[2].fd = 999;
	show("no descriptor", p, 3, 60000);
	p[2] = (struct pollfd){b[0], POLLIN, 0};
	must(close(b[1]) == 0);
	show("hung up", p, 3, 60000);
	must(close(a[0]) == 0);
	p[0].fd = -1;
	show("nobody reads", p, 3, 60000);
	say_result("far too many", syscall(SYS_poll, p, 1L << 30, 0));
	must(close(a[1]) == 0 && close(b[0]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
