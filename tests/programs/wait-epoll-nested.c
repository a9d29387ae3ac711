/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: An epoll inside another makes it ready; a circle is refused, and a closed descriptor is forgotten.
 * Proves: epoll_ctl epoll_wait poll
 */
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct epoll_event in = {.events = EPOLLIN, .data.u32 = 1}, out[4];
	struct pollfd p = {.events = POLLIN};
	int inner = epoll_create1(0), outer = epoll_create1(0), e[2] = {eventfd(0, 0), eventfd(0, 0)};
	uint64_t one = 1;

	must(inner >= 0 && outer >= 0 && e[0] >= 0 && e[1] >= 0);
	must(epoll_ctl(inner, EPOLL_CTL_ADD, e[0], &in) == 0);
	in.data.u32 = 2;
	must(epoll_ctl(inner, EPOLL_CTL_ADD, e[1], &in) == 0);
	in.data.u32 = 3;
	must(epoll_ctl(outer, EPOLL_CTL_ADD, inner, &in) == 0);
	say_result("a circle", epoll_ctl(inner, EPOLL_CTL_ADD, outer, &in));
	p.fd = outer;
	say_result("quiet", poll(&p, 1, 0));
	must(write(e[1], &one, 8) == 8);
	say_result("ready", poll(&p, 1, 60000));
	must(epoll_wait(outer, out, 4, 0) == 1);
	say("the inner one %u", out[0].data.u32);
	must(epoll_wait(inner, out, 4, 0) == 1);
	say("its second %u", out[0].data.u32);
	must(close(e[1]) == 0);
	say_result("forgotten", epoll_wait(outer, out, 4, 0));
	must(close(inner) == 0 && close(outer) == 0 && close(e[0]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
