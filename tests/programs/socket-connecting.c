/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A connect that shall not block is under way, becomes writable, and tells how it went.
 * Proves: connect poll getsockopt
 */
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct pollfd p = {.events = POLLOUT};
	socklen_t n = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM, 0), error = -1;

	must(l >= 0 && bind(l, (struct sockaddr *)&sa, n) == 0 && listen(l, 1) == 0);
	must(getsockname(l, (struct sockaddr *)&sa, &n) == 0);
	for (int i = 0; i < 2; i++) {
		p.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		must(p.fd >= 0);
		if (connect(p.fd, (struct sockaddr *)&sa, sizeof(sa)) == 0)
			errno = EINPROGRESS; /* the loopback may be that quick */
		must(errno == EINPROGRESS || (i && errno == ECONNREFUSED));
		must(poll(&p, 1, 60000) == 1);
		n = sizeof(error);
		must(getsockopt(p.fd, SOL_SOCKET, SO_ERROR, &error, &n) == 0 && close(p.fd) == 0);
		say(i ? "without a listener, connected %d" : "with a listener, connected %d",
		    error == 0 && !(p.revents & POLLERR));
		if (!i)
			must(close(l) == 0);
	}
}

int main(void)
{
	return promise_run(round_);
}
