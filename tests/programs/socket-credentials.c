/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Who is at the other end is told as at home: by the socket, and with each message.
 * Proves: getsockopt setsockopt recvmsg
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char room[CMSG_SPACE(sizeof(struct ucred))] __attribute__((aligned(8))), c;
	struct iovec iov = {&c, 1};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)};
	struct ucred who;
	socklen_t n = sizeof(who);
	int s[2], one = 1, status;
	pid_t pid;

	must(socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	must(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &who, &n) == 0);
	say("the pair is mine %d", who.pid == getpid() && who.uid == getuid());
	must(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)) == 0);
	pid = promise_fork();
	if (pid == 0) {
		must(setgid(7) == 0 && setuid(8) == 0 && send(s[0], "c", 1, 0) == 1);
		_exit(0);
	}
	must(recvmsg(s[1], &m, 0) == 1 && CMSG_FIRSTHDR(&m) && CMSG_FIRSTHDR(&m)->cmsg_type == SCM_CREDENTIALS);
	memcpy(&who, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(who));
	say("the child %d, %u, %u", who.pid == pid, who.uid, who.gid);
	must(waitpid(pid, &status, 0) == pid && status == 0 && close(s[0]) == 0 && close(s[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
