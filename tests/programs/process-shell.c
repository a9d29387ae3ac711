/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A shell with pipelines, redirections, loops and substitution prints what it prints at home.
 * Proves: pipe2 wait4
 */
#include <string.h>

#include "promise.h"

static void round_(void)
{
	static const char script[] = "for i in 1 2 3; do echo $i; done | while read x; do echo \"<$x>\"; done > f\n"
				     "echo $(cat f | sort -r | tr -d '\\n') $((6 * 7)); (exit 3) || echo $?; rm f\n";
	char line[100];
	FILE *f = popen(script, "r");

	must(f);
	while (fgets(line, sizeof(line), f))
		say("%.*s", (int)strcspn(line, "\n"), line);
	say("ended with %d", pclose(f));
	say("system %#x", system("exit 9"));
}

int main(void)
{
	return promise_run(round_);
}
