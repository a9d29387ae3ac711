/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A signal descriptor gives what is pending with its data, in order, and its set can be changed.
 * Proves: signalfd4 rt_sigprocmask rt_sigqueueinfo
 */
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct signalfd_siginfo si[4];
	sigset_t one, both;
	int fd;
	ssize_t n;

	(void)sigemptyset(&one);
	(void)sigaddset(&one, SIGUSR1);
	both = one;
	(void)sigaddset(&both, SIGRTMIN + 2);
	must(sigprocmask(SIG_BLOCK, &both, NULL) == 0);
	fd = signalfd(-1, &one, SFD_NONBLOCK | SFD_CLOEXEC);
	must(fd >= 0);
	say_result("nothing", read(fd, si, sizeof(si)));
	for (int i = 1; i <= 2; i++)
		must(sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = i * 11}) == 0);
	say_result("not in its set", read(fd, si, sizeof(si)));
	must(kill(getpid(), SIGUSR1) == 0 && signalfd(fd, &both, 0) == fd);
	n = read(fd, si, sizeof(si));
	for (int i = 0; i < (int)(n / (ssize_t)sizeof(si[0])); i++)
		say("%d: code %d value %d from me %d", (int)si[i].ssi_signo - SIGRTMIN, si[i].ssi_code, si[i].ssi_int,
		    si[i].ssi_pid == (uint32_t)getpid());
	say_result("too short", read(fd, si, 10));
	must(close(fd) == 0 && sigprocmask(SIG_UNBLOCK, &both, NULL) == 0);
}

int main(void)
{
	return promise_run(round_);
}
