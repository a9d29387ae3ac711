/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Memory is locked and unlocked as at home.
 * Proves: mlock mlockall munlockall munlock
 */
#include <string.h>
#include <sys/mman.h>

#include "promise.h"

static void round_(void)
{
	char *p = mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	memset(p, 'l', 4 * 4096);
	say_result("not locked", munlock(p, 8192));
	say_result("locked", mlock(p, 8192));
	say_result("on touch", mlock2(p + 8192, 4096, MLOCK_ONFAULT));
	must(madvise(p, 4096, MADV_DONTNEED) == -1);
	say_result("locked memory is not given back", -1);
	say_result("unlocked", munlock(p, 4 * 4096));
	say_result("all", mlockall(MCL_FUTURE));
	say_result("none", munlockall());
	say_result("nothing there", mlock((void *)4096, 4096));
	say("%c%c", p[0], p[3 * 4096]);
	must(munmap(p, 4 * 4096) == 0);
}

int main(void)
{
	return promise_run(round_);
}
