/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See keeper.h. After its fork it uses no memory of the executor but the start. */
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../base/clock.h"
#include "../base/file.h"
#include "../base/sock.h"
#include "../wire/wire.h"
#include "exec.h"

#define CHILDREN_BYTES 65536
#define KILL_NS (5 * NSEC_PER_SEC) /* for what cannot be killed at once, or not at all */
#define KEEP_MAX 8

struct keeper {
	int orders; /* the executor's end is its life */
	int signals;
	pid_t main; /* 0 once it has ended */
	pid_t group;
	bool relay; /* see keeper_start */
};

/* ---- ending what there is -------------------------------------------------------------------------------------------
 */

/* The broker of a godwit exec in a command serves others, too, and ends by itself when nobody needs it. */
static bool is_broker(pid_t pid)
{
	char link[64], exe[512] = "", own[512] = "";
	ssize_t n;

	(void)snprintf(link, sizeof(link), "/proc/%d/exe", pid);
	n = readlink(link, exe, sizeof(exe) - 1);
	if (n <= 0 || file_self_dir(own, sizeof(own) - sizeof("/godwit-execd")) < 0)
		return false;
	exe[n] = '\0';
	(void)strcat(own, "/godwit-execd");
	return !strcmp(exe, own);
}

/* Signals each child of this process that is not in the list, nor a broker. True: there is one. */
static bool signal_children(int signo, const pid_t *but, size_t n_but)
{
	char path[64], text[CHILDREN_BYTES], *p = text;
	pid_t self = getpid(), pid;
	bool some = false;
	size_t i;

	(void)snprintf(path, sizeof(path), "/proc/%d/task/%d/children", self, self);
	if (file_read_small(path, text, sizeof(text)) <= 0)
		return false;
	while ((pid = (pid_t)strtol(p, &p, 10)) > 0) {
		for (i = 0; i < n_but && but[i] != pid; i++)
			;
		if (i < n_but || is_broker(pid))
			continue;
		some = true;
		(void)kill(pid, signo);
	}
	return some;
}

void keeper_kill_strays(const pid_t *keepers, size_t n)
{
	(void)signal_children(SIGKILL, keepers, n);
}

/* Waits for children until none is left or time is up. */
static bool children_gone(int signals, uint64_t deadline)
{
	struct signalfd_siginfo info;
	pid_t pid;

	for (;;) {
		while ((pid = waitpid(-1, NULL, WNOHANG)) > 0)
			;
		if (pid < 0 || !signal_children(0, NULL, 0))
			return true;
		if (sock_wait(signals, POLLIN, deadline) < 0)
			return false;
		(void)!read(signals, &info, sizeof(info));
	}
}

/* Children of what is killed become ours, and have their turn in the next round. */
static void end_all(const struct keeper *k)
{
	uint64_t deadline = clock_mono_ns() + KILL_NS;

	if (children_gone(k->signals, 0))
		return;
	if (k->group > 0) {
		(void)kill(-k->group, SIGHUP);
		(void)kill(-k->group, SIGCONT);
	}
	(void)signal_children(SIGHUP, NULL, 0);
	if (children_gone(k->signals, clock_mono_ns() + EXEC_GRACE_NS))
		return;
	do {
		if (k->group > 0)
			(void)kill(-k->group, SIGKILL);
		(void)signal_children(SIGKILL, NULL, 0);
	} while (!children_gone(k->signals, clock_mono_ns() + 20 * NSEC_PER_MSEC) && clock_mono_ns() < deadline);
}

/* ---- the command ----------------------------------------------------------------------------------------------------
 */

static void note(const struct keeper *k, enum keeper_note_kind kind, int value, const struct err *e)
{
	struct keeper_note n = {.kind = kind, .value = value};

	if (e)
		n.err = *e;
	(void)!send(k->orders, &n, sizeof(n), MSG_NOSIGNAL);
}

_Noreturn static void fail(const struct keeper *k, enum exec_error kind, const struct err *e)
{
	note(k, NOTE_ERROR, (int)kind, e);
	end_all(k);
	_exit(1);
}

