/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: With EPOLLONESHOT it is told once, until it is armed again.
 * Proves: epoll_ctl epoll_pwait epoll_pwait2
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct epoll_event in = {.events = EPOLLIN | EPOLLONESHOT, .data.fd = 5}, out[3];
	struct timespec moment = {.tv_nsec = 1000000};
	sigset_t set;
	int e = eventfd(1, 0), ep = epoll_create1(0);

	(void)sigfillset(&set);
	must(ep >= 0 && e >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, e, &in) == 0);
	say_result("told", epoll_pwait(ep, out, 3, 60000, &set));
	say_result("not again", epoll_pwait(ep, out, 3, 5, NULL));
	must(epoll_ctl(ep, EPOLL_CTL_MOD, e, &in) == 0);
	say_result("armed again", syscall(SYS_epoll_pwait2, ep, out, 3, &moment, &set, 8L));
	say("%x %d", out[0].events, out[0].data.fd);
	say_result("not again", syscall(SYS_epoll_pwait2, ep, out, 3, &moment, NULL, 8L));
	must(close(e) == 0 && close(ep) == 0);
}

int main(void)
{
	return promise_run(round_);
}
