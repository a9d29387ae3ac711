/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: With EPOLLET it is told once for each time that something comes.
 * Proves: epoll_ctl epoll_wait epoll_create
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct epoll_event in = {.events = EPOLLIN | EPOLLET}, out[3];
	int p[2], ep = epoll_create(1);

	must(ep >= 0 && pipe(p) == 0 && epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &in) == 0);
	for (int i = 0; i < 3; i++) {
		must(write(p[1], "x", 1) == 1);
		say_result("told", epoll_wait(ep, out, 3, 60000));
		say_result("not twice", epoll_wait(ep, out, 3, 0));
	}
	must(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &in) == 0);
	say_result("after a change", epoll_wait(ep, out, 3, 0));
	must(close(p[1]) == 0);
	say_result("the end", epoll_wait(ep, out, 3, 60000));
	say("%x", out[0].events);
	must(close(p[0]) == 0 && close(ep) == 0);
}

int main(void)
{
	return promise_run(round_);
}
