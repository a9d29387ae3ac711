/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: epoll, eventfd, timerfd, signalfd and inotify tell a guest what they would tell it at home.
 * Proves: write epoll_create1 epoll_ctl epoll_wait close read kill rt_sigprocmask inotify_init1 unlink
 * timerfd_create timerfd_settime eventfd2 getpid clock_gettime
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "promise.h"

static void timer(int ep)
{
	struct itimerspec it = {.it_value = {.tv_nsec = 30000000}, .it_interval = {.tv_nsec = 20000000}};
	int fd = timerfd_create(CLOCK_MONOTONIC, 0);
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 77};
	uint64_t n, sum = 0, t = now_ns();

	must(fd >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0 && timerfd_settime(fd, 0, &it, NULL) == 0);
	while (sum < 6) {
		must(epoll_wait(ep, &ev, 1, 20000) == 1 && ev.data.u64 == 77);
		must(read(fd, &n, sizeof(n)) == sizeof(n) && n >= 1);
		sum += n;
	}
	must(now_ns() - t >= 130000000 - 1000000);
	must(close(fd) == 0);
	say("timerfd ticks in time");
}

static void counter(int ep)
{
	int fd = eventfd(0, EFD_NONBLOCK);
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u64 = 5}, got[4];
	uint64_t v = 3;

	must(fd >= 0 && epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev) == 0);
	say("nothing %d", epoll_wait(ep, got, 4, 0));
	must(write(fd, &v, 8) == 8 && write(fd, &v, 8) == 8);
	say("edge %d %llu", epoll_wait(ep, got, 4, 10000), (unsigned long long)got[0].data.u64);
	say("no second edge %d", epoll_wait(ep, got, 4, 0));
	must(read(fd, &v, 8) == 8);
	say("eventfd %llu", (unsigned long long)v);
	must(read(fd, &v, 8) == -1 && errno == EAGAIN);
	must(epoll_ctl(ep, EPOLL_CTL_DEL, fd, NULL) == 0 && close(fd) == 0);
}

static void signals(void)
{
	struct signalfd_siginfo si;
	union sigval v = {.sival_int = 4711};
	sigset_t set, old;
	int fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGRTMIN + 4);
	must(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	fd = signalfd(-1, &set, 0);
	must(fd >= 0 && kill(getpid(), SIGUSR1) == 0 && sigqueue(getpid(), SIGRTMIN + 4, v) == 0);
	must(read(fd, &si, sizeof(si)) == sizeof(si));
	say("signalfd USR1 %d from me %d", si.ssi_signo == SIGUSR1, si.ssi_pid == (uint32_t)getpid());
	must(read(fd, &si, sizeof(si)) == sizeof(si));
	say("signalfd RT %d value %d", (int)si.ssi_signo == SIGRTMIN + 4, si.ssi_int);
	must(close(fd) == 0 && sigprocmask(SIG_SETMASK, &old, NULL) == 0);
}

static void watch(void)
{
	char buf[1024];
	struct inotify_event *e = (struct inotify_event *)buf;
	int fd = inotify_init1(0), wd = inotify_add_watch(fd, ".", IN_CREATE | IN_DELETE), f;

	must(fd >= 0 && wd >= 0);
	f = open("noticed.tmp", O_CREAT | O_WRONLY, 0600);
	must(f >= 0 && close(f) == 0 && read(fd, buf, sizeof(buf)) > 0);
	say("inotify %s %s", e->mask & IN_CREATE ? "create" : "?", e->name);
	must(unlink("noticed.tmp") == 0 && read(fd, buf, sizeof(buf)) > 0);
	say("inotify %s %s", e->mask & IN_DELETE ? "delete" : "?", e->name);
	must(close(fd) == 0);
}

static void round_(void)
{
	int ep = epoll_create1(EPOLL_CLOEXEC);

	must(ep >= 0);
	timer(ep);
	counter(ep);
	must(close(ep) == 0);
	signals();
	watch();
}

int main(void)
{
	return promise_run(round_);
}
