/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What the system counts for a process is told, by each of the calls. (That CPU time goes on, cputime has.)
 * Proves: getrusage times sysinfo clock_gettime
 */
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct rusage a, b;
	struct tms tms;
	struct sysinfo si;
	struct timespec cpu[2];

	must(getrusage(RUSAGE_SELF, &a) == 0 && syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &cpu[0]) == 0);
	burn_ms(3);
	must(getrusage(RUSAGE_SELF, &b) == 0 && syscall(SYS_clock_gettime, CLOCK_PROCESS_CPUTIME_ID, &cpu[1]) == 0);
	must(a.ru_utime.tv_usec < 1000000 && b.ru_utime.tv_usec < 1000000);
	must(cpu[0].tv_nsec < 1000000000 && cpu[1].tv_nsec < 1000000000);
	must(getrusage(RUSAGE_CHILDREN, &b) == 0 && getrusage(RUSAGE_THREAD, &b) == 0);
	must(times(&tms) != (clock_t)-1 && sysinfo(&si) == 0);
	say("up %d, memory %d, processes %d", si.uptime > 0, si.totalram > 1 << 20, si.procs > 0);
	say_result("of nobody", getrusage(77, &b));
}

int main(void)
{
	return promise_run(round_);
}
