/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: SO_RCVTIMEO and SO_SNDTIMEO end a wait in time, not before.
 * Proves: setsockopt recvfrom sendto accept
 */
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char block[65536];
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct timeval tv = {.tv_usec = 30000};
	uint64_t t;
	int s[2], l = socket(AF_UNIX, SOCK_STREAM, 0);
	char c;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	must(setsockopt(s[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	must(setsockopt(s[0], SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0);
	t = now_ns();
	say_result("receiving", recv(s[1], &c, 1, 0));
	must(took_ms(t, 30, 60000));
	t = now_ns();
	while (send(s[0], block, sizeof(block), 0) > 0)
		t = now_ns();
	say_result("sending", -1);
	must(took_ms(t, 30, 60000));
	must(l >= 0 && bind(l, (struct sockaddr *)&sa, sizeof(sa.sun_family)) == 0 && listen(l, 1) == 0);
	must(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0);
	t = now_ns();
	say_result("accepting", accept(l, NULL, NULL));
	must(took_ms(t, 30, 60000));
	must(close(s[0]) == 0 && close(s[1]) == 0 && close(l) == 0);
}

int main(void)
{
	return promise_run(round_);
}
