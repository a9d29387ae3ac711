/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A guard page ends what runs over it, at every size of the mapping around it.
 * Proves: mmap mprotect
 */
#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

#include "promise.h"

static sigjmp_buf back;

static void on_segv(int sig)
{
	siglongjmp(back, sig);
}

static void round_(void)
{
	volatile size_t at;

	must(signal(SIGSEGV, on_segv) != SIG_ERR);
	for (size_t pages = 1; pages <= 16; pages *= 4) {
		char *p = mmap(NULL, (pages + 1) * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		must(p != MAP_FAILED && mprotect(p + pages * 4096, 4096, PROT_NONE) == 0);
		at = 0;
		if (sigsetjmp(back, 1) == 0)
			for (;; at++)
				((volatile char *)p)[at] = 1;
		say("stopped after %zu", at);
		must(munmap(p, (pages + 1) * 4096) == 0);
	}
	must(signal(SIGSEGV, SIG_DFL) != SIG_ERR);
}

int main(void)
{
	return promise_run(round_);
}
