/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The environment is what it was made by the program, and what a child is given.
 * Proves: wait4
 */
#include <string.h>

#include "promise.h"

static void round_(void)
{
	char line[64] = "";
	FILE *f;

	must(setenv("GODWIT_A", "one", 1) == 0 && setenv("GODWIT_A", "two", 0) == 0 && putenv("GODWIT_B=three") == 0);
	must(setenv("GODWIT_C", "four", 1) == 0 && unsetenv("GODWIT_C") == 0);
	f = popen("echo $GODWIT_A $GODWIT_B $GODWIT_C.", "r");
	must(f && fgets(line, sizeof(line), f) && pclose(f) == 0);
	say("%.*s", (int)strcspn(line, "\n"), line);
	must(unsetenv("GODWIT_A") == 0 && unsetenv("GODWIT_B") == 0);
}

int main(void)
{
	return promise_run(round_);
}
