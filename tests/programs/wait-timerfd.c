/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A timer descriptor counts its ticks, is never early, tells what is left, and knows absolute times.
 * Proves: timerfd_create timerfd_settime timerfd_gettime read
 */
#include <errno.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct itimerspec it = {.it_value = {.tv_nsec = 10000000}, .it_interval = {.tv_nsec = 5000000}}, old, far;
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), other = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);
	uint64_t n, sum = 0, t = now_ns();

	must(fd >= 0 && other >= 0 && timerfd_settime(fd, 0, &it, NULL) == 0);
	while (sum < 5) {
		must(read(fd, &n, 8) == 8 && n >= 1);
		sum += n;
	}
	must(took_ms(t, 30, 60000));
	far = (struct itimerspec){.it_value = {.tv_sec = 1000}};
	must(timerfd_settime(fd, 0, &far, &old) == 0 && timerfd_gettime(fd, &it) == 0);
	say("interval was %ld ns, left %d", old.it_interval.tv_nsec, it.it_value.tv_sec >= 900);
	say_result("not yet", read(other, &n, 8));
	must(clock_gettime(CLOCK_REALTIME, &it.it_value) == 0);
	it.it_interval = (struct timespec){0};
	must(timerfd_settime(other, TFD_TIMER_ABSTIME, &it, NULL) == 0);
	while (read(other, &n, 8) < 0)
		must(errno == EAGAIN);
	say("absolute, ticks %llu", (unsigned long long)n);
	say_result("a bad clock", timerfd_create(77, 0));
	must(close(fd) == 0 && close(other) == 0);
}

int main(void)
{
	return promise_run(round_);
}
