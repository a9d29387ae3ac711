/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A pipe in packet mode keeps the bounds of what was written, and drops what a reader has no room for.
 * Proves: pipe2 read write
 */
#include <fcntl.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[16] = "";
	int p[2];

	must(pipe2(p, O_DIRECT) == 0);
	must(write(p[1], "one", 3) == 3 && write(p[1], "second", 6) == 6 && write(p[1], "third", 5) == 5);
	say_result("first", read(p[0], text, sizeof(text)));
	say_result("second, with room for two", read(p[0], text, 2));
	say_result("third", read(p[0], text, sizeof(text)));
	say("%.5s", text);
	must(close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
