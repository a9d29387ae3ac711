/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: With O_APPEND each write lands at the end, whoever else has made the file longer meanwhile.
 * Proves: openat write pwrite64 lseek
 */
#include <fcntl.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int a = open("log", O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600);
	int b = open("log", O_RDWR | O_APPEND);
	char all[64];
	ssize_t n;

	must(a >= 0 && b >= 0);
	for (int i = 0; i < 4; i++) {
		must(write(a, "first ", 6) == 6);
		must(lseek(b, 0, SEEK_SET) == 0);
		must(write(b, "second ", 7) == 7);
		say("after round %d at %ld", i, (long)lseek(b, 0, SEEK_CUR));
	}
	/* Linux appends even when a place is given. */
	must(pwrite(b, "last", 4, 0) == 4);
	n = pread(b, all, sizeof(all), 0);
	say("%zd bytes: %.*s", n, (int)n, all);
	must(close(a) == 0 && close(b) == 0 && unlink("log") == 0);
}

int main(void)
{
	return promise_run(round_);
}
