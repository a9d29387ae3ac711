/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The urgent byte of a connection is read out of turn, and the mark tells where it was.
 * Proves: sendto recvfrom ioctl
 */
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct pollfd p = {.events = POLLPRI};
	socklen_t n = sizeof(sa);
	char text[16] = "";
	int l = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), s, mark = -1;

	must(l >= 0 && c >= 0 && bind(l, (struct sockaddr *)&sa, n) == 0 && listen(l, 1) == 0);
	must(getsockname(l, (struct sockaddr *)&sa, &n) == 0 && connect(c, (struct sockaddr *)&sa, n) == 0);
	s = accept(l, NULL, NULL);
	must(s >= 0 && send(c, "before", 6, 0) == 6 && send(c, "!", 1, MSG_OOB) == 1 && send(c, "after", 5, 0) == 5);
	p.fd = s;
	must(poll(&p, 1, 60000) == 1 && (p.revents & POLLPRI));
	must(recv(s, text, 1, MSG_OOB) == 1);
	say("urgent %c", text[0]);
	say_result("up to the mark", recv(s, text, sizeof(text), 0));
	must(ioctl(s, SIOCATMARK, &mark) == 0);
	say("at the mark %d", mark);
	must(recv(s, text, 5, MSG_WAITALL) == 5);
	say("%.5s", text);
	must(close(l) == 0 && close(c) == 0 && close(s) == 0);
}

int main(void)
{
	return promise_run(round_);
}
