/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: POSIX timers tick by their signal with their value, count what was not heard, and tell what is left.
 * Proves: timer_create timer_settime timer_gettime timer_getoverrun
 */
#include <signal.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard, value, code;

static void on_timer(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	heard += 1 + timer_getoverrun(*(timer_t *)si->si_value.sival_ptr);
	code = si->si_code;
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO};
	static timer_t id, silent;
	struct sigevent ev = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN, .sigev_value.sival_ptr = &id};
	struct sigevent quiet = {.sigev_notify = SIGEV_NONE};
	struct itimerspec it = {.it_value = {.tv_nsec = 5000000}, .it_interval = {.tv_nsec = 5000000}}, now;
	uint64_t t = now_ns();

	heard = code = 0;
	must(sigaction(SIGRTMIN, &sa, NULL) == 0 && timer_create(CLOCK_MONOTONIC, &ev, &id) == 0);
	must(timer_settime(id, 0, &it, NULL) == 0);
	while (heard < 8)
		burn_ms(1);
	must(took_ms(t, 40, 60000) && timer_gettime(id, &now) == 0);
	say("every %ld ns, code %d", now.it_interval.tv_nsec, code);
	/* Its handler runs no more. */
	must(timer_delete(id) == 0);
	must(timer_create(CLOCK_REALTIME, &quiet, &silent) == 0);
	it = (struct itimerspec){.it_value = {.tv_sec = 1}};
	must(timer_settime(silent, TIMER_ABSTIME, &it, NULL) == 0 && timer_gettime(silent, &now) == 0);
	say("long over %ld, overrun %d", (long)now.it_value.tv_sec, timer_getoverrun(silent));
	must(timer_delete(silent) == 0);
	say_result("no clock", timer_create(77, &quiet, &silent));
	say_result("no timer", syscall(SYS_timer_gettime, 0x7fff, &now));
	(void)value;
}

int main(void)
{
	return promise_run(round_);
}
