/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Jumping out of a handler leads back to the place with the mask that was kept, from inside a call as well.
 * Proves: rt_sigprocmask setitimer
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "promise.h"

static sigjmp_buf back;

static void on_alarm(int sig)
{
	siglongjmp(back, sig);
}

static void round_(void)
{
	struct itimerval it = {.it_value = {.tv_usec = 10000}}, off = {0};
	sigset_t now;
	volatile int jumps = 0;
	int p[2];
	char c;

	must(pipe(p) == 0 && signal(SIGALRM, on_alarm) != SIG_ERR);
	while (jumps < 4) {
		if (sigsetjmp(back, 1) == 0) {
			must(setitimer(ITIMER_REAL, &it, NULL) == 0);
			(void)!read(p[0], &c, 1);
			must(!"the end of the read");
		}
		jumps++;
		must(sigprocmask(SIG_BLOCK, NULL, &now) == 0 && sigismember(&now, SIGALRM) == 0);
	}
	must(setitimer(ITIMER_REAL, &off, NULL) == 0 && close(p[0]) == 0 && close(p[1]) == 0);
	say("jumped out of %d waits", jumps);
}

int main(void)
{
	return promise_run(round_);
}
