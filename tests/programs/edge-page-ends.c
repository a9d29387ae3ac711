/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What a call reads and writes may end where the memory ends; one byte more is EFAULT.
 * Proves: openat newfstatat uname getcwd readlink pipe2 poll write
 */
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char *p = mmap(NULL, 3 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), *end = p + 8192;
	struct pollfd none = {.fd = -1, .events = POLLIN};
	int fd;

	must(p != MAP_FAILED && munmap(end, 4096) == 0);
	memcpy(end - 5, "name", 5);
	fd = open(end - 5, O_CREAT | O_RDWR, 0600);
	must(fd >= 0);
	end[-1] = 'x';
	say_result("a name without an end", open(end - 5, O_RDONLY));
	say_result("a whole status", fstatat(AT_FDCWD, "name", (struct stat *)(end - sizeof(struct stat)), 0));
	say_result("not quite", syscall(SYS_newfstatat, AT_FDCWD, "name", end - sizeof(struct stat) + 8, 0));
	say_result("the system", syscall(SYS_uname, end - sizeof(struct utsname)));
	say_result("not quite", syscall(SYS_uname, end - sizeof(struct utsname) + 1));
	say_result("two descriptors", syscall(SYS_pipe2, end - 8, 0) == 0 ? 0 : -1);
	must(close(*(int *)(end - 8)) == 0 && close(*(int *)(end - 4)) == 0);
	say_result("written", write(fd, end - 10, 10));
	say_result("beyond", write(fd, end, 1));
	say_result("from below", pwrite(fd, end - 10, 5, 0));
	memcpy(end - sizeof(none), &none, sizeof(none));
	say_result("polled", poll((struct pollfd *)(end - sizeof(none)), 1, 0));
	say_result("a link", readlink("/proc/self/cwd", end - 3, 3));
	say_result("a directory", syscall(SYS_getcwd, end - 2, 2L));
	must(munmap(p, 8192) == 0 && close(fd) == 0 && unlink("name") == 0);
}

int main(void)
{
	return promise_run(round_);
}
