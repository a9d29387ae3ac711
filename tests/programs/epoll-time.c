/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: epoll_wait() ends when its time is over, however often the process moves meanwhile.
 * Proves: epoll_wait
 */
#include <sys/epoll.h>
#include <unistd.h>

#include "promise.h"

#define MS 1000
/* Its driver moves it all the time for longer than that. */
#define LATE 6000

static void round_(void)
{
	struct epoll_event ev;
	int ep = epoll_create1(0);
	uint64_t t = now_ns();

	must(ep >= 0);
	must(epoll_wait(ep, &ev, 1, MS) == 0);
	say("in time %d", took_ms(t, MS, LATE));
	must(close(ep) == 0);
}

int main(void)
{
	return promise_run(round_);
}
