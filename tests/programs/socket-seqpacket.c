/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Packets arrive whole, in order, once, and the end of the connection after the last.
 * Proves: socketpair sendmsg recvmsg
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char a[8] = "", b[8] = "";
	struct iovec iov[2] = {{a, 4}, {b, 4}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	int s[2];

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s) == 0);
	for (int i = 1; i <= 4; i++) {
		memset(a, '0' + i, 4);
		memset(b, 'a' + i, 4);
		iov[1].iov_len = (size_t)i;
		must(sendmsg(s[0], &m, MSG_EOR) == 4 + i);
	}
	must(close(s[0]) == 0);
	iov[1].iov_len = 3;
	for (int i = 1; i <= 5; i++) {
		ssize_t n;

		memset(a, 0, 4);
		memset(b, 0, 4);
		n = recvmsg(s[1], &m, 0);
		say("%zd: %s %s, cut %d", n, a, b, (m.msg_flags & MSG_TRUNC) != 0);
	}
	must(close(s[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
