/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The alternate stack is used once, told as in use, not changed meanwhile, and free again after the
 * handlers on it.
 * Proves: sigaltstack rt_sigaction rt_sigreturn tgkill
 */
#include <errno.h>
#include <signal.h>
#include <ucontext.h>

#include "promise.h"

static char room[65536];
static volatile int used, nested, refused;

static bool on_it(void)
{
	char here;

	return &here >= room && &here < room + sizeof(room);
}

static void on_usr2(int sig)
{
	(void)sig;
	nested += on_it();
}

static void on_usr1(int sig, siginfo_t *si, void *context)
{
	const ucontext_t *u = context;
	stack_t now, other = {.ss_sp = room, .ss_size = 20000};

	(void)sig;
	(void)si;
	must(sigaltstack(NULL, &now) == 0);
	used += on_it() && now.ss_flags == SS_ONSTACK && u->uc_stack.ss_sp == room;
	refused += sigaltstack(&other, NULL) == -1 && errno == EPERM;
	must(raise(SIGUSR2) == 0);
}

static void round_(void)
{
	struct sigaction sa = {.sa_sigaction = on_usr1, .sa_flags = SA_SIGINFO | SA_ONSTACK};
	struct sigaction inner = {.sa_handler = on_usr2, .sa_flags = SA_ONSTACK};
	stack_t ss = {.ss_sp = room, .ss_size = sizeof(room)}, now, small = {.ss_sp = room, .ss_size = 100};

	used = nested = refused = 0;
	must(sigaltstack(&ss, NULL) == 0 && sigaction(SIGUSR1, &sa, NULL) == 0 &&
	     sigaction(SIGUSR2, &inner, NULL) == 0);
	for (int i = 0; i < 3; i++)
		must(raise(SIGUSR1) == 0 && !on_it());
	must(sigaltstack(NULL, &now) == 0);
	say("used %d, nested %d, refused %d, flags now %d", used, nested, refused, now.ss_flags);
	say_result("too small", sigaltstack(&small, NULL));
	ss.ss_flags = SS_DISABLE;
	must(sigaltstack(&ss, NULL) == 0 && raise(SIGUSR2) == 0);
	say("nested %d", nested);
}

int main(void)
{
	return promise_run(round_);
}
