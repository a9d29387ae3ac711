/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Bytes go through a chain of processes, each of which changes them and moves when it likes.
 * Proves: pipe2 read write wait4
 */
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void stage(int in, int out)
{
	char buf[1000];
	ssize_t n;

	while ((n = read(in, buf, sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			buf[i] = (char)(buf[i] + 1);
		must(write(out, buf, (size_t)n) == n);
	}
	must(n == 0);
	_exit(0);
}

static void round_(void)
{
	char buf[1000];
	int first[2], in, n = 0, status;
	ssize_t r;
	uint64_t h = 0;

	must(pipe(first) == 0);
	in = first[0];
	for (int i = 0; i < 3; i++) {
		int p[2];

		must(pipe(p) == 0);
		if (promise_fork() == 0) {
			must(close(first[1]) == 0 && close(p[0]) == 0);
			stage(in, p[1]);
		}
		must(close(in) == 0 && close(p[1]) == 0);
		in = p[0];
	}
	for (int i = 0; i < 20; i++)
		must(write(first[1], "a chain of processes ", 21) == 21);
	must(close(first[1]) == 0);
	while ((r = read(in, buf, sizeof(buf))) > 0) {
		h = hash(h, buf, (size_t)r);
		n += (int)r;
	}
	must(close(in) == 0);
	for (int i = 0; i < 3; i++)
		must(wait(&status) > 0 && status == 0);
	say("%d bytes, %016llx", n, (unsigned long long)h);
}

int main(void)
{
	return promise_run(round_);
}
