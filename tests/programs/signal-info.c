/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A handler with SA_SIGINFO is told the signal, where it comes from, by whom it was sent and the value.
 * Proves: rt_sigaction kill rt_sigqueueinfo rt_sigreturn
 */
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static siginfo_t last;

static void on_signal(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	last = *si;
}

static void show(const char *what)
{
	say("%s: signal %d code %d from me %d uid %u", what, last.si_signo, last.si_code, last.si_pid == getpid(),
	    last.si_uid);
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	must(sigaction(SIGUSR1, &sa, NULL) == 0 && sigaction(SIGALRM, &sa, NULL) == 0);
	must(kill(getpid(), SIGUSR1) == 0);
	show("kill");
	must(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 4711}) == 0);
	show("sigqueue");
	say("value %d", last.si_value.sival_int);
	must(raise(SIGUSR1) == 0);
	show("raise");
	must(syscall(SYS_tgkill, getpid(), gettid(), SIGUSR1) == 0);
	show("tgkill");
	must(syscall(SYS_tkill, gettid(), SIGUSR1) == 0);
	show("tkill");
}

int main(void)
{
	return promise_run(round_);
}
