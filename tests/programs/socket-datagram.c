/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Datagrams between named sockets keep their bounds and tell where they come from.
 * Proves: sendto recvfrom bind
 */
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "promise.h"

static int made(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0);

	(void)snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	must(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof(sa)) == 0);
	return fd;
}

static void round_(void)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "b"}, from = {0};
	socklen_t n = sizeof(from);
	char text[16] = "";
	int a = made("a"), b = made("b");

	must(sendto(a, "first", 5, 0, (struct sockaddr *)&to, sizeof(to)) == 5);
	must(sendto(a, "second", 6, 0, (struct sockaddr *)&to, sizeof(to)) == 6);
	must(sendto(a, "", 0, 0, (struct sockaddr *)&to, sizeof(to)) == 0);
	say_result("received", recvfrom(b, text, sizeof(text), 0, (struct sockaddr *)&from, &n));
	say("%s from %s", text, from.sun_path);
	say_result("with room for two", recvfrom(b, text, 2, 0, NULL, NULL));
	say_result("empty", recvfrom(b, text, sizeof(text), 0, NULL, NULL));
	must(close(b) == 0);
	say_result("to nobody", sendto(a, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	must(unlink("b") == 0);
	say_result("to nothing", sendto(a, "x", 1, 0, (struct sockaddr *)&to, sizeof(to)));
	must(close(a) == 0 && unlink("a") == 0);
}

int main(void)
{
	return promise_run(round_);
}
