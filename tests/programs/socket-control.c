/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What comes beside a message (where it was sent to, when, its time to live) arrives with it, and is cut
 * when there is no room.
 * Proves: recvmsg setsockopt sendto
 */
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

static void receive(int fd, size_t room)
{
	char control[256] __attribute__((aligned(8))), text[8];
	struct iovec iov = {text, sizeof(text)};
	struct sockaddr_in from;
	struct msghdr m = {.msg_name = &from,
			   .msg_namelen = sizeof(from),
			   .msg_iov = &iov,
			   .msg_iovlen = 1,
			   .msg_control = control,
			   .msg_controllen = room};
	int ttl;

	must(recvmsg(fd, &m, 0) == 4);
	say("from %x, cut %d", ntohl(from.sin_addr.s_addr), (m.msg_flags & MSG_CTRUNC) != 0);
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
		say("  level %d type %d of %zu: %d", c->cmsg_level, c->cmsg_type, c->cmsg_len - CMSG_LEN(0),
		    c->cmsg_type == IP_TTL ? ttl : 0);
	}
}

static void round_(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t n = sizeof(sa);
	int fd = socket(AF_INET, SOCK_DGRAM, 0), one = 1, ttl = 33;

	must(fd >= 0 && bind(fd, (struct sockaddr *)&sa, n) == 0 && getsockname(fd, (struct sockaddr *)&sa, &n) == 0);
	must(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)) == 0);
	must(setsockopt(fd, IPPROTO_IP, IP_RECVTTL, &one, sizeof(one)) == 0);
	must(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &one, sizeof(one)) == 0);
	must(setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)) == 0);
	for (int i = 0; i < 3; i++)
		must(sendto(fd, "text", 4, 0, (struct sockaddr *)&sa, sizeof(sa)) == 4);
	receive(fd, 256);
	receive(fd, CMSG_SPACE(16) + 4);
	receive(fd, 0);
	must(close(fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
