/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A terminal gives whole lines, edited as typed, echoes them, and ends at the end-of-file character.
 * Proves: read write ioctl poll
 */
#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char text[64];
	struct pollfd p = {.events = POLLIN};
	int master = posix_openpt(O_RDWR | O_NOCTTY), waiting = -1;
	ssize_t n;

	must(master >= 0 && unlockpt(master) == 0);
	p.fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	must(p.fd >= 0 && write(master, "half", 4) == 4);
	say_result("half a line", poll(&p, 1, 0));
	must(write(master, "x\177 a line\nanother\n", 18) == 18);
	must(poll(&p, 1, 60000) == 1 && ioctl(p.fd, FIONREAD, &waiting) == 0);
	n = read(p.fd, text, sizeof(text));
	say("%zd: %.*s", n, (int)n - 1, text);
	n = read(p.fd, text, 3);
	say("%zd: %.*s", n, (int)n, text);
	n = read(p.fd, text, sizeof(text));
	say("%zd: %.*s", n, (int)n - 1, text);
	must(write(master, "\004", 1) == 1);
	say_result("the end", read(p.fd, text, sizeof(text)));
	for (size_t got = 0, lines = 0; lines < 2;) { /* the kernel may pass it on in pieces */
		n = read(master, text + got, 1);
		must(n == 1);
		lines += text[got++] == '\n';
		if (lines == 2)
			say("echo %016llx", (unsigned long long)hash(0, text, got));
	}
	must(write(p.fd, "out\n", 4) == 4);
	for (size_t got = 0; got < 5; got += (size_t)n) {
		n = read(master, text + got, sizeof(text) - got);
		must(n > 0);
	}
	say("%.3s, then %d %d", text, text[3], text[4]);
	must(tcflush(p.fd, TCIOFLUSH) == 0 && close(master) == 0 && close(p.fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
