/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: After a handler with SA_RESTART a waiting call goes on; without it, it ends with EINTR: locks, sockets,
 * children, pipes.
 * Proves: flock recvfrom accept wait4 openat write
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static int p[2], s[2], listener, locked, other;
static volatile sig_atomic_t ticks, feed;
static pid_t child;

/* What a restarted call waits for comes with the third tick. */
static void on_alarm(int sig)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "restarts"};
	char page[4096];

	(void)sig;
	if (++ticks != 3)
		return;
	if (feed == 'f')
		must(flock(other, LOCK_UN) == 0);
	else if (feed == 'r')
		must(send(s[0], "x", 1, 0) == 1);
	else if (feed == 'a')
		must(connect(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&sa, sizeof(sa)) == 0);
	else if (feed == 'w')
		must(kill(child, SIGTERM) == 0);
	else
		must(read(p[0], page, sizeof(page)) == sizeof(page));
}

static char block[65536];

static long wait_in(char what)
{
	char c;
	int status;

	switch (what) {
	case 'f':
		return flock(locked, LOCK_EX);
	case 'r':
		return recv(s[1], &c, 1, 0);
	case 'a':
		return accept(listener, NULL, NULL) >= 0 ? 0 : -1;
	case 'w':
		return waitpid(child, &status, 0) == child ? 0 : -1;
	default:
		return write(p[1], block, sizeof(block)) > 0 ? 0 : -1;
	}
}

static void attempt(char what, int flags)
{
	struct itimerval it = {.it_value = {.tv_usec = 20000}, .it_interval = {.tv_usec = 20000}}, off = {0};
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = flags};
	long r;
	int e;

	feed = flags ? what : '-';
	ticks = flags ? 0 : 3;
	if (what == 'f')
		must(flock(locked, LOCK_UN) == 0 && flock(other, LOCK_EX) == 0);
	must(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &it, NULL) == 0);
	r = wait_in(what);
	e = errno;
	must(setitimer(ITIMER_REAL, &off, NULL) == 0);
	errno = e;
	say("%c %s: %s", what, flags ? "SA_RESTART" : "plain", r >= 0 ? "done" : strerrorname_np(e));
	must(ticks >= 3);
}

static void round_(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = "restarts"};

	locked = open("lock", O_CREAT | O_RDWR, 0600);
	other = open("lock", O_RDWR);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	must(bind(listener, (struct sockaddr *)&sa, sizeof(sa)) == 0 && listen(listener, 1) == 0);
	must(pipe(p) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, s) == 0);
	must(write(p[1], block, sizeof(block)) == sizeof(block)); /* it is full */
	child = promise_fork();
	if (child == 0)
		for (;;)
			(void)pause();
	for (const char *what = "frawo"; *what; what++) {
		attempt(*what, 0);
		attempt(*what, SA_RESTART);
	}
	must(unlink("lock") == 0 && unlink("restarts") == 0);
	(void)close_range(3, FD_AT - 1, 0);
}

int main(void)
{
	return promise_run(round_);
}
