/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A name for which there is no room is cut, and its whole length is told.
 * Proves: accept getsockname getpeername recvfrom
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "a-name-of-a-socket"},
			   me = {.sun_family = AF_UNIX, .sun_path = "me"};
	char cut[64];
	socklen_t n;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), s;

	must(l >= 0 && c >= 0 && bind(l, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(l, 2) == 0);
	must(bind(c, (struct sockaddr *)&me, sizeof(me)) == 0 && connect(c, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	memset(cut, '#', sizeof(cut));
	n = 6;
	must(getsockname(l, (struct sockaddr *)cut, &n) == 0);
	say("%.8s %u", cut + 2, n);
	memset(cut, '#', sizeof(cut));
	n = 3;
	s = accept(l, (struct sockaddr *)cut, &n);
	must(s >= 0);
	say("%.8s %u", cut + 2, n);
	n = 0;
	must(getpeername(s, (struct sockaddr *)cut, &n) == 0);
	say("%u", n);
	n = (socklen_t)-1;
	say_result("negative", getpeername(s, (struct sockaddr *)cut, &n));
	must(send(c, "x", 1, 0) == 1);
	n = sizeof(cut);
	must(recvfrom(s, cut, 1, 0, (struct sockaddr *)(cut + 8), &n) == 1);
	say("a stream's sender %u", n);
	must(close(l) == 0 && close(c) == 0 && close(s) == 0 && unlink("a-name-of-a-socket") == 0 && unlink("me") == 0);
}

int main(void)
{
	return promise_run(round_);
}
