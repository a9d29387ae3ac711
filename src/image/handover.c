/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A traced task gets another tracer; see handover.h for what is promised. */
#include "handover.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../base/cleanup.h"
#include "../base/clock.h"
#include "../base/sock.h"
#include "../wire/wire.h"

#define STEP_NS (5 * NSEC_PER_SEC)

/* What the two tell each other. */
struct word {
	pid_t helper;
	int error;
};

static int say(int fd, int error)
{
	struct word w = {.helper = getpid(), .error = error};

	return send(fd, &w, sizeof(w), MSG_NOSIGNAL) == sizeof(w) ? 0 : -EPIPE;
}

static int hear(int fd, pid_t *ret_helper)
{
	struct word w;

	if (sock_wait(fd, POLLIN, clock_mono_ns() + STEP_NS) <= 0)
		return -ETIMEDOUT;
	if (recv(fd, &w, sizeof(w), MSG_DONTWAIT) != sizeof(w))
		return -EPIPE;
	*ret_helper = w.helper;
	return w.error;
}

/* In the new process: the task is let go by its old tracer, and taken. */
static int take(struct tracee *t, int fd)
{
	pid_t other;
	struct err e;
	int r = say(fd, 0);

	if (r == 0)
		r = hear(fd, &other);
	tracee_release(t);
	t->stop = TRACEE_RUNNING;
	t->entered = false;
	if (r == 0)
		r = tracee_seize(t, &e);
	if (r == 0)
		r = tracee_interrupt(t);
	if (r == 0)
		r = tracee_wait(t, clock_mono_ns() + STEP_NS);
	if (r == 0 && t->stop == TRACEE_ENDED)
		r = -ESRCH;
	if (r == 0)
		r = tracee_exitkill(t, true);
	return say(fd, r) < 0 ? -EPIPE : r;
}

/* Through a process that ends at once, so that init gets the new one. */
static int fork_away(void)
{
	pid_t between = fork();
	int status;

	if (between == 0) {
		pid_t pid = fork();

		if (pid != 0)
			_exit(pid < 0);
		return 1;
	}
	if (between < 0)
		return -errno;
	while (waitpid(between, &status, 0) < 0) {
		if (errno != EINTR)
			return -errno;
	}
	return status == 0 ? 0 : -EAGAIN;
}

static int make_pair(int pair[2], struct err *e)
{
	return socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) == 0
		   ? 0
		   : err_set(e, -errno, "a socket pair cannot be made: %s", strerror(errno));
}

int handover_introduce(struct handover *h, int connection, pid_t guest, uint64_t link_id)
{
	struct wire_helper_forked m = {.helper = h->helper, .guest = guest, .link_id = link_id};
	_cleanup_close_ int fd = take_fd(&h->daemon);
	struct buf b;
	ssize_t n;

	buf_init(&b, 0);
	n = wire_helper_forked_encode(&m, &b);
	if (n == 0)
		n = sock_send_fd(connection, buf_head(&b), b.len, fd);
	buf_release(&b);
	return n < 0 ? (int)n : 0;
}

int handover_fork(struct tracee *t, struct handover *ret, struct err *e)
{
	_cleanup_close_ int fd = -1, daemon = -1;
	int pair[2], daemon_pair[2], r = make_pair(pair, e);

	*ret = (struct handover){.fd = -1, .daemon = -1};
	if (r < 0)
		return r;
	r = make_pair(daemon_pair, e);
	if (r < 0) {
		(void)close(pair[0]);
		(void)close(pair[1]);
		return r;
	}
	r = fork_away();
	fd = pair[r == 1];
	daemon = daemon_pair[r == 1];
	(void)close(pair[r != 1]);
	(void)close(daemon_pair[r != 1]);
	if (r == 1) {
		if (take(t, fd) < 0)
			_exit(1);
		ret->new_process = true;
		ret->fd = take_fd(&fd);
		ret->daemon = take_fd(&daemon);
		return 0;
	}
	if (r == 0)
		r = hear(fd, &ret->helper);
	if (r == 0)
		r = tracee_detach(t, 0);
	if (r == 0)
		r = say(fd, 0);
	if (r == 0)
		r = hear(fd, &ret->helper);
	if (r < 0) {
		(void)kill(t->pid, SIGKILL);
		return err_set(e, r, "task %d cannot be given to another tracer: %s", t->pid, strerror(-r));
	}
	ret->fd = take_fd(&fd);
	ret->daemon = take_fd(&daemon);
	return 0;
}
