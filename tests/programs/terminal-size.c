/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The size of a window is told, changed, and its change is a signal for who is in the foreground.
 * Proves: ioctl setsid rt_sigtimedwait
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void child(int master, int slave, int ready)
{
	struct winsize w;
	sigset_t set;
	siginfo_t si;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGWINCH);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0);
	must(setsid() > 0 && ioctl(slave, TIOCSCTTY, 0) == 0 && tcgetpgrp(slave) == getpid());
	must(write(ready, "r", 1) == 1 && sigwaitinfo(&set, &si) == SIGWINCH && ioctl(slave, TIOCGWINSZ, &w) == 0);
	must(close(master) == 0);
	_exit(w.ws_row == 33 && w.ws_col == 99 ? 0 : 1);
}

static void round_(void)
{
	struct winsize w = {.ws_row = 24, .ws_col = 80}, seen;
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, p[2], status;
	char c;

	must(master >= 0 && unlockpt(master) == 0 && pipe(p) == 0);
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	must(slave >= 0 && ioctl(slave, TIOCSWINSZ, &w) == 0 && ioctl(master, TIOCGWINSZ, &seen) == 0);
	say("%d %d", seen.ws_row, seen.ws_col);
	if (promise_fork() == 0)
		child(master, slave, p[1]);
	must(read(p[0], &c, 1) == 1);
	w = (struct winsize){.ws_row = 33, .ws_col = 99};
	must(ioctl(master, TIOCSWINSZ, &w) == 0 && wait(&status) > 0);
	say("the child saw it: %d", status == 0);
	must(close(master) == 0 && close(slave) == 0 && close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
