/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Every code of exit, and every signal that ends, is what the parent is told.
 * Proves: exit_group kill wait4
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	const int codes[] = {0, 1, 127, 255, 256, -1}, signals[] = {SIGTERM, SIGKILL, SIGALRM, SIGUSR1, SIGRTMIN + 3};
	struct rlimit none = {0, 0};
	int status;

	for (int i = 0; i < 6; i++) {
		if (promise_fork() == 0)
			_exit(codes[i]);
		must(wait(&status) > 0);
		say("%d: %#x", codes[i], status);
	}
	for (int i = 0; i < 5; i++) {
		if (promise_fork() == 0) {
			must(kill(getpid(), signals[i]) == 0);
			_exit(0);
		}
		must(wait(&status) > 0);
		say("signal %d: %#x", signals[i], status);
	}
	if (promise_fork() == 0) {
		must(setrlimit(RLIMIT_CORE, &none) == 0);
		abort();
	}
	must(wait(&status) > 0);
	say("abort: signal %d", WTERMSIG(status));
}

int main(void)
{
	return promise_run(round_);
}
