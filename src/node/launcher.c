/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's connection to godwit-launcher.
 * Promise: every request is answered once, at the latest when its deadline has passed or the launcher is lost; a helper
 * that comes too late for its request is ended. Must not: wait for the launcher.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/sock.h"
#include "node.h"

#define RETRY_NS (NSEC_PER_SEC / 4)
#define LAUNCH_NS (5 * NSEC_PER_SEC)
#define ANSWER_MAX 1024

struct launch {
	struct launch *next;
	struct node *node;
	struct loop_watch *deadline;
	uint64_t id;
	launch_fn fn; /* NULL: nobody waits any more */
	void *arg;
};

static void launch_end(struct launch *l, pid_t pid, const struct err *e)
{
	struct node *n = l->node;
	struct launch **p;

	for (p = &n->launches; *p != l; p = &(*p)->next)
		;
	*p = l->next;
	loop_remove(l->deadline);
	if (l->fn)
		l->fn(n, l->arg, pid, e);
	else if (pid > 0)
		launch_kill(n, pid);
	free(l);
}

static void retry(void *arg)
{
	struct node *n = arg;

	n->launcher_retry = NULL;
	launcher_connect(n);
}

void launcher_close(struct node *n)
{
	struct err e = {0};

	loop_remove(take_ptr(n->launcher_watch));
	loop_remove(take_ptr(n->launcher_retry));
	if (n->launcher_fd >= 0)
		(void)close(take_fd(&n->launcher_fd));
	(void)err_set(&e, -ECONNRESET, "the launcher was lost");
	while (n->launches)
		launch_end(n->launches, 0, &e);
}

static void lost(struct node *n)
{
	launcher_close(n);
	log_warn("the launcher is gone; no process can move until it is back");
	n->launcher_retry = loop_add_timer(n->loop, clock_mono_ns() + RETRY_NS, retry, n);
}

static void launcher_event(void *arg, int fd, uint32_t events)
{
	struct node *n = arg;
	struct wire_launch_done m;
	struct wire_header h;
	struct launch *l;
	struct err e = {0};
	uint8_t bytes[ANSWER_MAX];
	ssize_t k = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);

	if (k < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (k < WIRE_HEADER_SIZE || (size_t)k > sizeof(bytes) || wire_header_decode(bytes, &h) < 0 ||
	    h.type != WIRE_LAUNCH_DONE ||
	    wire_launch_done_decode(&m, bytes + WIRE_HEADER_SIZE, (size_t)k - WIRE_HEADER_SIZE) < 0) {
		lost(n);
		return;
	}
	for (l = n->launches; l && l->id != m.id; l = l->next)
		;
	if (m.error) {
		(void)err_reason(&e, REASON_INTERNAL, m.error < 0 ? (int)m.error : -EIO, "launcher");
		wire_str_copy(e.text, sizeof(e.text), m.sentence);
	}
	if (l)
		launch_end(l, (pid_t)m.pid, &e);
}

void launcher_connect(struct node *n)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/launcher.sock", n->cfg.run_dir);
	n->launcher_fd = sock_connect_unix(path, SOCK_SEQPACKET | SOCK_NONBLOCK, NULL);
	if (n->launcher_fd >= 0)
		n->launcher_watch = loop_add_fd(n->loop, n->launcher_fd, EPOLLIN, launcher_event, n);
	if (n->launcher_watch) {
		log_info("the launcher is there");
		return;
	}
	if (n->launcher_fd >= 0)
		(void)close(n->launcher_fd);
	n->launcher_fd = -1;
	n->launcher_retry = loop_add_timer(n->loop, clock_mono_ns() + RETRY_NS, retry, n);
}

bool launcher_there(const struct node *n)
{
	return n->launcher_fd >= 0;
}

static void late(void *arg)
{
	struct launch *l = arg;
	launch_fn fn = l->fn;
	struct err e = {0};

	l->deadline = NULL;
	l->fn = NULL; /* it stays, so that a helper that comes after all is ended */
	if (!fn)
		return;
	(void)err_reason(&e, REASON_TIMEOUT, -ETIMEDOUT, "the launcher did not answer");
	fn(l->node, l->arg, 0, &e);
}

/* frame: the request, with id in it. */
static struct launch *request(struct node *n, uint64_t id, const struct buf *frame, launch_fn fn, void *arg,
			      struct err *e)
{
	struct launch *l;

	if (!launcher_there(n)) {
		(void)err_reason(e, REASON_INTERNAL, -ENOTCONN, "the launcher of %s does not answer", n->name);
		return NULL;
	}
	l = calloc(1, sizeof(*l));
	if (!l || !frame) {
		free(l);
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	if (send(n->launcher_fd, buf_head(frame), frame->len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0) {
		(void)err_reason(e, REASON_INTERNAL, -errno, "the launcher of %s takes no request: %s", n->name,
				 strerror(errno));
		free(l);
		return NULL;
	}
	*l = (struct launch){.next = n->launches, .node = n, .id = id, .fn = fn, .arg = arg};
	l->deadline = loop_add_timer(n->loop, clock_mono_ns() + LAUNCH_NS, late, l);
	n->launches = l;
	return l;
}

struct launch *launch_shepherd(struct node *n, pid_t pid, launch_fn fn, void *arg, struct err *e)
{
	struct wire_launch_shepherd m = {.id = random_id(), .pid = pid};

	return request(n, m.id, NODE_FRAME(n, launch_shepherd, &m), fn, arg, e);
}

struct launch *launch_agent(struct node *n, uint64_t mig, uint64_t bytes, launch_fn fn, void *arg, struct err *e)
{
	struct wire_launch_agent m = {.id = random_id(), .mig = mig, .bytes = bytes};

	return request(n, m.id, NODE_FRAME(n, launch_agent, &m), fn, arg, e);
}

struct launch *launch_executor(struct node *n, uint64_t session, const char *user, uid_t uid, launch_fn fn, void *arg,
			       struct err *e)
{
	struct wire_launch_executor m = {.id = random_id(), .session = session, .user = wire_str(user), .uid = uid};

	return request(n, m.id, NODE_FRAME(n, launch_executor, &m), fn, arg, e);
}

void launch_forget(struct launch *l)
{
	if (l)
		l->fn = NULL;
}

void launch_kill(struct node *n, pid_t pid)
{
	struct wire_launch_kill m = {.id = 0, .pid = pid};
	const struct buf *frame = NODE_FRAME(n, launch_kill, &m);

	/* Without a launcher nobody can end it; but then it ends by itself when its link does not come. */
	if (launcher_there(n) && frame)
		(void)!send(n->launcher_fd, buf_head(frame), frame->len, MSG_NOSIGNAL | MSG_DONTWAIT);
}
