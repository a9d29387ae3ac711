/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: An eventfd adds up what is written, gives it at once or one by one, and waits when it is empty or full.
 * Proves: eventfd2 read write
 */
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	uint64_t v = 5, big = UINT64_MAX - 1;
	int e = eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC), s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK), w, status;
	pid_t pid;

	must(e >= 0 && s >= 0 && write(e, &v, 8) == 8 && read(e, &v, 8) == 8);
	say("sum %llu", (unsigned long long)v);
	say_result("empty", read(e, &v, 8));
	must(write(e, &big, 8) == 8);
	v = 1;
	say_result("full", write(e, &v, 8));
	big = UINT64_MAX;
	say_result("no number", write(e, &big, 8));
	say_result("too short", read(e, &v, 4));
	for (int i = 0; i < 3; i++)
		say_result("one by one", read(s, &v, 8));
	w = eventfd(0, 0);
	pid = promise_fork();
	if (pid == 0) {
		burn_ms(8);
		v = 77;
		must(write(w, &v, 8) == 8);
		_exit(0);
	}
	must(read(w, &v, 8) == 8 && waitpid(pid, &status, 0) == pid && status == 0);
	say("waited for %llu", (unsigned long long)v);
	must(close(e) == 0 && close(s) == 0 && close(w) == 0);
}

int main(void)
{
	return promise_run(round_);
}
