/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The handler of SIGSEGV is told the address and the reason, may mend the memory, and the instruction is
 * made again.
 * Proves: rt_sigaction rt_sigreturn mprotect
 */
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include "promise.h"

static char *page;
static volatile int code, faults;
static volatile long offset;

static void on_segv(int sig, siginfo_t *si, void *context)
{
	(void)sig;
	(void)context;
	faults++;
	code = si->si_code;
	offset = (char *)si->si_addr - page;
	if (mprotect(page, 4096, PROT_READ | PROT_WRITE) != 0)
		_exit(9);
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_segv, .sa_flags = SA_SIGINFO};

	faults = 0;
	page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(page != MAP_FAILED && sigaction(SIGSEGV, &sa, NULL) == 0);
	for (int i = 0; i < 3; i++) {
		must(mprotect(page, 4096, i == 1 ? PROT_NONE : PROT_READ) == 0);
		((volatile char *)page)[100 + i] = (char)i;
		say("fault %d at %ld code %d", faults, offset, code);
	}
	must(page[102] == 2 && munmap(page, 4096) == 0 && signal(SIGSEGV, SIG_DFL) != SIG_ERR);
}

int main(void)
{
	return promise_run(round_);
}
