/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: tee copies what is in a pipe to another without taking it.
 * Proves: tee
 */
#include <fcntl.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[16] = "";
	int a[2], b[2];

	must(pipe(a) == 0 && pipe(b) == 0 && write(a[1], "twice", 5) == 5);
	say_result("all", tee(a[0], b[1], 100, 0));
	say_result("a part", tee(a[0], b[1], 2, SPLICE_F_NONBLOCK));
	must(read(b[0], text, sizeof(text)) == 7);
	say("%s", text);
	must(read(a[0], text, sizeof(text)) == 5);
	say_result("an empty one", tee(a[0], b[1], 1, SPLICE_F_NONBLOCK));
	say_result("onto itself", tee(a[0], a[1], 1, 0));
	must(close(a[1]) == 0);
	say_result("its end", tee(a[0], b[1], 1, 0));
	must(close(a[0]) == 0 && close(b[0]) == 0 && close(b[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
