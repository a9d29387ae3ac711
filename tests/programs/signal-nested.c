/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Handlers interrupt handlers, return in the reverse order, and each finds its own frame as it left it.
 * Proves: rt_sigaction tgkill rt_sigreturn
 */
#include <signal.h>
#include <string.h>

#include "promise.h"

static volatile int at;
static char order[64];

static void handler(int sig)
{
	volatile char frame[200];

	memset((char *)frame, sig, sizeof(frame));
	order[at++] = (char)('a' + sig - SIGRTMIN);
	if (sig < SIGRTMIN + 4)
		must(raise(sig + 1) == 0);
	for (size_t i = 0; i < sizeof(frame); i++)
		must(frame[i] == sig);
	order[at++] = (char)('A' + sig - SIGRTMIN);
}

static void round_(void)
{
	struct sigaction sa = {.sa_handler = handler};

	at = 0;
	memset(order, 0, sizeof(order));
	for (int i = 0; i <= 4; i++)
		must(sigaction(SIGRTMIN + i, &sa, NULL) == 0);
	must(raise(SIGRTMIN) == 0);
	say("%s", order);
}

int main(void)
{
	return promise_run(round_);
}
