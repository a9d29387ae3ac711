/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Policy, priority and niceness are told and set as at home.
 * Proves: sched_getscheduler sched_getparam sched_get_priority_max sched_get_priority_min sched_rr_get_interval
 * getpriority setpriority sched_getattr ioprio_get ioprio_set sched_yield
 */
#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	uint32_t attr[14] = {0};
	struct sched_param param = {.sched_priority = 9};
	struct timespec ts;
	int status;

	say("policy %d", sched_getscheduler(0));
	must(sched_getparam(0, &param) == 0);
	say("priority %d", param.sched_priority);
	say("%d to %d", sched_get_priority_min(SCHED_RR), sched_get_priority_max(SCHED_RR));
	must(sched_rr_get_interval(0, &ts) == 0 && sched_yield() == 0);
	must(syscall(SYS_sched_getattr, 0, attr, sizeof(attr), 0) == 0);
	say("policy %u, size %u", attr[1], attr[0]);
	if (promise_fork() == 0) {
		must(setpriority(PRIO_PROCESS, 0, 11) == 0);
		must(syscall(SYS_ioprio_set, 1, 0, 2 << 13 | 6) == 0 && syscall(SYS_ioprio_get, 1, 0) == (2 << 13 | 6));
		if (promise_fork() == 0)
			_exit(getpriority(PRIO_PROCESS, 0));
		must(wait(&status) > 0);
		_exit(WEXITSTATUS(status));
	}
	must(wait(&status) > 0);
	say("niceness of the grandchild %d", WEXITSTATUS(status));
	say_result("no process", sched_getscheduler(0x3fffff));
	say_result("no policy", sched_get_priority_max(99));
}

int main(void)
{
	return promise_run(round_);
}
