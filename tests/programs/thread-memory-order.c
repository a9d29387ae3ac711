/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A process asks which kinds of membarrier there are, and uses one.
 * Proves: membarrier
 */
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	long kinds = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);

	must(kinds > 0);
	say("global %d, private %d", (kinds & MEMBARRIER_CMD_GLOBAL) != 0,
	    (kinds & MEMBARRIER_CMD_PRIVATE_EXPEDITED) != 0);
	say_result("registered", syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0));
	say_result("made", syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0));
	say_result("no such", syscall(SYS_membarrier, 1 << 30, 0, 0));
}

int main(void)
{
	return promise_run(round_);
}
