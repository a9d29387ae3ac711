/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: sendfile copies from the position or from a place that it moves on, into files, pipes and sockets.
 * Proves: sendfile
 */
#include <fcntl.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	static char big[100000], back[100000];
	int from = open("from", O_CREAT | O_RDWR | O_TRUNC, 0600), to = open("to", O_CREAT | O_RDWR | O_TRUNC, 0600);
	int s[2];
	off_t at = 70000;
	uint64_t state = 3;
	size_t got = 0;

	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)xorshift(&state);
	must(from >= 0 && to >= 0 && write(from, big, sizeof(big)) == sizeof(big));
	say_result("from the place", sendfile(to, from, &at, 50000));
	say("at %ld, position %ld", (long)at, (long)lseek(from, 0, SEEK_CUR));
	must(lseek(from, 10, SEEK_SET) == 10);
	say_result("from the position", sendfile(to, from, NULL, 1000));
	say("position %ld", (long)lseek(from, 0, SEEK_CUR));
	must(pread(to, back, 31000, 0) == 31000);
	must(memcmp(back, big + 70000, 30000) == 0 && memcmp(back + 30000, big + 10, 1000) == 0);
	must(socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	at = 0;
	say_result("to a socket", sendfile(s[0], from, &at, 60000));
	while (got < 60000) {
		ssize_t n = read(s[1], back + got, sizeof(back) - got);

		must(n > 0);
		got += (size_t)n;
	}
	must(memcmp(back, big, 60000) == 0);
	say_result("from a socket", sendfile(to, s[1], NULL, 10));
	must(close(s[0]) == 0 && close(s[1]) == 0 && close(from) == 0 && close(to) == 0);
	must(unlink("from") == 0 && unlink("to") == 0);
}

int main(void)
{
	return promise_run(round_);
}
