/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: copy_file_range copies inside the kernel from place to place and moves both on.
 * Proves: copy_file_range
 */
#include <fcntl.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[64] = "";
	int a = open("a", O_CREAT | O_RDWR | O_TRUNC, 0600), b = open("b", O_CREAT | O_RDWR | O_TRUNC, 0600), p[2];
	off_t from = 4, to = 2;
	ssize_t n;

	must(a >= 0 && b >= 0 && pipe(p) == 0 && write(a, "abcdefghijklmnop", 16) == 16);
	say_result("places", copy_file_range(a, &from, b, &to, 5, 0));
	say("%ld %ld", (long)from, (long)to);
	say_result("more than there is", copy_file_range(a, &from, b, &to, 100, 0));
	say_result("at the end", copy_file_range(a, &from, b, &to, 100, 0));
	must(lseek(a, 0, SEEK_SET) == 0);
	say_result("positions", copy_file_range(a, NULL, b, NULL, 2, 0));
	n = pread(b, text, sizeof(text), 0);
	say("%zd: %s", n, text);
	say_result("a pipe", copy_file_range(p[0], NULL, b, NULL, 1, 0));
	say_result("flags", copy_file_range(a, NULL, b, NULL, 1, 1));
	must(close(a) == 0 && close(b) == 0 && close(p[0]) == 0 && close(p[1]) == 0);
	must(unlink("a") == 0 && unlink("b") == 0);
}

int main(void)
{
	return promise_run(round_);
}
