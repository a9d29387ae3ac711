/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Each protection holds for its pages: what it forbids is a fault, what it allows works.
 * Proves: mprotect rt_sigreturn
 */
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>

#include "promise.h"

static sigjmp_buf back;

static void on_segv(int sig)
{
	siglongjmp(back, sig);
}

static bool readable(volatile char *p)
{
	if (sigsetjmp(back, 1))
		return false;
	(void)*p;
	return true;
}

static bool writable(volatile char *p)
{
	if (sigsetjmp(back, 1))
		return false;
	*p = 'w';
	return true;
}

static void round_(void)
{
	char *p = mmap(NULL, 5 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED && signal(SIGSEGV, on_segv) != SIG_ERR);
	memset(p, 'm', 5 * 4096);
	must(mprotect(p + 4096, 4096, PROT_READ) == 0 && mprotect(p + 2 * 4096, 4096, PROT_NONE) == 0);
	for (int i = 0; i < 5; i++)
		say("%d%d", readable(p + i * 4096), writable(p + i * 4096 + 1));
	must(mprotect(p, 5 * 4096, PROT_READ | PROT_WRITE) == 0);
	say("%016llx", (unsigned long long)hash(0, p, 5 * 4096));
	say_result("not aligned", mprotect(p + 1, 4096, PROT_READ));
	must(munmap(p + 4096, 4096) == 0);
	say_result("with a hole", mprotect(p, 3 * 4096, PROT_READ));
	must(munmap(p, 5 * 4096) == 0 && signal(SIGSEGV, SIG_DFL) != SIG_ERR);
}

int main(void)
{
	return promise_run(round_);
}
