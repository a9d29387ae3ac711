/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What a socket cannot do is refused with home's errors.
 * Proves: socket bind connect listen accept getpeername
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
	socklen_t n = sizeof(sa);
	char c;
	int a = socket(AF_INET, SOCK_STREAM, 0), b = socket(AF_INET, SOCK_STREAM, 0);

	must(a >= 0 && b >= 0);
	say_result("a family that is none", socket(999, SOCK_STREAM, 0));
	say_result("a type that is none", socket(AF_UNIX, 99, 0));
	say_result("a pair of the network", socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){0}));
	say_result("not connected", recv(a, &c, 1, 0));
	say_result("no peer", getpeername(a, (struct sockaddr *)&peer, &n));
	say_result("not listening", accept(a, NULL, NULL));
	must(bind(a, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	n = sizeof(sa);
	must(getsockname(a, (struct sockaddr *)&sa, &n) == 0 && listen(a, 1) == 0);
	say_result("taken", bind(b, (struct sockaddr *)&sa, sizeof(sa)));
	say_result("twice", bind(a, (struct sockaddr *)&sa, sizeof(sa)));
	say_result("too short", connect(b, (struct sockaddr *)&sa, 3));
	must(close(a) == 0);
	say_result("refused", connect(b, (struct sockaddr *)&sa, sizeof(sa)));
	say_result("no socket", listen(1, 1) < 0 ? -1 : 0);
	sa.sin_addr.s_addr = htonl(0x08080808);
	say_result("not my address", bind(b, (struct sockaddr *)&sa, sizeof(sa)));
	must(close(b) == 0);
}

int main(void)
{
	return promise_run(round_);
}
