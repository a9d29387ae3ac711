/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: When a terminal is gone its session is told by SIGHUP, reading ends and writing fails.
 * Proves: setsid ioctl read write rt_sigaction
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_hangup(int sig)
{
	heard += sig == SIGHUP;
}

static void child(int slave, int ready)
{
	char c;

	must(signal(SIGHUP, on_hangup) != SIG_ERR && signal(SIGCONT, SIG_IGN) != SIG_ERR);
	must(setsid() > 0 && ioctl(slave, TIOCSCTTY, 0) == 0 && write(ready, "r", 1) == 1);
	while (read(slave, &c, 1) != 0) /* the signal may come first */
		must(errno == EINTR || errno == EIO);
	must(write(slave, "x", 1) == -1 && errno == EIO);
	while (!heard)
		burn_ms(1);
	_exit(0);
}

static void round_(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), slave, p[2], status;
	char c;

	must(master >= 0 && unlockpt(master) == 0 && pipe(p) == 0);
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	must(slave >= 0);
	if (promise_fork() == 0) {
		must(close(master) == 0);
		child(slave, p[1]);
	}
	must(read(p[0], &c, 1) == 1 && close(slave) == 0 && close(master) == 0 && wait(&status) > 0);
	say("the child was told and saw the end: %d", status == 0);
	must(close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
