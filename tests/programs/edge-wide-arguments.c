/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Of an argument of 32 bits the kernel takes the lower half only, whatever the register has above.
 * Proves: write lseek dup3 close fcntl kill openat ftruncate
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

#define HIGH 0x5a5a5a5a00000000L

static volatile sig_atomic_t heard;

static void on_usr1(int sig)
{
	heard += sig == SIGUSR1;
}

static void round_(void)
{
	char text[4] = "";
	long fd = syscall(SYS_openat, HIGH | (uint32_t)AT_FDCWD, "f", HIGH | O_CREAT | O_RDWR | O_TRUNC, HIGH | 0640);

	must(fd >= 0 && signal(SIGUSR1, on_usr1) != SIG_ERR);
	heard = 0;
	say_result("write", syscall(SYS_write, HIGH | fd, "wide", 4L));
	say_result("lseek", syscall(SYS_lseek, HIGH | fd, -2L, HIGH | SEEK_END));
	say_result("read", syscall(SYS_read, HIGH | fd, text, 4L));
	say("%s", text);
	say_result("dup3", syscall(SYS_dup3, HIGH | fd, HIGH | 50, HIGH));
	say_result("fcntl", syscall(SYS_fcntl, HIGH | 50, HIGH | F_GETFD, 0L));
	say_result("close", syscall(SYS_close, HIGH | 50));
	say_result("closed", syscall(SYS_fcntl, 50L, F_GETFD, 0L));
	say_result("kill", syscall(SYS_kill, HIGH | getpid(), HIGH | SIGUSR1));
	say("heard %d", heard);
	say_result("umask", syscall(SYS_umask, HIGH | 022) >= 0 ? 0 : -1);
	say_result("a length of 64 bits", syscall(SYS_ftruncate, fd, HIGH | 7L) < 0 ? -1 : 0);
	say_result("a negative one", syscall(SYS_ftruncate, fd, -1L));
	say_result("socket", syscall(SYS_socket, HIGH | AF_UNIX, HIGH | SOCK_STREAM, HIGH) >= 0 ? 0 : -1);
	say_result("number", syscall(999999));
	say_result("negative number", syscall(-1));
	must(close((int)fd) == 0 && close_range(3, 49, 0) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
