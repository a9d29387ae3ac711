/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Two processes that map a file for writing see each other's writes, and so does who reads the file.
 * Proves: mmap munmap
 */
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600), status;
	char text[8] = "", *p;
	pid_t pid;

	burn_ms(8); /* for those that would move it: it stays once it has the mapping */
	must(fd >= 0 && ftruncate(fd, 8192) == 0);
	p = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	must(p != MAP_FAILED);
	memcpy(p + 4096, "parent", 6);
	pid = promise_fork();
	if (pid == 0) {
		must(memcmp(p + 4096, "parent", 6) == 0);
		memcpy(p + 4100, "child", 5);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
	say("%.9s", p + 4096);
	must(munmap(p, 8192) == 0 && pread(fd, text, 8, 4097) == 8);
	say("%.8s", text);
	must(close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
