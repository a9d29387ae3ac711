/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A pidfd becomes readable when its process ends, sends it signals, and is waited for.
 * Proves: pidfd_open pidfd_send_signal waitid poll
 */
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct pollfd p = {.events = POLLIN};
	siginfo_t si = {0};
	pid_t pid = promise_fork();

	if (pid == 0)
		for (;;)
			(void)pause();
	p.fd = (int)syscall(SYS_pidfd_open, pid, 0);
	must(p.fd >= 0);
	say_result("lives", poll(&p, 1, 0));
	say_result("is there", syscall(SYS_pidfd_send_signal, p.fd, 0, NULL, 0));
	must(syscall(SYS_pidfd_send_signal, p.fd, SIGTERM, NULL, 0) == 0);
	say_result("has ended", poll(&p, 1, 60000));
	must(waitid(P_PIDFD, (id_t)p.fd, &si, WEXITED) == 0);
	say("%d: code %d status %d", si.si_pid == pid, si.si_code, si.si_status);
	say_result("gone", syscall(SYS_pidfd_send_signal, p.fd, 0, NULL, 0));
	say_result("waited for already", waitid(P_PIDFD, (id_t)p.fd, &si, WEXITED));
	say_result("no such process", syscall(SYS_pidfd_open, 0x3fffff, 0));
	must(close(p.fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
