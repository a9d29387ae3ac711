/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: MSG_WAITALL waits for all that was asked for, or for the end.
 * Proves: recvfrom
 */
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[32] = "";
	int s[2], status;
	ssize_t n;
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	pid = promise_fork();
	if (pid == 0) {
		for (int i = 0; i < 5; i++) {
			must(send(s[0], "piece", 5, 0) == 5);
			burn_ms(2);
		}
		_exit(0);
	}
	must(close(s[0]) == 0);
	for (n = 0; n < 18;) /* a move may cut it short, as a stop would */
		n += recv(s[1], text + n, 18 - (size_t)n, MSG_WAITALL);
	say("%.18s", text);
	for (n = 0; n < 7;)
		n += recv(s[1], text, 18, MSG_WAITALL);
	say("up to the end %zd, then %zd", n, recv(s[1], text, 18, MSG_WAITALL));
	must(waitpid(pid, &status, 0) == pid && status == 0 && close(s[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
