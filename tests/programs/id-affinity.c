/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The CPUs on which a process may run are home's, are set and told.
 * Proves: sched_getaffinity sched_setaffinity getcpu
 */
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	cpu_set_t all, one, now;
	unsigned cpu = 9999;
	int first = 0;

	must(sched_getaffinity(0, sizeof(all), &all) == 0);
	while (!CPU_ISSET(first, &all))
		first++;
	CPU_ZERO(&one);
	CPU_SET(first, &one);
	must(sched_setaffinity(0, sizeof(one), &one) == 0 && sched_getaffinity(0, sizeof(now), &now) == 0);
	say("on one %d", CPU_EQUAL(&one, &now));
	must(syscall(SYS_getcpu, &cpu, NULL, NULL) == 0);
	say("that one %d", cpu == (unsigned)first);
	CPU_ZERO(&one);
	say_result("on none", sched_setaffinity(0, sizeof(one), &one));
	must(sched_setaffinity(0, sizeof(all), &all) == 0 && sched_getaffinity(0, sizeof(now), &now) == 0);
	say("on all %d", CPU_EQUAL(&all, &now));
}

int main(void)
{
	return promise_run(round_);
}
