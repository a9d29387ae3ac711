/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: No descriptor beyond RLIMIT_NOFILE, no byte beyond RLIMIT_FSIZE: EMFILE, EFBIG and SIGXFSZ.
 * Proves: prlimit64 openat write
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_xfsz(int sig)
{
	heard = sig == SIGXFSZ;
}

static void round_(void)
{
	struct rlimit files, size, small;
	char block[600];
	int fd = open("f", O_CREAT | O_RDWR | O_TRUNC, 0600), n = 0, first;

	must(fd >= 0 && getrlimit(RLIMIT_NOFILE, &files) == 0 && getrlimit(RLIMIT_FSIZE, &size) == 0);
	small = files;
	small.rlim_cur = (rlim_t)fd + 8;
	must(setrlimit(RLIMIT_NOFILE, &small) == 0);
	first = fd + 1;
	while (open("/dev/null", O_RDONLY) >= 0)
		n++;
	say_result("one too many", -1);
	say("%d were possible", n);
	must(close_range((unsigned)first, (unsigned)first + 6, 0) == 0 && setrlimit(RLIMIT_NOFILE, &files) == 0);
	small = size;
	small.rlim_cur = 1000;
	must(setrlimit(RLIMIT_FSIZE, &small) == 0 && signal(SIGXFSZ, on_xfsz) != SIG_ERR);
	memset(block, '.', sizeof(block));
	heard = 0;
	say_result("first", write(fd, block, sizeof(block)));
	say_result("second", write(fd, block, sizeof(block)));
	say_result("third", write(fd, block, sizeof(block)));
	say("heard %d", heard);
	must(setrlimit(RLIMIT_FSIZE, &size) == 0 && signal(SIGXFSZ, SIG_DFL) != SIG_ERR);
	must(close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
