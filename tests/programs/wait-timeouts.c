/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: No wait with a time limit ends before its time.
 * Proves: poll ppoll pselect6 epoll_wait rt_sigtimedwait clock_nanosleep semtimedop
 */
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define MS 12

#define CHECK(call)                           \
	do {                                  \
		uint64_t t_ = now_ns();       \
		say_result(#call, call);      \
		must(took_ms(t_, MS, 60000)); \
	} while (0)

static void round_(void)
{
	const struct timespec ts = {.tv_nsec = MS * 1000000};
	struct timeval tv = {.tv_usec = MS * 1000};
	struct sembuf down = {0, -1, 0};
	struct epoll_event e;
	struct timespec t2 = ts;
	int ep = epoll_create1(0), sem = semget(IPC_PRIVATE, 1, 0600);
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	must(ep >= 0 && sem >= 0 && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	CHECK(poll(NULL, 0, MS));
	CHECK(ppoll(NULL, 0, &ts, NULL));
	CHECK(select(0, NULL, NULL, NULL, &tv));
	CHECK(pselect(0, NULL, NULL, NULL, &ts, NULL));
	CHECK(epoll_wait(ep, &e, 1, MS));
	CHECK(sigtimedwait(&set, NULL, &ts));
	CHECK(nanosleep(&ts, &t2));
	CHECK(clock_nanosleep(CLOCK_BOOTTIME, 0, &ts, &t2));
	CHECK(semtimedop(sem, &down, 1, &ts));
	must(semctl(sem, 0, IPC_RMID) == 0 && close(ep) == 0 && sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

int main(void)
{
	return promise_run(round_);
}
