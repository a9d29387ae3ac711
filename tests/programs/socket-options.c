/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Options that are set are told again, those that cannot be are refused.
 * Proves: setsockopt getsockopt
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static void try_option(int fd, const char *name, int level, int option, int value)
{
	int got = -1;
	socklen_t n = sizeof(got);

	say_result(name, setsockopt(fd, level, option, &value, sizeof(value)));
	if (getsockopt(fd, level, option, &got, &n) == 0)
		say("  is %d, %u bytes", got, n);
	else
		say_result("  cannot be told", -1);
}

static void round_(void)
{
	struct linger l = {1, 7}, got = {0};
	socklen_t n = sizeof(got);
	int t = socket(AF_INET, SOCK_STREAM, 0), u = socket(AF_INET, SOCK_DGRAM, 0);

	must(t >= 0 && u >= 0);
	try_option(t, "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR, 1);
	try_option(t, "SO_KEEPALIVE", SOL_SOCKET, SO_KEEPALIVE, 1);
	try_option(t, "SO_TYPE", SOL_SOCKET, SO_TYPE, 1);
	try_option(t, "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY, 1);
	try_option(t, "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE, 77);
	try_option(t, "IP_TTL", IPPROTO_IP, IP_TTL, 9);
	try_option(u, "SO_BROADCAST", SOL_SOCKET, SO_BROADCAST, 1);
	try_option(u, "IP_TOS", IPPROTO_IP, IP_TOS, 16);
	try_option(u, "TCP_NODELAY of a datagram", IPPROTO_TCP, TCP_NODELAY, 1);
	must(setsockopt(t, SOL_SOCKET, SO_LINGER, &l, sizeof(l)) == 0);
	must(getsockopt(t, SOL_SOCKET, SO_LINGER, &got, &n) == 0);
	say("linger %d %d", got.l_onoff, got.l_linger);
	say_result("too short", setsockopt(t, SOL_SOCKET, SO_REUSEADDR, &l, 1));
	say_result("a length that lies", getsockopt(t, SOL_SOCKET, SO_TYPE, &got, (socklen_t *)8));
	must(close(t) == 0 && close(u) == 0);
}

int main(void)
{
	return promise_run(round_);
}
