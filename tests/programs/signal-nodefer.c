/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A signal is blocked while its handler runs, unless SA_NODEFER lets it in; sa_mask blocks others.
 * Proves: rt_sigaction tgkill rt_sigreturn
 */
#include <signal.h>

#include "promise.h"

static volatile int depth, deepest, others;

static void on_usr1(int sig)
{
	depth++;
	deepest = depth > deepest ? depth : deepest;
	if (depth < 3 && deepest < 3)
		must(raise(sig) == 0);
	depth--;
}

static void on_usr2(int sig)
{
	(void)sig;
	others += depth;
}

static void on_both(int sig)
{
	(void)sig;
	depth++;
	must(raise(SIGUSR2) == 0);
	depth--;
}

static void run(const char *what, void (*handler)(int), int flags, bool mask)
{
	struct sigaction sa = {.sa_handler = handler, .sa_flags = flags};

	(void)sigemptyset(&sa.sa_mask);
	if (mask)
		(void)sigaddset(&sa.sa_mask, SIGUSR2);
	depth = deepest = others = 0;
	must(sigaction(SIGUSR1, &sa, NULL) == 0 && raise(SIGUSR1) == 0);
	say("%s: depth %d, the other inside %d", what, deepest, others);
}

static void round_(void)
{
	must(signal(SIGUSR2, on_usr2) != SIG_ERR);
	deepest = 0;
	run("SA_NODEFER", on_usr1, SA_NODEFER, false);
	run("another signal", on_both, 0, false);
	run("masked", on_both, 0, true);
}

int main(void)
{
	return promise_run(round_);
}
