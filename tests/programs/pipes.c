/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: what is written to a pipe is read from it once, in order, also when writer and reader wait and move.
 * Proves: write pipe2 close read rt_sigaction readv clone wait4 exit_group
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

#define TOTAL 700000

static void stream(void)
{
	static unsigned char buf[30000];
	uint64_t s = 5, t = 5, h = 0;
	int p[2], status;
	size_t got = 0;
	pid_t pid;

	must(pipe(p) == 0);
	pid = promise_fork();
	must(pid >= 0);
	if (pid == 0) {
		size_t sent = 0;

		(void)close(p[0]);
		while (sent < TOTAL) {
			size_t n = xorshift(&s) % sizeof(buf) + 1;
			ssize_t w;

			n = n < TOTAL - sent ? n : TOTAL - sent;
			for (size_t i = 0; i < n; i++)
				buf[i] = (unsigned char)((sent + i) * 7 / 3);
			w = write(p[1], buf, n);
			must(w > 0);
			sent += (size_t)w;
		}
		_exit(0);
	}
	must(close(p[1]) == 0);
	for (;;) {
		ssize_t n = read(p[0], buf, xorshift(&t) % sizeof(buf) + 1);

		must(n >= 0);
		if (!n)
			break;
		h = hash(h, buf, (size_t)n);
		got += (size_t)n;
	}
	must(waitpid(pid, &status, 0) == pid && status == 0 && close(p[0]) == 0);
	say("stream %zu %016llx", got, (unsigned long long)h);
}

static void edges(void)
{
	struct iovec iov[3];
	char a[5], b[6], c[7], page[4096];
	int p[2], n = 0;

	must(pipe2(p, O_NONBLOCK) == 0);
	must(read(p[0], a, 1) == -1 && errno == EAGAIN);
	memset(page, 'p', sizeof(page));
	while (write(p[1], page, sizeof(page)) == sizeof(page))
		n++;
	must(errno == EAGAIN);
	say("full after %d pages", n);
	while (read(p[0], page, sizeof(page)) > 0)
		n--;
	say("left %d", n);
	must(write(p[1], "abcdefghijklmnopqr", 18) == 18);
	iov[0] = (struct iovec){a, sizeof(a)};
	iov[1] = (struct iovec){b, sizeof(b)};
	iov[2] = (struct iovec){c, sizeof(c)};
	must(readv(p[0], iov, 3) == 18);
	say("readv %.5s|%.6s|%.7s", a, b, c);
	must(close(p[0]) == 0);
	(void)signal(SIGPIPE, SIG_IGN);
	must(write(p[1], a, 1) == -1 && errno == EPIPE);
	(void)signal(SIGPIPE, SIG_DFL);
	must(close(p[1]) == 0);
}

static void round_(void)
{
	stream();
	edges();
}

int main(void)
{
	return promise_run(round_);
}
