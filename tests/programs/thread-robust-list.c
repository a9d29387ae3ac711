/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The list of robust futexes is registered and told again, and rseq is registered once.
 * Proves: set_robust_list get_robust_list rseq
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char area[64] __attribute__((aligned(32)));
	void *head = NULL, *again = NULL;
	size_t n = 0;

	must(syscall(SYS_get_robust_list, 0, &head, &n) == 0 && head);
	say("of %zu bytes", n);
	must(syscall(SYS_set_robust_list, head, n) == 0);
	say_result("another size", syscall(SYS_set_robust_list, head, n + 1));
	must(syscall(SYS_get_robust_list, getpid(), &again, &n) == 0 && again == head);
	/* The C library has one; a second cannot be. */
	say_result("rseq", syscall(SYS_rseq, area, 32, 0, 0x53053053) < 0 ? -1 : 0);
}

int main(void)
{
	return promise_run(round_);
}
