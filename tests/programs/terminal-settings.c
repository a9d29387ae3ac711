/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The settings of a terminal are told and changed, for both of its ends.
 * Proves: ioctl openat
 */
#include <fcntl.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "promise.h"

static int opened(int *slave)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), unlock = 0;

	must(master >= 0 && ioctl(master, TIOCSPTLCK, &unlock) == 0);
	*slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	must(*slave >= 0);
	return master;
}

static void show(int fd)
{
	struct termios t;

	must(tcgetattr(fd, &t) == 0);
	say("%x %x %x %x, min %d, erase %d", t.c_iflag, t.c_oflag, t.c_cflag, t.c_lflag, t.c_cc[VMIN], t.c_cc[VERASE]);
}

static void round_(void)
{
	struct termios t;
	int slave, master = opened(&slave), lock = -1, number = -1;

	show(slave);
	must(tcgetattr(slave, &t) == 0);
	t.c_lflag &= ~(tcflag_t)(ECHO | ICANON);
	t.c_cc[VMIN] = 3;
	must(tcsetattr(slave, TCSANOW, &t) == 0);
	show(master);
	t.c_oflag &= ~(tcflag_t)OPOST;
	must(tcsetattr(slave, TCSADRAIN, &t) == 0 && tcsetattr(slave, TCSAFLUSH, &t) == 0);
	show(slave);
	must(ioctl(master, TIOCGPTLCK, &lock) == 0 && ioctl(master, TIOCGPTN, &number) == 0);
	say("terminal %d, locked %d, number %d", isatty(slave), lock, number >= 0);
	say("no terminal %d", isatty(0));
	must(close(master) == 0 && close(slave) == 0);
}

int main(void)
{
	return promise_run(round_);
}
