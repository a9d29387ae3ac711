/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Pages given to a pipe by vmsplice are read from it as bytes, and bytes of a pipe are mapped back by it.
 * Proves: vmsplice
 */
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char pages[8192] __attribute__((aligned(4096)));
	char back[8192];
	struct iovec iov[2] = {{pages, 4096}, {pages + 5000, 100}}, in = {back, sizeof(back)};
	uint64_t s = 9;
	int p[2];

	for (size_t i = 0; i < sizeof(pages); i++)
		pages[i] = (char)xorshift(&s);
	must(pipe(p) == 0);
	say_result("given", vmsplice(p[1], iov, 2, 0));
	must(read(p[0], back, sizeof(back)) == 4196);
	must(memcmp(back, pages, 4096) == 0 && memcmp(back + 4096, pages + 5000, 100) == 0);
	must(write(p[1], "to user memory", 14) == 14);
	say_result("taken", vmsplice(p[0], &in, 1, 0));
	say("%.14s", back);
	say_result("no pipe", vmsplice(1, iov, 1, 0) < 0 ? -1 : 0);
	must(close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
