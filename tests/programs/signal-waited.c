/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: sigwaitinfo and sigtimedwait take a blocked signal with its data, without running its handler.
 * Proves: rt_sigtimedwait
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_any(int sig)
{
	(void)sig;
	heard++;
}

static void round_(void)
{
	struct timespec none = {0}, minute = {.tv_sec = 60};
	sigset_t set;
	siginfo_t si;
	int sig, status;
	pid_t pid;

	heard = 0;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGRTMIN);
	must(signal(SIGUSR1, on_any) != SIG_ERR && signal(SIGRTMIN, on_any) != SIG_ERR);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	say_result("nothing", sigtimedwait(&set, &si, &none));
	must(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = 5}) == 0 && raise(SIGUSR1) == 0);
	say_result("first", sigwaitinfo(&set, &si));
	must(sigtimedwait(&set, &si, &minute) == SIGRTMIN);
	say("then the real-time one with %d", si.si_value.sival_int);
	pid = promise_fork();
	if (pid == 0) {
		burn_ms(5);
		must(kill(getppid(), SIGUSR1) == 0);
		_exit(0);
	}
	must(sigwait(&set, &sig) == 0 && waitpid(pid, &status, 0) == pid && status == 0);
	say("waited for %d, handlers %d", sig, heard);
	must(sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

int main(void)
{
	return promise_run(round_);
}
