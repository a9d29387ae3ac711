/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A signal that a process sends to itself has run its handler before the call returns.
 * Proves: kill tgkill tkill rt_sigqueueinfo
 */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_usr1(int sig)
{
	(void)sig;
	heard++;
}

static void round_(void)
{
	struct sigaction sa = {.sa_handler = on_usr1};

	heard = 0;
	must(sigaction(SIGUSR1, &sa, NULL) == 0);
	for (int i = 0; i < 5; i++) {
		int before = heard;

		must(kill(getpid(), SIGUSR1) == 0 && heard == before + 1);
		must(raise(SIGUSR1) == 0 && heard == before + 2);
		must(syscall(SYS_tkill, gettid(), SIGUSR1) == 0 && heard == before + 3);
		must(sigqueue(getpid(), SIGUSR1, (union sigval){0}) == 0 && heard == before + 4);
	}
	say("heard %d", heard);
	say_result("signal 0", kill(getpid(), 0));
	say_result("no such process", kill(0x3fffff, 0));
	say_result("no such signal", kill(getpid(), 99));
}

int main(void)
{
	return promise_run(round_);
}
