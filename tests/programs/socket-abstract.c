/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A name that is no file is found, is taken once, and is gone with its socket.
 * Proves: bind connect
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	socklen_t n;
	int a = socket(AF_UNIX, SOCK_DGRAM, 0), b = socket(AF_UNIX, SOCK_DGRAM, 0), c = socket(AF_UNIX, SOCK_DGRAM, 0);
	char text[4] = "";

	must(a >= 0 && b >= 0 && c >= 0);
	n = (socklen_t)offsetof(struct sockaddr_un, sun_path) +
	    (socklen_t)snprintf(sa.sun_path, sizeof(sa.sun_path), ".godwit-%d", getpid());
	sa.sun_path[0] = '\0';
	say_result("before it is there", connect(b, (struct sockaddr *)&sa, n));
	must(bind(a, (struct sockaddr *)&sa, n) == 0);
	say_result("taken", bind(c, (struct sockaddr *)&sa, n));
	must(connect(b, (struct sockaddr *)&sa, n) == 0 && send(b, "yes", 3, 0) == 3 && recv(a, text, 4, 0) == 3);
	say("%s", text);
	must(close(a) == 0);
	say_result("free again", bind(c, (struct sockaddr *)&sa, n));
	must(close(b) == 0 && close(c) == 0);
}

int main(void)
{
	return promise_run(round_);
}
