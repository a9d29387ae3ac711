/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A program that finds out by faults which of its pages are written, as collectors of garbage do, has each
 * fault once, however often it makes the round.
 * Proves: rt_sigaction rt_sigreturn mprotect
 */
#include <signal.h>
#include <sys/mman.h>

#include "promise.h"

#define PAGE 4096UL
#define PAGES_MAX 1000UL

static size_t pages = 20;
static char *heap;
static volatile unsigned faults[PAGES_MAX], strangers;

static void on_write(int sig, siginfo_t *si, void *context)
{
	size_t page = (size_t)((char *)si->si_addr - heap) / PAGE;

	(void)sig;
	(void)context;
	if (page >= pages || mprotect(heap + page * PAGE, PAGE, PROT_READ | PROT_WRITE) != 0)
		strangers++;
	else
		faults[page]++;
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_write, .sa_flags = SA_SIGINFO};
	unsigned once = 0;

	heap = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	must(heap != MAP_FAILED && sigaction(SIGSEGV, &sa, NULL) == 0);
	must(mprotect(heap, pages * PAGE, PROT_READ) == 0);
	for (size_t i = 0; i < pages; i++)
		faults[i] = 0;
	for (size_t i = 0; i < 3 * pages; i++)
		((volatile char *)heap)[i % pages * PAGE + i] = 1;
	for (size_t i = 0; i < pages; i++)
		once += faults[i] == 1;
	say("%u of %zu pages had one fault, %u others", once, pages, strangers);
	must(munmap(heap, pages * PAGE) == 0 && signal(SIGSEGV, SIG_DFL) != SIG_ERR);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		pages = strtoul(argv[1], NULL, 10);
	must(pages <= PAGES_MAX);
	return promise_run(round_);
}
