/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Threads that fault all the time each have their own faults, also when other signals come at the
 * same moment.
 * Proves: rt_sigaction rt_sigreturn mprotect setitimer
 */
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

#include "promise.h"

#define PAGE 4096UL
#define THREADS 3

static int faults = 12; /* of each */
static char *page[THREADS];
static __thread int mine;
static __thread volatile int writes, traps, wrong;
static int sums[THREADS][3];
extern const char failing[]; /* the instruction */

static void on_fault(int sig, siginfo_t *si, void *context)
{
	ucontext_t *u = context;

	if (sig == SIGSEGV) {
		writes++;
		wrong += (char *)si->si_addr != page[mine] + 8 || u->uc_mcontext.gregs[REG_ERR] != 6;
		wrong += u->uc_mcontext.gregs[REG_RIP] != (greg_t)(uintptr_t)failing;
		wrong += mprotect(page[mine], PAGE, PROT_READ | PROT_WRITE) != 0;
	} else if (sig == SIGTRAP) {
		traps++;
		wrong += u->uc_mcontext.gregs[REG_TRAPNO] != 3;
	}
}

__attribute__((noinline)) static void fail(char *at)
{
	__asm__ volatile("failing:\n\tmovb $1, (%0)\n\tint3" : : "r"(at) : "memory");
}

static void *thread(void *arg)
{
	mine = (int)(intptr_t)arg;
	for (int i = 0; i < faults; i++) {
		must(mprotect(page[mine], PAGE, PROT_NONE) == 0);
		fail(page[mine] + 8);
	}
	sums[mine][0] = writes;
	sums[mine][1] = traps;
	sums[mine][2] = wrong;
	return NULL;
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO};
	const struct itimerval often = {{0, 500}, {0, 500}}, never = {{0, 0}, {0, 0}};
	pthread_t t[THREADS];
	sigset_t alarms;

	must(sigemptyset(&alarms) == 0 && sigaddset(&alarms, SIGALRM) == 0);
	must(sigaction(SIGSEGV, &sa, NULL) == 0 && sigaction(SIGTRAP, &sa, NULL) == 0 &&
	     sigaction(SIGALRM, &sa, NULL) == 0);
	for (int i = 0; i < THREADS; i++) {
		page[i] = mmap(NULL, PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		must(page[i] != MAP_FAILED && pthread_create(&t[i], NULL, thread, (void *)(intptr_t)i) == 0);
	}
	must(pthread_sigmask(SIG_BLOCK, &alarms, NULL) == 0 && setitimer(ITIMER_REAL, &often, NULL) == 0);
	for (int i = 0; i < THREADS; i++) {
		must(pthread_join(t[i], NULL) == 0 && munmap(page[i], PAGE) == 0);
		say("%d: %d faults, %d traps, %d wrong", i, sums[i][0], sums[i][1], sums[i][2]);
	}
	must(setitimer(ITIMER_REAL, &never, NULL) == 0 && pthread_sigmask(SIG_UNBLOCK, &alarms, NULL) == 0);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		faults = atoi(argv[1]);
	return promise_run(round_);
}
