/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A datagram that does not fit is cut, says so, and is not continued by the next read.
 * Proves: recvfrom recvmsg
 */
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[8] = "";
	struct iovec iov = {text, 4};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	int s[2];

	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	for (int i = 0; i < 3; i++)
		must(send(s[0], "ten bytes!", 10, 0) == 10);
	say_result("cut", recvmsg(s[1], &m, 0));
	say("%s, said so %d", text, (m.msg_flags & MSG_TRUNC) != 0);
	say_result("its real length", recv(s[1], text, 4, MSG_TRUNC));
	say_result("the next", recv(s[1], text, 8, 0));
	say_result("no more", recv(s[1], text, 8, MSG_DONTWAIT));
	must(close(s[0]) == 0 && close(s[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
