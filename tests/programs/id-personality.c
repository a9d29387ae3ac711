/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The personality is told, and what may be changed of it is changed.
 * Proves: personality
 */
#include <sys/personality.h>

#include "promise.h"

static void round_(void)
{
	int was = personality(0xffffffff);

	must(was >= 0);
	say("%x", (unsigned)was);
	must(personality((unsigned long)was | 0x0400000) == was); /* ADDR_COMPAT_LAYOUT: for the next exec */
	say("%x", (unsigned)personality(0xffffffff));
	must(personality((unsigned long)was) >= 0);
}

int main(void)
{
	return promise_run(round_);
}
