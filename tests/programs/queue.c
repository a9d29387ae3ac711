/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: queued real-time signals arrive all, in order, each once, with what the sender put into them.
 * Proves: rt_sigaction rt_sigprocmask clone close rt_sigqueueinfo pipe2 read wait4 getpid clock_gettime exit_group
 */
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

#define EACH 20

static volatile sig_atomic_t got[3], wrong;
static volatile pid_t child;

static void on_signal(int sig, siginfo_t *si, void *context)
{
	int k = sig - SIGRTMIN;

	(void)context;
	if (si->si_value.sival_int != got[k] * 10 + k || si->si_code != SI_QUEUE || si->si_pid != child)
		wrong++;
	got[k]++;
}

static void send_all(pid_t parent)
{
	for (int i = 0; i < EACH; i++) {
		for (int k = 0; k < 3; k++) {
			union sigval v = {.sival_int = i * 10 + k};

			while (sigqueue(parent, SIGRTMIN + k, v) < 0)
				must(errno == EAGAIN);
		}
		if (i == EACH / 2)
			burn_ms(10);
	}
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};
	sigset_t set, old;
	int status, gate[2];
	pid_t parent = getpid();

	(void)sigemptyset(&set);
	got[0] = got[1] = got[2] = wrong = 0;
	for (int k = 0; k < 3; k++) {
		(void)sigaddset(&set, SIGRTMIN + k);
		must(sigaction(SIGRTMIN + k, &sa, NULL) == 0);
	}
	must(sigprocmask(SIG_BLOCK, &set, &old) == 0 && pipe(gate) == 0);
	child = promise_fork();
	must(child >= 0);
	if (child == 0) {
		char c;

		(void)close(gate[1]);
		must(read(gate[0], &c, 1) == 0);
		send_all(parent);
		_exit(0);
	}
	must(close(gate[0]) == 0 && close(gate[1]) == 0);
	burn_ms(10);
	must(sigprocmask(SIG_SETMASK, &old, NULL) == 0);
	while (waitpid(child, &status, 0) < 0)
		must(errno == EINTR);
	while (got[0] + got[1] + got[2] < 3 * EACH)
		burn_ms(1);
	say("queued %d %d %d wrong %d child %#x", got[0], got[1], got[2], wrong, status);
}

int main(void)
{
	return promise_run(round_);
}
