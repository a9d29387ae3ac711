/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A name for anonymous memory is taken, and huge pages are asked for and forbidden, without changing what
 * is in it.
 * Proves: prctl madvise
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/prctl.h>

#include "promise.h"

static void round_(void)
{
	const size_t n = 4 << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	must(p != MAP_FAILED);
	(void)madvise(p, n, MADV_HUGEPAGE);
	for (size_t i = 0; i < n; i += 1000)
		p[i] = (char)(i / 1000);
	must(prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, p, n / 2, "my memory") == 0 || errno == EINVAL);
	(void)madvise(p, n / 2, MADV_NOHUGEPAGE);
	say("%016llx", (unsigned long long)hash(0, p, n));
	must(munmap(p, n) == 0);
	say("huge pages disabled %d", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
}

int main(void)
{
	return promise_run(round_);
}
