/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A stream between two processes by a path: connected, named, read to its end.
 * Proves: socket bind listen connect accept getsockname getpeername
 */
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void client(const struct sockaddr_un *sa)
{
	char text[16] = "";
	int c = socket(AF_UNIX, SOCK_STREAM, 0);

	must(c >= 0 && connect(c, (const struct sockaddr *)sa, sizeof(*sa)) == 0);
	must(write(c, "question", 8) == 8 && read(c, text, sizeof(text)) == 6 && memcmp(text, "answer", 6) == 0);
	_exit(0);
}

static void round_(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "socket"}, seen;
	socklen_t n = sizeof(seen);
	char text[16] = "";
	int l = socket(AF_UNIX, SOCK_STREAM, 0), s, status;
	pid_t pid;

	must(l >= 0 && bind(l, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(l, 3) == 0);
	pid = promise_fork();
	if (pid == 0)
		client(&sa);
	s = accept(l, NULL, NULL);
	must(s >= 0 && getsockname(s, (struct sockaddr *)&seen, &n) == 0);
	say("at %s", seen.sun_path);
	n = sizeof(seen);
	must(getpeername(s, (struct sockaddr *)&seen, &n) == 0);
	say("from a socket with a name of %u bytes", n - (unsigned)sizeof(seen.sun_family));
	must(read(s, text, 3) == 3 && read(s, text + 3, sizeof(text) - 3) == 5);
	say("%s", text);
	must(write(s, "answer", 6) == 6);
	say_result("its end", read(s, text, 1));
	must(waitpid(pid, &status, 0) == pid && status == 0 && close(s) == 0 && close(l) == 0);
	must(unlink("socket") == 0);
}

int main(void)
{
	return promise_run(round_);
}
