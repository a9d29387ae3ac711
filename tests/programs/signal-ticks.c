/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A loop that is driven by an interval timer advances by its ticks, while the main program computes.
 * Proves: setitimer rt_sigreturn
 */
#include <signal.h>
#include <sys/time.h>

#include "promise.h"

static volatile sig_atomic_t ticks;

static void on_alarm(int sig)
{
	(void)sig;
	ticks++;
}

static void round_(void)
{
	struct itimerval it = {.it_value = {.tv_usec = 3000}, .it_interval = {.tv_usec = 3000}}, now;
	uint64_t s = 7, t = now_ns();

	ticks = 0;
	must(signal(SIGALRM, on_alarm) != SIG_ERR && setitimer(ITIMER_REAL, &it, NULL) == 0);
	while (ticks < 10)
		xorshift(&s);
	must(took_ms(t, 20, 60000) && getitimer(ITIMER_REAL, &now) == 0);
	say("every %ld us, left %d", (long)now.it_interval.tv_usec, now.it_value.tv_usec <= 3000);
	it = (struct itimerval){0};
	must(setitimer(ITIMER_REAL, &it, &now) == 0);
	say("was every %ld us", (long)now.it_interval.tv_usec);
	must(s != 0);
}

int main(void)
{
	return promise_run(round_);
}
