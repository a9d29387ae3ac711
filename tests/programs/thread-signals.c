/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: each thread has its own signal mask; a signal for one thread reaches that one, one for the process a
 * thread that does not block it.
 * Proves: rt_sigaction rt_sigprocmask tgkill kill getpid exit futex clone3
 */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

#include "promise.h"

static pthread_t receiver;
static volatile sig_atomic_t right, wrong;
static sem_t ready, done;

static void on_signal(int sig)
{
	(void)sig;
	if (pthread_equal(pthread_self(), receiver))
		right = right + 1;
	else
		wrong = wrong + 1;
	(void)sem_post(&done);
}

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0)
		must(errno == EINTR);
}

static void *receive(void *arg)
{
	sigset_t set;

	receiver = pthread_self();
	must(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0);
	must(pthread_sigmask(SIG_UNBLOCK, &set, NULL) == 0);
	must(sem_post(&ready) == 0);
	for (int i = 0; i < 4; i++)
		wait_for(arg);
	return NULL;
}

static void round_(void)
{
	struct sigaction a = {.sa_handler = on_signal}, old;
	sigset_t set, before;
	sem_t go;
	pthread_t t;

	right = wrong = 0;
	must(sem_init(&ready, 0, 0) == 0 && sem_init(&done, 0, 0) == 0 && sem_init(&go, 0, 0) == 0);
	must(sigaction(SIGUSR1, &a, &old) == 0);
	must(sigemptyset(&set) == 0 && sigaddset(&set, SIGUSR1) == 0);
	must(pthread_sigmask(SIG_BLOCK, &set, &before) == 0);
	must(pthread_create(&t, NULL, receive, &go) == 0);
	wait_for(&ready);
	for (int i = 0; i < 4; i++) {
		must(i % 2 ? kill(getpid(), SIGUSR1) == 0 : pthread_kill(t, SIGUSR1) == 0);
		wait_for(&done);
		must(sem_post(&go) == 0);
	}
	must(pthread_join(t, NULL) == 0);
	must(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0 && sigaction(SIGUSR1, &old, NULL) == 0);
	say("right %d wrong %d", (int)right, (int)wrong);
}

int main(void)
{
	return promise_run(round_);
}
