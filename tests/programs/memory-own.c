/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A process reads and writes its own memory by process_vm_readv and /proc/self/mem as by its instructions.
 * Proves: process_vm_readv process_vm_writev openat
 */
#include <fcntl.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[16] = "here and there", back[16] = "";
	struct iovec local = {back, 14}, remote = {text, 14};
	int fd;

	must(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == 14);
	say("%s", back);
	memcpy(back, "HERE", 4);
	local.iov_len = remote.iov_len = 4;
	must(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == 4);
	say("%s", text);
	fd = open("/proc/self/mem", O_RDONLY);
	memset(back, 0, sizeof(back));
	must(fd >= 0 && pread(fd, back, 14, (off_t)(uintptr_t)text) == 14 && close(fd) == 0);
	say("%s", back);
}

int main(void)
{
	return promise_run(round_);
}
