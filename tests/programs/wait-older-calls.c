/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The older ways to make what is waited for: eventfd, signalfd, inotify_init and epoll_create without
 * flags.
 * Proves: eventfd signalfd inotify_init epoll_create epoll_wait faccessat getrlimit
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	uint64_t v = 4, set = 1ULL << (SIGUSR1 - 1), limit[2];
	struct epoll_event ev = {.events = EPOLLIN}, out;
	long e = syscall(SYS_eventfd, 3), s = syscall(SYS_signalfd, -1, &set, 8L), i = syscall(SYS_inotify_init);
	long ep = syscall(SYS_epoll_create, 1);

	must(e >= 0 && s >= 0 && i >= 0 && ep >= 0);
	must(write((int)e, &v, 8) == 8 && epoll_ctl((int)ep, EPOLL_CTL_ADD, (int)e, &ev) == 0);
	say_result("ready", syscall(SYS_epoll_wait, ep, &out, 1, 60000));
	must(read((int)e, &v, 8) == 8);
	say("sum %llu", (unsigned long long)v);
	say_result("no flags", fcntl((int)s, F_GETFD));
	say_result("there", syscall(SYS_faccessat, AT_FDCWD, ".", R_OK));
	must(syscall(SYS_getrlimit, RLIMIT_NOFILE, limit) == 0 && limit[0] <= limit[1]);
	must(close((int)e) == 0 && close((int)s) == 0 && close((int)i) == 0 && close((int)ep) == 0);
}

int main(void)
{
	return promise_run(round_);
}
