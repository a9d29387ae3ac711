/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: ppoll waits with another signal mask, puts the old one back, and does not lose the signal that was let
 * in.
 * Proves: ppoll rt_sigprocmask
 */
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_usr1(int sig)
{
	heard += sig == SIGUSR1;
}

static void round_(void)
{
	struct timespec none = {0}, minute = {.tv_sec = 60};
	struct sigaction sa = {.sa_handler = on_usr1};
	sigset_t block, open_, now;
	int p[2];
	struct pollfd pfd = {.events = POLLIN};

	heard = 0;
	must(pipe(p) == 0 && sigaction(SIGUSR1, &sa, NULL) == 0);
	pfd.fd = p[0];
	(void)sigemptyset(&open_);
	(void)sigemptyset(&block);
	(void)sigaddset(&block, SIGUSR1);
	must(sigprocmask(SIG_BLOCK, &block, NULL) == 0 && raise(SIGUSR1) == 0);
	say_result("blocked", ppoll(&pfd, 1, &none, NULL));
	say("heard %d", heard);
	say_result("let in", ppoll(&pfd, 1, &minute, &open_));
	say("heard %d", heard);
	must(sigprocmask(SIG_BLOCK, NULL, &now) == 0);
	say("blocked again %d", sigismember(&now, SIGUSR1));
	must(write(p[1], "x", 1) == 1);
	say_result("ready", ppoll(&pfd, 1, NULL, &open_));
	must(sigprocmask(SIG_UNBLOCK, &block, NULL) == 0 && close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
