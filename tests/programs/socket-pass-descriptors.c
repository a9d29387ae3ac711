/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Descriptors that are passed over a socket arrive as new ones of the same files, and too many are cut off.
 * Proves: sendmsg recvmsg
 */
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

static void send_fds(int s, const int *fds, size_t n)
{
	char room[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8))) = {0}, c = '.';
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = CMSG_SPACE(n * 4)};
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	h->cmsg_level = SOL_SOCKET;
	h->cmsg_type = SCM_RIGHTS;
	h->cmsg_len = CMSG_LEN(n * 4);
	memcpy(CMSG_DATA(h), fds, n * 4);
	must(sendmsg(s, &m, 0) == 1);
}

static int receive_fds(int s, int *fds, size_t room_for)
{
	char room[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8))) = {0}, c;
	struct iovec iov = {&c, 1};
	struct msghdr m = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = CMSG_LEN(room_for * 4)};
	struct cmsghdr *h;
	int n;

	must(recvmsg(s, &m, MSG_CMSG_CLOEXEC) == 1);
	h = CMSG_FIRSTHDR(&m);
	must(h && h->cmsg_type == SCM_RIGHTS);
	n = (int)((h->cmsg_len - CMSG_LEN(0)) / 4);
	memcpy(fds, CMSG_DATA(h), (size_t)n * 4);
	say("%d descriptors, cut off %d", n, (m.msg_flags & MSG_CTRUNC) != 0);
	return n;
}

static void round_(void)
{
	int s[2], p[2], got[4], fd = open("f", O_CREAT | O_RDWR, 0600);
	char text[8] = "";

	must(fd >= 0 && write(fd, "passed", 6) == 6 && pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	send_fds(s[0], (int[]){fd, p[1]}, 2);
	must(close(fd) == 0 && close(p[1]) == 0 && receive_fds(s[1], got, 4) == 2);
	must(pread(got[0], text, 6, 0) == 6 && write(got[1], "by", 2) == 2 && read(p[0], text + 6, 2) == 2);
	say("%.8s, close on exec %d", text, fcntl(got[0], F_GETFD));
	send_fds(s[0], (int[]){got[0], got[1], p[0]}, 3);
	must(close(got[1]) == 0 && receive_fds(s[1], got + 1, 1) == 1);
	must(close(got[0]) == 0 && close(got[1]) == 0 && close(p[0]) == 0 && close(s[0]) == 0 && close(s[1]) == 0);
	must(unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
