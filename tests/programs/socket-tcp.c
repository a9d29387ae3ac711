/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A connection over the loopback carries every byte once and in order, both ways at the same time.
 * Proves: socket bind listen connect accept4 sendto recvfrom
 */
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

#define TOTAL 300000

static void talk(int fd, unsigned seed)
{
	static unsigned char out[5000], in[5000];
	size_t sent = 0, got = 0;

	while (got < TOTAL) {
		size_t n = TOTAL - sent < sizeof(out) ? TOTAL - sent : sizeof(out);
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			out[i] = (unsigned char)((sent + i) * seed >> 3);
		if (n) {
			r = send(fd, out, n, 0);
			must(r > 0);
			sent += (size_t)r;
		}
		r = recv(fd, in, sizeof(in), 0);
		must(r > 0);
		for (ssize_t i = 0; i < r; i++)
			must(in[i] == (unsigned char)((got + (size_t)i) * (8 - seed) >> 3));
		got += (size_t)r;
	}
	while (sent < TOTAL) {
		size_t n = TOTAL - sent < sizeof(out) ? TOTAL - sent : sizeof(out);
		ssize_t r;

		for (size_t i = 0; i < n; i++)
			out[i] = (unsigned char)((sent + i) * seed >> 3);
		r = send(fd, out, n, 0);
		must(r > 0);
		sent += (size_t)r;
	}
}

static void round_(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM, 0), s, status;
	pid_t pid;

	must(l >= 0 && bind(l, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(l, 1) == 0);
	must(getsockname(l, (struct sockaddr *)&sa, &n) == 0);
	pid = promise_fork();
	if (pid == 0) {
		s = socket(AF_INET, SOCK_STREAM, 0);
		must(connect(s, (struct sockaddr *)&sa, sizeof(sa)) == 0);
		talk(s, 3);
		_exit(0);
	}
	s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	must(s >= 0 && fcntl(s, F_GETFD) == FD_CLOEXEC);
	talk(s, 5);
	must(waitpid(pid, &status, 0) == pid && status == 0 && close(s) == 0 && close(l) == 0);
	say("%d bytes each way", TOTAL);
}

int main(void)
{
	return promise_run(round_);
}
