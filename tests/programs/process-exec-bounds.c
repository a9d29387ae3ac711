/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Arguments of any size arrive or are E2BIG: none, 100 KiB, 1 MiB, and both more than the kernel takes and
 * more than travels to home.
 * Proves: execve
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "promise.h"

#define PIECE ((size_t)100 << 10)
#define PIECES 200

static const int sizes[] = {0, 1, 10};

/* So many strings of 100 KiB, each with another letter. */
static void fill(char **args, char *room, int pieces)
{
	for (int i = 0; i < pieces; i++) {
		args[i] = room + (size_t)(i % 26) * PIECE;
		memset(args[i], 'a' + i % 26, PIECE - 1);
	}
	args[pieces] = NULL;
}

static void check(char **args, int pieces)
{
	for (int i = 0; i < pieces; i++)
		must(strlen(args[i]) == PIECE - 1 && args[i][0] == 'a' + i && args[i][PIECE - 2] == 'a' + i);
	must(!args[pieces]);
}

int main(int argc, char **argv)
{
	static char *args[PIECES + 4];
	int n = argc > 1 ? atoi(argv[1]) : 0;
	char *room, number[12];

	promise_start();
	if (argc > 1)
		check(argv + 2, sizes[n % 3]);
	room = calloc(26, PIECE);
	must(room);
	args[0] = "me";
	args[1] = number;
	(void)snprintf(number, sizeof(number), "%d", n + 1);
	fill(args + 2, room, n % 2 ? 70 : PIECES);
	must(execve("/proc/self/exe", args, environ) == -1 && errno == E2BIG);
	if (n >= 6 && promise_done()) {
		(void)printf("all arrived\n");
		return 0;
	}
	burn_ms(2);
	fill(args + 2, room, sizes[(n + 1) % 3]);
	(void)execve("/proc/self/exe", args, environ);
	must(!"execve");
}
