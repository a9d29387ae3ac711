/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: select leaves in its sets what is ready, and what was left of the time in the timeout.
 * Proves: pselect6
 */
#include <sys/select.h>
#include <sys/time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct timeval tv = {.tv_sec = 50}, short_ = {.tv_usec = 20000};
	int a[2], b[2], n;
	uint64_t t;
	fd_set r, w;

	must(pipe(a) == 0 && pipe(b) == 0 && write(a[1], "x", 1) == 1);
	n = b[1] + 1;
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_SET(a[0], &r);
	FD_SET(b[0], &r);
	FD_SET(b[1], &w);
	say_result("ready", select(n, &r, &w, NULL, &tv));
	say("%d %d %d", FD_ISSET(a[0], &r) != 0, FD_ISSET(b[0], &r) != 0, FD_ISSET(b[1], &w) != 0);
	say("left of 50 s: %d", tv.tv_sec >= 40 && tv.tv_sec < 51);
	FD_ZERO(&r);
	FD_SET(b[0], &r);
	t = now_ns();
	say_result("nothing", select(n, &r, NULL, NULL, &short_));
	must(took_ms(t, 20, 60000));
	say("left %ld.%06ld", (long)short_.tv_sec, (long)short_.tv_usec);
	must(close(b[0]) == 0);
	FD_SET(b[0], &r);
	say_result("no descriptor", select(n, &r, NULL, NULL, &tv));
	say_result("negative", select(-1, NULL, NULL, NULL, &tv));
	must(close(a[0]) == 0 && close(a[1]) == 0 && close(b[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
