/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: epoll tells again and again what is ready, until it is no longer.
 * Proves: epoll_create1 epoll_ctl epoll_wait
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct epoll_event in = {.events = EPOLLIN, .data.u64 = 0x123456789abcdefULL}, out[3];
	int p[2], ep = epoll_create1(EPOLL_CLOEXEC);
	char c;

	must(ep >= 0 && pipe(p) == 0 && epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &in) == 0);
	say_result("nothing", epoll_wait(ep, out, 3, 0));
	must(write(p[1], "xy", 2) == 2);
	for (int i = 0; i < 3; i++) {
		say_result("ready", epoll_wait(ep, out, 3, 60000));
		say("%x %llx", out[0].events, (unsigned long long)out[0].data.u64);
		(void)!read(p[0], &c, i > 0);
	}
	in.events = EPOLLOUT;
	must(epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &in) == 0);
	say_result("not asked for", epoll_wait(ep, out, 3, 0));
	say_result("twice", epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &in));
	must(close(p[1]) == 0);
	say_result("hung up", epoll_wait(ep, out, 3, 60000));
	say("%x", out[0].events);
	must(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL) == 0);
	say_result("removed", epoll_wait(ep, out, 3, 0));
	say_result("not there", epoll_ctl(ep, EPOLL_CTL_MOD, p[0], &in));
	say_result("a file", epoll_ctl(ep, EPOLL_CTL_ADD, ep, &in));
	say_result("no room", epoll_wait(ep, out, 0, 0));
	must(close(p[0]) == 0 && close(ep) == 0);
}

int main(void)
{
	return promise_run(round_);
}
