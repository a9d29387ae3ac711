/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Nothing to read, to write, to wait for or to tell is no error, wherever the buffer is.
 * Proves: read write readv sendto recvfrom poll pselect6 getgroups ppoll
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char *nowhere = (char *)16;
	struct iovec empty[2] = {{nowhere, 0}, {NULL, 0}};
	struct timespec none = {0};
	struct timeval tv = {0};
	int fd = open("f", O_CREAT | O_RDWR, 0600), s[2];

	must(fd >= 0 && socketpair(AF_UNIX, SOCK_DGRAM, 0, s) == 0);
	say_result("read", syscall(SYS_read, fd, nowhere, 0L));
	say_result("write", syscall(SYS_write, fd, nowhere, 0L));
	say_result("readv", readv(fd, empty, 2));
	say_result("writev", writev(fd, empty, 2));
	say_result("no pieces", syscall(SYS_writev, fd, nowhere, 0L));
	say_result("pwrite", syscall(SYS_pwrite64, fd, nowhere, 0L, 0L));
	say_result("an empty message", syscall(SYS_sendto, s[0], nowhere, 0L, 0L, NULL, 0L));
	say_result("arrives", recv(s[1], &tv, 1, 0));
	say_result("poll", poll(NULL, 0, 0));
	say_result("ppoll", ppoll(NULL, 0, &none, NULL));
	say_result("select", select(0, NULL, NULL, NULL, &tv));
	say("groups %d", getgroups(0, NULL) >= 0);
	say_result("no link", syscall(SYS_readlink, "/proc/self", nowhere, 0L));
	say_result("no directory", syscall(SYS_getcwd, nowhere, 0L));
	say_result("no entries", syscall(SYS_getdents64, fd, nowhere, 0L));
	say_result("attributes", syscall(SYS_flistxattr, fd, nowhere, 0L) >= 0 ? 0 : -1);
	must(close(s[0]) == 0 && close(s[1]) == 0 && close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
