/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A call in which the process is stopped and continued goes on as if nothing had been, its time included;
 * those that signal(7) names end with EINTR. Proves: kill read clock_nanosleep poll pselect6 semtimedop rt_sigtimedwait
 * epoll_wait wait4
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define STOPS 3
#define LASTS_MS 60

static int gate[2]; /* closed by the parent when its call has ended */
static int data[2];

/* Stopped, or stopped by who traces it. */
static void await(pid_t pid, bool stopped)
{
	for (;;) {
		char state = state_of(pid);

		if ((state == 'T' || state == 't') == stopped)
			break;
		burn_ms(1);
	}
}

/* Stops its parent a few times and then lets its call end, or stops it until the call has ended. */
static void stopper(bool for_ever)
{
	pid_t parent = getppid();
	char c;

	must(close(gate[1]) == 0 && fcntl(gate[0], F_SETFL, O_NONBLOCK) == 0);
	for (int i = 0; for_ever ? read(gate[0], &c, 1) < 0 : i < STOPS; i++) {
		burn_ms(2);
		/* Stopped by who traces it for a moment, it would seem to have heard of a signal that SIGCONT then
		 * undoes. */
		while (state_of(parent) != 'S' && (!for_ever || read(gate[0], &c, 1) < 0))
			burn_ms(1);
		must(kill(parent, SIGSTOP) == 0);
		await(parent, true);
		must(kill(parent, SIGCONT) == 0);
		await(parent, false);
	}
	must(write(data[1], "c", 1) == 1);
	_exit(0);
}

static long reads(void)
{
	char c;

	return read(data[0], &c, 1);
}

static long polls(void)
{
	struct pollfd p = {.fd = data[0], .events = POLLIN};
	long n = poll(&p, 1, 10000);

	return n == 1 ? reads() : n;
}

static long selects(void)
{
	struct timeval t = {.tv_sec = 10};
	fd_set set;
	long n;

	FD_ZERO(&set);
	FD_SET(data[0], &set);
	n = select(data[0] + 1, &set, NULL, NULL, &t);
	return n == 1 ? reads() : n;
}

static long sleeps(void)
{
	struct timespec t = {.tv_nsec = LASTS_MS * 1000000L};
	uint64_t start = now_ns();
	long r = nanosleep(&t, NULL);

	must(now_ns() - start >= LASTS_MS * 1000000ULL);
	return r < 0 ? r : reads();
}

static long sleeps_until(void)
{
	uint64_t end = now_ns() + LASTS_MS * 1000000ULL;
	struct timespec t = {.tv_sec = (time_t)(end / 1000000000), .tv_nsec = (long)(end % 1000000000)};
	int r = clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);

	must(now_ns() >= end);
	errno = r;
	return r ? -1 : reads();
}

static long waits_for_child(void)
{
	return waitpid(-1, NULL, 0) > 0 ? reads() : -1;
}

static long polls_epoll(void)
{
	struct epoll_event e = {.events = EPOLLIN};
	int fd = epoll_create1(0), p[2];
	long n;

	must(fd >= 0 && pipe(p) == 0 && epoll_ctl(fd, EPOLL_CTL_ADD, p[0], &e) == 0);
	n = epoll_wait(fd, &e, 1, -1);
	must(n < 0 && errno == EINTR && close(p[0]) == 0 && close(p[1]) == 0 && close(fd) == 0);
	errno = EINTR;
	return n;
}

static long waits_for_signal(void)
{
	sigset_t set;

	must(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0);
	return sigwaitinfo(&set, NULL);
}

static long waits_for_semaphore(void)
{
	int id = semget(IPC_PRIVATE, 1, 0600);
	struct sembuf down = {.sem_op = -1};
	long r;

	must(id >= 0);
	r = semop(id, &down, 1);
	must(r < 0 && errno == EINTR && semctl(id, 0, IPC_RMID) == 0);
	errno = EINTR;
	return r;
}

static void one(const char *name, long (*call)(void), bool for_ever)
{
	long r;
	int e;

	must(pipe(gate) == 0 && pipe(data) == 0);
	if (promise_fork() == 0)
		stopper(for_ever);
	r = call();
	e = errno;
	must(close(gate[0]) == 0 && close(gate[1]) == 0);
	while (wait(NULL) > 0 || errno == EINTR)
		;
	must(close(data[0]) == 0 && close(data[1]) == 0);
	errno = e;
	say_result(name, r);
}

static void round_(void)
{
	one("read", reads, false);
	one("poll", polls, false);
	one("select", selects, false);
	one("nanosleep", sleeps, false);
	one("clock_nanosleep", sleeps_until, false);
	one("wait4", waits_for_child, false);
	one("epoll_wait", polls_epoll, true);
	one("rt_sigtimedwait", waits_for_signal, true);
	one("semop", waits_for_semaphore, true);
}

int main(void)
{
	return promise_run(round_);
}
