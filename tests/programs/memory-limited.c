/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A process that may map hardly any more memory makes its calls, large ones too, and runs its handlers.
 * Proves: prlimit64 openat write pread64 rt_sigaction
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "promise.h"

#define LEFT ((rlim_t)16 << 10)
#define LARGE ((size_t)200 << 10)

static volatile sig_atomic_t handled;

static void handler(int sig)
{
	(void)sig;
	handled++;
}

static rlim_t mapped(void)
{
	char text[200] = "";
	int fd = open("/proc/self/statm", O_RDONLY);

	must(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && close(fd) == 0);
	return (rlim_t)atol(text) * 4096;
}

static void round_(void)
{
	static char out[LARGE], in[LARGE];
	struct rlimit l, tight;
	int fd = open("large", O_CREAT | O_TRUNC | O_RDWR, 0600);

	must(signal(SIGUSR1, handler) != SIG_ERR && getrlimit(RLIMIT_AS, &l) == 0);
	memset(out, 'x', sizeof(out));
	tight = (struct rlimit){mapped() + LEFT, l.rlim_max};
	must(setrlimit(RLIMIT_AS, &tight) == 0);
	must(fd >= 0 && write(fd, out, 100) == 100 && pread(fd, in, 100, 0) == 100 && memcmp(in, out, 100) == 0);
	burn_ms(3);
	must(pwrite(fd, out, LARGE, 0) == (ssize_t)LARGE && pread(fd, in, LARGE, 0) == (ssize_t)LARGE &&
	     memcmp(in, out, LARGE) == 0);
	handled = 0;
	must(raise(SIGUSR1) == 0);
	say("handled %d", handled);
	must(setrlimit(RLIMIT_AS, &l) == 0 && close(fd) == 0 && unlink("large") == 0);
}

int main(void)
{
	return promise_run(round_);
}
