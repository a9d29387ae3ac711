/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Datagrams over the loopback, to a name and over a connected socket, which hears nobody else.
 * Proves: socket bind connect sendto recvfrom
 */
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static int bound(struct sockaddr_in *sa)
{
	socklen_t n = sizeof(*sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	*sa = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	must(fd >= 0 && bind(fd, (struct sockaddr *)sa, n) == 0 && getsockname(fd, (struct sockaddr *)sa, &n) == 0);
	return fd;
}

static void round_(void)
{
	struct sockaddr_in a, b, c, from = {0};
	socklen_t n = sizeof(from);
	char text[16] = "";
	int fa = bound(&a), fb = bound(&b), fc = bound(&c);

	must(sendto(fa, "named", 5, 0, (struct sockaddr *)&b, sizeof(b)) == 5);
	must(recvfrom(fb, text, sizeof(text), 0, (struct sockaddr *)&from, &n) == 5);
	say("%s, from a %d, %u bytes", text, from.sin_port == a.sin_port, n);
	must(connect(fb, (struct sockaddr *)&c, sizeof(c)) == 0);
	must(sendto(fa, "not heard", 9, 0, (struct sockaddr *)&b, sizeof(b)) == 9);
	must(sendto(fc, "heard", 5, 0, (struct sockaddr *)&b, sizeof(b)) == 5);
	must(recv(fb, text, sizeof(text), 0) == 5);
	say("%s", text);
	say_result("nothing else", recv(fb, text, sizeof(text), MSG_DONTWAIT));
	must(send(fb, "back", 4, 0) == 4 && recv(fc, text, sizeof(text), 0) == 4);
	must(close(fc) == 0 && send(fb, "into the void", 13, 0) == 13);
	say_result("nobody is there", recv(fb, text, sizeof(text), 0));
	must(close(fa) == 0 && close(fb) == 0);
}

int main(void)
{
	return promise_run(round_);
}
