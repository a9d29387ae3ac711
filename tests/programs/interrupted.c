/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: a call that a handler interrupts returns -EINTR or goes on, as signal(7) says for that call and for
 * SA_RESTART; a move by itself interrupts nothing.
 * Proves: write pipe2 setitimer poll rt_sigaction pause read close clock_nanosleep rt_sigsuspend rt_sigreturn
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

/* It ticks on: a process that is moved between arm() and the call would wait for ever otherwise. */
#define MS 60

static volatile sig_atomic_t runs;
static int pipefd[2];
static bool feed;

static void on_alarm(int sig)
{
	(void)sig;
	runs++;
	/* A call that is restarted needs something to end it. */
	if (feed && write(pipefd[1], "x", 1) != 1)
		_exit(9);
}

static void arm(int flags, bool with_feed)
{
	struct sigaction sa = {.sa_handler = on_alarm, .sa_flags = flags};
	struct itimerval it = {.it_value = {.tv_usec = MS * 1000}, .it_interval = {.tv_usec = MS * 1000}};

	feed = with_feed;
	runs = 0;
	must(sigaction(SIGALRM, &sa, NULL) == 0 && setitimer(ITIMER_REAL, &it, NULL) == 0);
}

static const char *verdict(long ret)
{
	struct itimerval off = {0};
	int e = errno;

	must(runs >= 1 && setitimer(ITIMER_REAL, &off, NULL) == 0);
	return ret >= 0 ? "done" : e == EINTR ? "EINTR" : "?";
}

static void sleeps(int flags, const char *how)
{
	struct timespec ts = {.tv_sec = 5}, left = {0};
	struct pollfd p = {.fd = pipefd[0], .events = POLLIN};
	sigset_t none;

	(void)sigemptyset(&none);
	arm(flags, false);
	say("%s nanosleep %s", how, verdict(nanosleep(&ts, &left)));
	/* No move takes a second from it; what is left includes the timer's slack: kernel, do_nanosleep(). */
	if (left.tv_sec != 4 && (left.tv_sec != 5 || left.tv_nsec > 1000000))
		say("left %ld.%09ld", (long)left.tv_sec, left.tv_nsec);
	arm(flags, false);
	say("%s poll %s", how, verdict(poll(&p, 1, 5000)));
	arm(flags, false);
	say("%s pause %s", how, verdict(pause()));
	arm(flags, false);
	say("%s sigsuspend %s", how, verdict(sigsuspend(&none)));
}

static void reads(int flags, const char *how)
{
	struct pollfd p = {.fd = pipefd[0], .events = POLLIN};
	char c[4];
	ssize_t n;

	arm(flags, flags & SA_RESTART);
	n = read(pipefd[0], c, 1);
	say("%s read %s %zd", how, verdict(n), n);
	/* A slow move may have let it tick more than once. */
	while (poll(&p, 1, 0) == 1)
		must(read(pipefd[0], c, sizeof(c)) > 0);
}

static void round_(void)
{
	must(pipe(pipefd) == 0);
	sleeps(0, "plain");
	reads(0, "plain");
	sleeps(SA_RESTART, "SA_RESTART");
	reads(SA_RESTART, "SA_RESTART");
	must(close(pipefd[0]) == 0 && close(pipefd[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
