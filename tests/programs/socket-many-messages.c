/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: sendmmsg and recvmmsg pass several messages by one call, each with its own length.
 * Proves: sendmmsg recvmmsg
 */
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char in[3][8] = {"", "", ""};
	struct iovec out_iov[3] = {{"a", 1}, {"bcd", 3}, {"efghijkl", 8}}, in_iov[3];
	struct mmsghdr out[3] = {0}, got[3] = {0};
	int s[2];

	for (int i = 0; i < 3; i++) {
		out[i].msg_hdr.msg_iov = &out_iov[i];
		out[i].msg_hdr.msg_iovlen = 1;
		in_iov[i] = (struct iovec){in[i], 7};
		got[i].msg_hdr.msg_iov = &in_iov[i];
		got[i].msg_hdr.msg_iovlen = 1;
	}
	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	say_result("sent", sendmmsg(s[0], out, 3, 0));
	say_result("received", recvmmsg(s[1], got, 3, MSG_DONTWAIT, NULL));
	for (int i = 0; i < 3; i++)
		say("%u %u %.7s, cut %d", out[i].msg_len, got[i].msg_len, in[i],
		    (got[i].msg_hdr.msg_flags & MSG_TRUNC) != 0);
	say_result("no more", recvmmsg(s[1], got, 3, MSG_DONTWAIT, NULL));
	must(close(s[0]) == 0 && close(s[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