/* As high as the caller's, or as this node allows. */
static void set_limits(const struct rlimit *want)
{
	struct rlimit have, now;
	int i;

	for (i = 0; i < RLIM_NLIMITS; i++) {
		if (getrlimit((__rlimit_resource_t)i, &have) < 0)
			continue;
		now = want[i];
		if (now.rlim_max > have.rlim_max && geteuid() != 0)
			now.rlim_max = have.rlim_max;
		if (now.rlim_cur > now.rlim_max)
			now.rlim_cur = now.rlim_max;
		(void)setrlimit((__rlimit_resource_t)i, &now);
	}
}

static void set_signals(uint64_t ignored, uint64_t blocked)
{
	sigset_t mask;
	int i;

	(void)sigemptyset(&mask);
	for (i = 1; i < NSIG; i++) {
		if (i != SIGKILL && i != SIGSTOP)
			(void)signal(i, ignored >> (i - 1) & 1 ? SIG_IGN : SIG_DFL);
		if (blocked >> (i - 1) & 1)
			(void)sigaddset(&mask, i);
	}
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
}

/* The three descriptors; what else there is closes itself. They may lie in each other's places. */
static int place_descriptors(const struct keeper_start *s, int tty)
{
	int high[3], i;

	for (i = 0; i < 3; i++) {
		high[i] = s->fd[i] == KEEPER_TTY ? tty : s->fd[i];
		high[i] = high[i] < 0 ? -1 : fcntl(high[i], F_DUPFD_CLOEXEC, 3);
		if (high[i] < 0 && s->fd[i] != -1)
			return -errno;
	}
	for (i = 0; i < 3; i++)
		if (high[i] < 0)
			(void)close(i);
		else if (dup2(high[i], i) < 0)
			return -errno;
	return 0;
}

/* In the child. Returns only with an errno. */
static int become_command(const struct keeper_start *s, int tty)
{
	int r;

	(void)setpgid(0, 0);
	if (tty >= 0)
		(void)tcsetpgrp(tty, getpid()); /* SIGTTOU is blocked */
	r = place_descriptors(s, tty);
	if (r < 0)
		return -r;
	set_limits(s->limits);
	set_signals(s->ignored, s->blocked);
	environ = s->env; /* also where PATH is looked up */
	(void)execvp(s->argv[0], s->argv);
	return errno;
}

/* pid of the command, or -errno with *ret_exec: execve(2) said so. */
static pid_t start_command(struct keeper *k, const struct keeper_start *s, int tty, bool *ret_exec)
{
	int p[2], error = 0;
	ssize_t n;
	pid_t pid;

	*ret_exec = false;
	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		error = become_command(s, tty);
		(void)!write(p[1], &error, sizeof(error));
		_exit(127);
	}
	if (pid < 0)
		error = errno;
	(void)close(p[1]);
	if (pid > 0) {
		(void)setpgid(pid, pid);
		k->group = pid;
		/* The end of the pipe means that execve(2) has succeeded. */
		while ((n = read(p[0], &error, sizeof(error))) < 0 && errno == EINTR)
			;
		*ret_exec = n == sizeof(error);
	}
	(void)close(p[0]);
	if (pid > 0 && *ret_exec)
		(void)waitpid(pid, NULL, 0);
	return error ? -error : pid;
}

/* Closes all but what is needed: nothing of the executor may be held open here. */
static void close_others(int *keep, unsigned n)
{
	unsigned i, j, from = 3;
	int t;

	for (i = 0; i < n; i++)
		for (j = i + 1; j < n; j++)
			if (keep[j] < keep[i]) {
				t = keep[i];
				keep[i] = keep[j];
				keep[j] = t;
			}
	for (i = 0; i < n; i++) {
		if (keep[i] < 3)
			continue;
		if ((unsigned)keep[i] > from)
			(void)close_range(from, (unsigned)keep[i] - 1, 0);
		from = (unsigned)keep[i] + 1;
	}
	(void)close_range(from, ~0U, 0);
}

static int open_tty(const char *path)
{
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;

	/* Opened by a session leader without a terminal it is the controlling one already; asking again does no harm.
	 */
	if (fd >= 0)
		(void)ioctl(fd, TIOCSCTTY, 0);
	return fd;
}

