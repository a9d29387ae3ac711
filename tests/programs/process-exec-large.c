/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A program gets all of its arguments and its environment, also when they are many and long; too long is
 * E2BIG.
 * Proves: execve
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "promise.h"

#define COUNT 2000

int main(int argc, char **argv)
{
	static char *args[COUNT + 3], *env[302];
	uint64_t h = 0;

	if (argc > 1 && strcmp(argv[1], "after") == 0) {
		for (int i = 0; i < argc; i++)
			h = hash(h, argv[i], strlen(argv[i]));
		for (char **e = environ; *e; e++)
			h = hash(h, *e, strlen(*e));
		(void)printf("%d arguments, %016llx\n", argc, (unsigned long long)h);
		return 0;
	}
	promise_start();
	args[0] = "me";
	args[1] = "after";
	for (int i = 2; i < COUNT + 2; i++)
		must(asprintf(&args[i], "argument %d %*s", i, i % 90, "x") > 0);
	for (int i = 0; i < 300; i++)
		must(asprintf(&env[i], "NAME%d=%*s", i, i * 7 % 1000, "value") > 0);
	do {
		args[2] = calloc(1, 200000); /* longer than one may be */
		must(args[2]);
		memset(args[2], 'a', 199999);
		must(execve("/proc/self/exe", args, env) == -1 && errno == E2BIG);
		free(args[2]);
		args[2] = "short again";
		if (promise_done())
			break;
		burn_ms(2);
	} while (true);
	(void)execve("/proc/self/exe", args, env);
	return 9;
}
