/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a sleep that a move interrupts ends when it would have ended, never earlier, and never begins anew.
 * Proves: epoll_create1 clock_nanosleep ppoll pselect6 close poll pipe2 epoll_wait clock_gettime
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define MS 120
/* Of a busy machine with several moves at once; a sleep that began anew with each move would be later. */
#define LATE 3000

static void round_(void)
{
	struct timespec ts = {.tv_nsec = MS * 1000000L}, at;
	struct timeval tv = {.tv_usec = MS * 1000L};
	struct epoll_event ev;
	struct pollfd p;
	int pipefd[2], ep = epoll_create1(0);
	uint64_t t;
	fd_set set;

	must(pipe(pipefd) == 0 && ep >= 0);
	t = now_ns();
	must(nanosleep(&ts, NULL) == 0);
	say("nanosleep %d", took_ms(t, MS, LATE));
	t = now_ns();
	must(clock_nanosleep(CLOCK_MONOTONIC, 0, &ts, NULL) == 0);
	say("clock_nanosleep %d", took_ms(t, MS, LATE));
	t = now_ns();
	must(clock_gettime(CLOCK_MONOTONIC, &at) == 0);
	at.tv_nsec += MS * 1000000L;
	at.tv_sec += at.tv_nsec / 1000000000;
	at.tv_nsec %= 1000000000;
	must(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == 0);
	say("clock_nanosleep until %d", took_ms(t, MS, LATE));
	p = (struct pollfd){.fd = pipefd[0], .events = POLLIN};
	t = now_ns();
	must(poll(&p, 1, MS) == 0);
	say("poll %d", took_ms(t, MS, LATE));
	t = now_ns();
	must(ppoll(&p, 1, &ts, NULL) == 0);
	say("ppoll %d", took_ms(t, MS, LATE));
	FD_ZERO(&set);
	FD_SET(pipefd[0], &set);
	t = now_ns();
	must(select(pipefd[0] + 1, &set, NULL, NULL, &tv) == 0);
	say("select %d %d", took_ms(t, MS, LATE), FD_ISSET(pipefd[0], &set) != 0);
	FD_SET(pipefd[0], &set);
	t = now_ns();
	must(pselect(pipefd[0] + 1, &set, NULL, NULL, &ts, NULL) == 0);
	say("pselect %d", took_ms(t, MS, LATE));
	t = now_ns();
	must(epoll_wait(ep, &ev, 1, MS) == 0);
	say("epoll_wait %d", took_ms(t, MS, LATE));
	must(close(pipefd[0]) == 0 && close(pipefd[1]) == 0 && close(ep) == 0);
}

int main(void)
{
	return promise_run(round_);
}
