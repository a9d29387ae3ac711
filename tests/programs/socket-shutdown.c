/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Each direction of a connection ends by itself: the other one goes on.
 * Proves: shutdown
 */
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char c;
	int s[2];

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && signal(SIGPIPE, SIG_IGN) != SIG_ERR);
	must(shutdown(s[0], SHUT_WR) == 0);
	say_result("reading at the other end", read(s[1], &c, 1));
	say_result("writing here", write(s[0], "x", 1));
	say_result("without a signal", send(s[0], "x", 1, MSG_NOSIGNAL));
	say_result("the other direction", write(s[1], "x", 1));
	say_result("arrives", read(s[0], &c, 1));
	must(shutdown(s[0], SHUT_RD) == 0);
	say_result("after its end", read(s[0], &c, 1));
	say_result("how", shutdown(s[0], 9));
	say_result("no socket", shutdown(1, SHUT_RD) < 0 ? -1 : 0);
	must(close(s[0]) == 0 && close(s[1]) == 0 && signal(SIGPIPE, SIG_DFL) != SIG_ERR);
}

int main(void)
{
	return promise_run(round_);
}
