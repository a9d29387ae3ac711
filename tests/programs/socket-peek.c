/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What was looked at by MSG_PEEK is still there, and SO_PEEK_OFF moves the look on.
 * Proves: recvfrom setsockopt ioctl
 */
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[16] = "";
	int s[2], offset = 2, n = 0;

	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0 && send(s[0], "look and take", 13, 0) == 13);
	for (int i = 0; i < 2; i++) {
		must(recv(s[1], text, 4, MSG_PEEK) == 4);
		say("%s", text);
	}
	must(setsockopt(s[1], SOL_SOCKET, SO_PEEK_OFF, &offset, sizeof(offset)) == 0);
	for (int i = 0; i < 2; i++) {
		must(recv(s[1], text, 4, MSG_PEEK) == 4);
		say("%s", text);
	}
	must(ioctl(s[1], FIONREAD, &n) == 0);
	say("%d waiting", n);
	must(recv(s[1], text, sizeof(text), 0) == 13);
	say("%s", text);
	say_result("nothing left", recv(s[1], text, 1, MSG_PEEK | MSG_DONTWAIT));
	must(close(s[0]) == 0 && close(s[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
