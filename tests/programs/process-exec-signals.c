/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: exec keeps the mask, what is pending, what is ignored and the interval timer; handlers, the alternate stack
 * and other timers are gone.
 * Proves: execve rt_sigprocmask rt_sigpending rt_sigaction rt_sigtimedwait sigaltstack setitimer getitimer timer_create
 */
#include <errno.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void handler(int sig)
{
	(void)sig;
}

static void prepare(int n)
{
	static char stack[16384];
	const struct sigaction to_handler = {.sa_handler = handler, .sa_flags = SA_ONSTACK};
	const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof(stack)};
	const struct itimerval later = {.it_value = {1000, 0}};
	sigset_t set;
	timer_t id;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigaddset(&set, SIGRTMIN);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && raise(SIGUSR1) == 0);
	for (int i = 0; i < 2; i++)
		must(sigqueue(getpid(), SIGRTMIN, (union sigval){.sival_int = n + i}) == 0);
	must(sigaction(SIGHUP, &to_handler, NULL) == 0 && signal(SIGUSR2, SIG_IGN) != SIG_ERR &&
	     sigaltstack(&alternate, NULL) == 0 && setitimer(ITIMER_REAL, &later, NULL) == 0 &&
	     timer_create(CLOCK_MONOTONIC, NULL, &id) == 0);
}

static void check(int n)
{
	static const struct timespec now;
	struct sigaction was;
	struct itimerval left;
	struct itimerspec none;
	siginfo_t info;
	sigset_t set;
	stack_t alternate;

	must(sigprocmask(SIG_BLOCK, NULL, &set) == 0 && sigismember(&set, SIGUSR1) && sigismember(&set, SIGRTMIN) &&
	     !sigismember(&set, SIGHUP));
	must(sigpending(&set) == 0 && sigismember(&set, SIGUSR1) && !sigismember(&set, SIGUSR2));
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGRTMIN);
	for (int i = 0; i < 2; i++)
		must(sigtimedwait(&set, &info, &now) == SIGRTMIN && info.si_value.sival_int == n + i &&
		     info.si_pid == getpid());
	(void)sigaddset(&set, SIGUSR1);
	must(sigtimedwait(&set, &info, &now) == SIGUSR1 && sigtimedwait(&set, &info, &now) == -1);
	must(sigaction(SIGHUP, NULL, &was) == 0 && was.sa_handler == SIG_DFL);
	must(sigaction(SIGUSR2, NULL, &was) == 0 && was.sa_handler == SIG_IGN && raise(SIGUSR2) == 0);
	must(sigaltstack(NULL, &alternate) == 0 && alternate.ss_flags == SS_DISABLE);
	must(getitimer(ITIMER_REAL, &left) == 0 && left.it_value.tv_sec > 900);
	must(syscall(SYS_timer_gettime, 0, &none) == -1 && errno == EINVAL);
}

int main(int argc, char **argv)
{
	int n = argc > 1 ? atoi(argv[1]) : 0;
	char number[12];

	promise_start();
	if (n)
		check(n);
	if (n >= 6 && promise_done()) {
		(void)printf("kept, and gone\n");
		return 0;
	}
	prepare(n + 1);
	burn_ms(2);
	(void)snprintf(number, sizeof(number), "%d", n + 1);
	(void)execl("/proc/self/exe", argv[0], number, (char *)NULL);
	must(!"execl");
}
