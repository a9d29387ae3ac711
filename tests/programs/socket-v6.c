/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Connections by IPv6 over the loopback, or the same error where there is none.
 * Proves: socket bind connect accept getsockname
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}, peer = {0};
	socklen_t n = sizeof(sa), m = sizeof(peer);
	char text[8] = "";
	int l = socket(AF_INET6, SOCK_STREAM, 0), c, s;

	if (l < 0 || bind(l, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		say_result("there is no IPv6 here", -1);
		must(l < 0 || close(l) == 0);
		return;
	}
	must(listen(l, 1) == 0 && getsockname(l, (struct sockaddr *)&sa, &n) == 0);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	must(c >= 0 && connect(c, (struct sockaddr *)&sa, n) == 0);
	s = accept(l, (struct sockaddr *)&peer, &m);
	must(s >= 0 && write(c, "six", 3) == 3 && read(s, text, sizeof(text)) == 3);
	say("%s, %u bytes, the loopback %d", text, m, IN6_IS_ADDR_LOOPBACK(&peer.sin6_addr));
	must(close(l) == 0 && close(c) == 0 && close(s) == 0);
}

int main(void)
{
	return promise_run(round_);
}
