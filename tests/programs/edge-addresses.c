/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Addresses where nothing is are EFAULT, before anything has been done.
 * Proves: openat newfstatat rt_sigaction rt_sigprocmask getsockname nanosleep prlimit64 pipe2 mkdir
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char *nowhere = (char *)16;
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600), s = socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	socklen_t n = sizeof(sa);
	struct stat st;

	must(fd >= 0 && s >= 0);
	say_result("name", open(nowhere, O_RDONLY));
	say_result("status", syscall(SYS_newfstatat, AT_FDCWD, "f", nowhere, 0));
	say_result("action", syscall(SYS_rt_sigaction, SIGUSR1, nowhere, NULL, 8L));
	say_result("mask", syscall(SYS_rt_sigprocmask, SIG_BLOCK, nowhere, NULL, 8L));
	say_result("mask's size", syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, NULL, 4L));
	say_result("written", syscall(SYS_write, fd, nowhere, 10L));
	say_result("pieces", syscall(SYS_writev, fd, nowhere, 1L));
	say_result("own name", syscall(SYS_getsockname, s, nowhere, &n));
	say_result("its length", syscall(SYS_getsockname, s, &sa, nowhere));
	say_result("bound to", syscall(SYS_bind, s, nowhere, 10L));
	say_result("an endless name", syscall(SYS_bind, s, &sa, 5000L));
	say_result("sleep", syscall(SYS_nanosleep, nowhere, NULL));
	say_result("limit", syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, NULL, nowhere));
	say_result("pipe", syscall(SYS_pipe2, nowhere, 0));
	say_result("directory", syscall(SYS_mkdir, nowhere, 0700));
	say_result("message", syscall(SYS_sendmsg, s, nowhere, 0));
	say_result("event", syscall(SYS_epoll_ctl, s, EPOLL_CTL_ADD, fd, nowhere));
	say_result("poll", syscall(SYS_poll, nowhere, 1L, 0L));
	say_result("select", syscall(SYS_select, 1L, nowhere, NULL, NULL, NULL));
	say_result("the kernel's", syscall(SYS_write, fd, 0xffffffff81000000UL, 10L));
	say_result("no address at all", syscall(SYS_write, fd, 0x8000000000000000UL, 10L));
	must(fstat(fd, &st) == 0 && access("f", F_OK) == 0);
	say("still of %ld bytes", (long)st.st_size);
	must(close(fd) == 0 && close(s) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
