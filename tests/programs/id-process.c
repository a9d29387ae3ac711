/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The ids of a process, its parent, its group and its session are home's.
 * Proves: getpid gettid getppid getpgid getpgrp getsid
 */
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static pid_t first[6];
	pid_t now[6];

	for (int i = 0; i < 8; i++) {
		now[0] = getpid();
		now[1] = gettid();
		now[2] = getppid();
		now[3] = getpgid(0);
		now[4] = getsid(0);
		now[5] = (pid_t)syscall(SYS_getpgrp);
		if (!first[0])
			memcpy(first, now, sizeof(first));
		must(memcmp(first, now, sizeof(first)) == 0);
	}
	say("main thread %d, leader of its group %d", now[0] == now[1], now[0] == now[3]);
}

int main(void)
{
	return promise_run(round_);
}
