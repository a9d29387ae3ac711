/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The bases of FS and GS are kept, and set and told by arch_prctl.
 * Proves: arch_prctl
 */
#include <asm/prctl.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static __thread int mine = 5;

static void round_(void)
{
	static uint64_t area[4] = {11, 22, 33, 44};
	unsigned long fs = 0, gs = 0, was = 0;
	uint64_t seen = 0;

	must(syscall(SYS_arch_prctl, ARCH_GET_FS, &fs) == 0 && fs == (unsigned long)pthread_self());
	must(syscall(SYS_arch_prctl, ARCH_GET_GS, &was) == 0);
	must(syscall(SYS_arch_prctl, ARCH_SET_GS, area) == 0);
	for (int i = 0; i < 4; i++) {
		burn_ms(1);
		__asm__ volatile("movq %%gs:(%1), %0" : "=r"(seen) : "r"((uint64_t)i * 8));
		must(seen == area[i] && getppid() > 0);
	}
	must(syscall(SYS_arch_prctl, ARCH_GET_GS, &gs) == 0 && gs == (unsigned long)area);
	must(syscall(SYS_arch_prctl, ARCH_SET_GS, was) == 0 && mine == 5);
	say("kept");
	say_result("not in user memory", syscall(SYS_arch_prctl, ARCH_SET_GS, 1UL << 63));
	say_result("no such", syscall(SYS_arch_prctl, 0x7777, 0));
}

int main(void)
{
	return promise_run(round_);
}
