/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The policies of a batch and of an idle process are set and told, and a real-time one keeps its promise at
 * home.
 * Proves: sched_setscheduler sched_getscheduler sched_setattr sched_getattr
 */
#include <errno.h>
#include <sched.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct sched_param zero = {0}, one = {.sched_priority = 1};
	uint32_t attr[14] = {sizeof(attr), SCHED_BATCH};
	int status;

	if (promise_fork() == 0) {
		must(sched_setscheduler(0, SCHED_BATCH, &zero) == 0 && sched_getscheduler(0) == SCHED_BATCH);
		must(sched_setscheduler(0, SCHED_IDLE, &zero) == 0 && sched_getscheduler(0) == SCHED_IDLE);
		must(syscall(SYS_sched_setattr, 0, attr, 0) == 0 && sched_getscheduler(0) == SCHED_BATCH);
		must(syscall(SYS_sched_getattr, 0, attr, sizeof(attr), 0) == 0 && attr[1] == SCHED_BATCH);
		must(sched_setscheduler(0, SCHED_OTHER, &one) == -1 && errno == EINVAL);
		if (sched_setscheduler(0, SCHED_FIFO, &one) == 0) {
			must(sched_getscheduler(0) == SCHED_FIFO);
			burn_ms(1);
			must(sched_setscheduler(0, SCHED_OTHER, &zero) == 0);
		}
		_exit(3);
	}
	must(wait(&status) > 0);
	say("the child %#x, we %d", status, sched_getscheduler(0));
}

int main(void)
{
	return promise_run(round_);
}
