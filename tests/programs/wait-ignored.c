/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A signal that is ignored, also by default, cuts no wait short.
 * Proves: epoll_wait epoll_pwait setitimer
 */
#include <signal.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	const struct itimerval often = {{0, 3000}, {0, 3000}}, never = {0};
	struct epoll_event ready, all = {.events = EPOLLIN};
	int e = epoll_create1(0), p[2];

	must(e >= 0 && pipe(p) == 0 && epoll_ctl(e, EPOLL_CTL_ADD, p[0], &all) == 0);
	must(signal(SIGALRM, SIG_IGN) != SIG_ERR && setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (int i = 0; i < 4; i++) {
		uint64_t start = now_ns();
		int r;

		must(raise(SIGWINCH) == 0);
		r = i % 2 ? epoll_pwait(e, &ready, 1, 30, NULL) : epoll_wait(e, &ready, 1, 30);
		say_result("nothing", r);
		must(took_ms(start, 30, 5000));
	}
	must(write(p[1], "x", 1) == 1);
	say_result("something", epoll_wait(e, &ready, 1, -1));
	must(setitimer(ITIMER_REAL, &never, NULL) == 0);
	must(close(e) == 0 && close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
