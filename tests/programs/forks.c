/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: children see their parent's memory as it was, parents reap each child once with its own status.
 * Proves: write pipe2 clone close read exit_group wait4 getpid clock_gettime
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static uint64_t table[4096];

/* parent | stage | stage | parent: each stage adds to what passes. */
static void pipeline(void)
{
	int a[2], b[2], c[2], status;
	uint64_t v, sum = 0;
	pid_t first, second;

	must(pipe(a) == 0 && pipe(b) == 0 && pipe(c) == 0);
	first = promise_fork();
	must(first >= 0);
	if (first == 0) {
		(void)close(a[1]);
		while (read(a[0], &v, sizeof(v)) == sizeof(v)) {
			v += table[v % 4096];
			must(write(b[1], &v, sizeof(v)) == sizeof(v));
		}
		_exit(11);
	}
	second = promise_fork();
	must(second >= 0);
	if (second == 0) {
		(void)close(a[1]);
		(void)close(b[1]);
		while (read(b[0], &v, sizeof(v)) == sizeof(v)) {
			v *= 3;
			must(write(c[1], &v, sizeof(v)) == sizeof(v));
		}
		_exit(12);
	}
	(void)close(b[1]);
	(void)close(c[1]);
	for (uint64_t i = 0; i < 50; i++) {
		must(write(a[1], &i, sizeof(i)) == sizeof(i));
		must(read(c[0], &v, sizeof(v)) == sizeof(v));
		sum = hash(sum, &v, sizeof(v));
	}
	must(close(a[1]) == 0 && read(c[0], &v, sizeof(v)) == 0);
	must(waitpid(first, &status, 0) == first && WEXITSTATUS(status) == 11);
	must(waitpid(second, &status, 0) == second && WEXITSTATUS(status) == 12);
	must(close(a[0]) == 0 && close(b[0]) == 0 && close(c[0]) == 0);
	say("pipeline %016llx", (unsigned long long)sum);
}

static void tree(void)
{
	unsigned seen = 0;
	int status;

	for (int i = 0; i < 6; i++) {
		pid_t pid = promise_fork();

		must(pid >= 0);
		if (pid == 0) {
			pid_t mine = getpid();

			burn_ms((unsigned)(5 * i));
			must(mine == getpid());
			_exit((int)(table[i] & 31) + i);
		}
	}
	for (pid_t pid; (pid = wait(&status)) > 0;)
		seen += (unsigned)WEXITSTATUS(status) * 100 + 1;
	must(errno == ECHILD);
	say("tree %u", seen);
}

static void round_(void)
{
	uint64_t s = 99;

	for (int i = 0; i < 4096; i++)
		table[i] = xorshift(&s) % 1000;
	pipeline();
	tree();
}

int main(void)
{
	return promise_run(round_);
}
