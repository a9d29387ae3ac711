/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What came while a process stood is handled before the call returns that has stopped it; SIGCONT ends the
 * stop also when it is handled, ignored or blocked, and takes back a stop signal that came before it. Proves: tgkill
 * kill wait4 rt_sigprocmask rt_sigaction
 */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

#define STOPS 3

static volatile sig_atomic_t usr, continued;
static volatile int end_;
static int gate[2];

static void on_usr(int sig)
{
	(void)sig;
	usr++;
}

static void on_cont(int sig)
{
	(void)sig;
	continued++;
}

static void *computes(void *arg)
{
	(void)arg;
	while (!end_)
		;
	return NULL;
}

enum cont { DEFAULT, HANDLED, IGNORED, BLOCKED };

static void set_cont(enum cont how)
{
	sigset_t set;

	must(sigemptyset(&set) == 0 && sigaddset(&set, SIGCONT) == 0);
	if (how == HANDLED)
		must(signal(SIGCONT, on_cont) != SIG_ERR);
	if (how == IGNORED)
		must(signal(SIGCONT, SIG_IGN) != SIG_ERR);
	if (how == BLOCKED)
		must(signal(SIGCONT, on_cont) != SIG_ERR && sigprocmask(SIG_BLOCK, &set, NULL) == 0);
}

static void child(enum cont how, bool threads)
{
	sigset_t mine, old;
	pthread_t thread;
	char byte;

	usr = continued = 0;
	end_ = 0;
	must(signal(SIGUSR1, on_usr) != SIG_ERR);
	set_cont(how);
	/* What is sent to the process is for the main thread. */
	must(sigemptyset(&mine) == 0 && sigaddset(&mine, SIGUSR1) == 0 && sigaddset(&mine, SIGCONT) == 0);
	must(pthread_sigmask(SIG_BLOCK, &mine, &old) == 0);
	must(!threads || pthread_create(&thread, NULL, computes, NULL) == 0);
	must(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
	for (int i = 1; i <= STOPS; i++) {
		must(raise(SIGSTOP) == 0);
		must(usr == i && continued == (how == HANDLED ? i : 0));
		must(read(gate[0], &byte, 1) == 1); /* before that it must not stop again */
	}
	end_ = 1;
	must(!threads || pthread_join(thread, NULL) == 0);
	_exit(40 + how);
}

static void one(const char *name, enum cont how, bool threads)
{
	int status;
	pid_t pid;

	must(pipe(gate) == 0);
	pid = promise_fork();
	if (pid == 0)
		child(how, threads);
	for (int i = 0; i < STOPS; i++) {
		must(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
		must(kill(pid, SIGUSR1) == 0 && kill(pid, SIGTSTP) == 0);
		burn_ms(2);
		must(waitpid(pid, &status, WUNTRACED | WCONTINUED | WNOHANG) == 0);
		must(kill(pid, SIGCONT) == 0);
		must(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
		must(write(gate[1], "g", 1) == 1);
	}
	must(waitpid(pid, &status, 0) == pid && close(gate[0]) == 0 && close(gate[1]) == 0);
	say("%s%s: exit %d", name, threads ? ", with a thread" : "", WEXITSTATUS(status));
}

static void round_(void)
{
	for (int threads = 0; threads < 2; threads++) {
		one("SIGCONT", DEFAULT, threads);
		one("handled", HANDLED, threads);
		one("ignored", IGNORED, threads);
		one("blocked", BLOCKED, threads);
	}
}

int main(void)
{
	return promise_run(round_);
}