static void obey(const struct keeper *k, const struct keeper_order *o)
{
	if (o->signo <= 0 || o->signo >= NSIG)
		return;
	if (k->relay && o->group && k->main)
		(void)sigqueue(k->main, o->signo, (union sigval){.sival_int = EXEC_SIGNAL_GROUP});
	else if (o->group || !k->main)
		(void)kill(-k->group, o->signo);
	else
		(void)kill(k->main, o->signo);
}

/* What has become of the children. */
static void look(struct keeper *k)
{
	struct keeper_note n = {.kind = NOTE_ENDED};
	struct rusage used;
	pid_t pid;

	while ((pid = wait4(-1, &n.value, WNOHANG | WUNTRACED, &used)) > 0) {
		if (pid != k->main)
			continue;
		if (WIFSTOPPED(n.value)) {
			note(k, NOTE_STOPPED, WSTOPSIG(n.value), NULL);
			continue;
		}
		k->main = 0;
		n.usage = exec_usage_of(&used);
		(void)!send(k->orders, &n, sizeof(n), MSG_NOSIGNAL);
	}
}

_Noreturn static void keep(const struct keeper_start *s, int orders)
{
	struct keeper k = {.orders = orders, .relay = s->relay};
	struct keeper_order o;
	struct err e = {0};
	struct pollfd p[2];
	int keep_open[KEEP_MAX] = {orders}, n = 1, tty, i;
	bool exec_failed;
	sigset_t all;

	(void)prctl(PR_SET_NAME, "godwit-keeper");
	(void)sigfillset(&all);
	(void)sigprocmask(SIG_SETMASK, &all, NULL);
	for (i = 0; i < 3; i++)
		if (s->fd[i] >= 0)
			keep_open[n++] = s->fd[i];
	close_others(keep_open, (unsigned)n);
	(void)setsid();
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1);
	(void)sigemptyset(&all);
	(void)sigaddset(&all, SIGCHLD);
	k.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
	tty = open_tty(s->tty);
	if (k.signals < 0 || (s->tty && tty < 0)) {
		(void)err_set(&e, -errno, "nothing can be started: %s", strerror(errno));
		fail(&k, EXEC_ERROR_NODE, &e);
	}
	if (place_enter(&s->place, &e) < 0)
		fail(&k, EXEC_ERROR_PLACE, &e);
	(void)umask(s->mask);
	(void)setpriority(PRIO_PROCESS, 0, s->nice);
	k.main = start_command(&k, s, tty, &exec_failed);
	if (k.main < 0) {
		(void)err_set(&e, k.main, "%s", strerror(-k.main));
		fail(&k, exec_failed ? EXEC_ERROR_COMMAND : EXEC_ERROR_NODE, &e);
	}
	/* Were they open here, their ends could not be seen. */
	for (i = 0; i < 3; i++)
		if (s->fd[i] >= 0)
			(void)close(s->fd[i]);
	if (tty >= 0)
		(void)close(tty);
	note(&k, NOTE_STARTED, k.main, NULL);
	for (;;) {
		p[0] = (struct pollfd){.fd = orders, .events = POLLIN};
		p[1] = (struct pollfd){.fd = k.signals, .events = POLLIN};
		look(&k);
		if (poll(p, 2, -1) < 0 && errno != EINTR)
			break;
		if (p[1].revents) {
			struct signalfd_siginfo info;

			(void)!read(k.signals, &info, sizeof(info));
		}
		if (!p[0].revents)
			continue;
		if (recv(orders, &o, sizeof(o), MSG_DONTWAIT) != sizeof(o))
			break; /* the executor's end is closed */
		obey(&k, &o);
	}
	end_all(&k);
	_exit(0);
}

pid_t keeper_fork(const struct keeper_start *s, int *ret_fd)
{
	int pair[2], r;
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		keep(s, pair[1]);
	r = -errno;
	(void)close(pair[1]);
	if (pid > 0 && fcntl(pair[0], F_SETFL, O_NONBLOCK) == 0) {
		*ret_fd = pair[0];
		return pid;
	}
	(void)close(pair[0]);
	return pid > 0 ? -EIO : r;
}
