/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: connections, datagrams, options, peers' names and passed descriptors are home's, wherever the process is.
 * Proves: write socket bind getsockname accept setsockopt sendto recvfrom exit_group poll close listen clone connect
 * read sendmsg recvmsg socketpair getsockopt wait4 pipe2 getpid
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void tcp(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
	socklen_t n = sizeof(sa);
	int l = socket(AF_INET, SOCK_STREAM, 0), one = 1, status;
	unsigned char buf[5000];
	uint64_t h = 0;
	size_t got = 0;
	pid_t pid;
	ssize_t r;

	must(l >= 0 && setsockopt(l, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == 0);
	must(bind(l, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(l, 4) == 0);
	must(getsockname(l, (struct sockaddr *)&sa, &n) == 0 && n == sizeof(sa));
	pid = promise_fork();
	must(pid >= 0);
	if (pid == 0) {
		int c = socket(AF_INET, SOCK_STREAM, 0);

		must(c >= 0 && connect(c, (struct sockaddr *)&sa, sizeof(sa)) == 0);
		must(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
		for (int i = 0; i < 60; i++) {
			memset(buf, i, sizeof(buf));
			for (size_t at = 0; at < sizeof(buf); at += (size_t)r) {
				r = send(c, buf + at, sizeof(buf) - at, 0);
				must(r > 0);
			}
		}
		must(shutdown(c, SHUT_WR) == 0 && recv(c, buf, 8, 0) == 8 && memcmp(buf, "thankyou", 8) == 0);
		_exit(0);
	}
	n = sizeof(peer);
	int c = accept(l, (struct sockaddr *)&peer, &n);

	must(c >= 0 && peer.sin_family == AF_INET && peer.sin_addr.s_addr == htonl(INADDR_LOOPBACK));
	while ((r = recv(c, buf, sizeof(buf), 0)) > 0) {
		h = hash(h, buf, (size_t)r);
		got += (size_t)r;
	}
	must(r == 0 && send(c, "thankyou", 8, MSG_NOSIGNAL) == 8);
	must(waitpid(pid, &status, 0) == pid && status == 0);
	must(close(c) == 0 && close(l) == 0);
	say("tcp %zu %016llx", got, (unsigned long long)h);
}

static void local(void)
{
	struct msghdr m = {0};
	struct iovec iov;
	union {
		struct cmsghdr h;
		char room[CMSG_SPACE(sizeof(int))];
	} u;
	int sv[2], p[2], passed;
	char text[32] = "with a pipe";
	struct ucred uc;
	socklen_t n = sizeof(uc);

	must(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv) == 0 && pipe(p) == 0);
	must(getsockopt(sv[0], SOL_SOCKET, SO_PEERCRED, &uc, &n) == 0);
	say("peer is me %d", uc.pid == getpid());
	iov = (struct iovec){text, 11};
	m = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.room, .msg_controllen = sizeof(u.room)};
	memset(&u, 0, sizeof(u));
	u.h = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
	memcpy(CMSG_DATA(&u.h), &p[1], sizeof(int));
	must(sendmsg(sv[0], &m, 0) == 11);
	memset(text, 0, sizeof(text));
	iov = (struct iovec){text, sizeof(text)};
	m = (struct msghdr){.msg_iov = &iov, .msg_iovlen = 1, .msg_control = u.room, .msg_controllen = sizeof(u.room)};
	must(recvmsg(sv[1], &m, 0) == 11 && CMSG_FIRSTHDR(&m) && CMSG_FIRSTHDR(&m)->cmsg_type == SCM_RIGHTS);
	memcpy(&passed, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	must(passed > 2 && passed != p[1] && write(passed, "!", 1) == 1 && read(p[0], text + 11, 1) == 1);
	say("passed \"%s\"", text);
	must(close(passed) == 0 && close(p[0]) == 0 && close(p[1]) == 0 && close(sv[0]) == 0);
	say("closed %zd", recv(sv[1], text, sizeof(text), 0));
	must(close(sv[1]) == 0);
}

static void datagrams(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, from;
	int a = socket(AF_INET, SOCK_DGRAM, 0), b = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t n = sizeof(sa);
	struct pollfd p = {.fd = a, .events = POLLIN};
	char buf[2000];
	ssize_t r;

	must(a >= 0 && b >= 0 && bind(a, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	must(getsockname(a, (struct sockaddr *)&sa, &n) == 0);
	for (int i = 0; i < 5; i++) {
		memset(buf, 'a' + i, sizeof(buf));
		must(sendto(b, buf, 100 + 300 * (size_t)i, 0, (struct sockaddr *)&sa, sizeof(sa)) > 0);
		must(poll(&p, 1, 10000) == 1);
		n = sizeof(from);
		r = recvfrom(a, buf, sizeof(buf), 0, (struct sockaddr *)&from, &n);
		say("datagram %zd %c from %d", r, buf[0], from.sin_addr.s_addr == sa.sin_addr.s_addr);
	}
	r = recv(a, buf, sizeof(buf), MSG_DONTWAIT);
	say("none %zd %d", r, errno == EAGAIN);
	must(close(a) == 0 && close(b) == 0);
}

static void round_(void)
{
	tcp();
	local();
	datagrams();
}

int main(void)
{
	return promise_run(round_);
}
