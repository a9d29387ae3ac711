/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit-execd: the broker of one user on one node. It keeps links to executors open, so that a command needs neither
 * a handshake nor a new process that knows TLS, and carries the messages of any number of godwit execs over them.
 * Promise: a command whose caller goes is ended; a caller whose link is lost is told; as many wait as come, and those
 * that wait are served in their order; ends by itself when it is not needed. Must not: speak to the daemon (its callers
 * do), serve another user, or look into a stream.
 *
 * Started by godwit exec with the listening socket as descriptor 3. A link is WANTED until a caller has brought the
 * daemon's answer, then OPENING, then OPEN.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include "../base/clock.h"
#include "../base/log.h"
#include "../base/loop.h"
#include "../base/sock.h"
#include "../link/link.h"
#include "../wire/reasons.h"
#include "exec.h"
#include "frames.h"

#define LISTEN_FD 3
#define NODE_MAX 65
#define ASKED_NS (15 * NSEC_PER_SEC) /* for a caller to bring the daemon's answer */
#define OPEN_NS (8 * NSEC_PER_SEC)

struct broker;
struct client;

enum line_state { LINE_WANTED, LINE_OPENING, LINE_OPEN };

/* A link to one node, or the wish for one. */
struct line {
	struct line *next;
	struct broker *broker;
	char node[NODE_MAX];
	enum line_state state;
	bool going; /* the executor takes no more commands: another line is for new ones */
	struct client *asked; /* who is to ask the daemon */
	struct loop_watch *watch, *deadline, *pulse;
	struct link *link;
	int fd; /* while it is being connected, else -1 */
	uint64_t link_id, heard_ns, said_ns;
	uint8_t psk[LINK_PSK_MAX];
	size_t psk_len;
	unsigned running;
};

enum client_state { CLIENT_NEW, CLIENT_WAITING, CLIENT_RUNNING, CLIENT_DONE };

struct client {
	struct client *next; /* in the order of their coming */
	struct broker *broker;
	struct frames f;
	struct loop_watch *watch;
	struct line *line;
	struct buf start; /* its EXEC_START, until the answer */
	enum client_state state;
	uint32_t id;
	bool lost; /* to be freed at the next occasion */
};

struct broker {
	struct loop *loop;
	struct client *clients;
	struct line *lines;
	struct loop_watch *idle, *listening;
	uint32_t last_id;
	bool ended;
};

static void line_serve(struct line *l);
static void line_watch(struct line *l);
static void client_watch(struct client *c);

/* ---- callers ------------------------------------------------------------------------------------------------------
 */

static void idle(void *arg)
{
	struct broker *b = arg;

	b->idle = NULL;
	b->ended = true;
}

static void idle_if_empty(struct broker *b)
{
	if (!b->clients && !b->idle)
		b->idle = loop_add_timer(b->loop, clock_mono_ns() + EXEC_IDLE_NS, idle, b);
}

/* The command of a caller is no longer on its line: it has ended, or will be. */
static void client_leave_line(struct client *c, bool cancel)
{
	struct line *l = c->line;
	struct wire_exec_cancel m = {.id = c->id};

	c->line = NULL;
	if (!l)
		return;
	if (l->asked == c)
		l->asked = NULL;
	if (c->state == CLIENT_RUNNING) {
		l->running--;
		if (cancel && l->state == LINE_OPEN)
			(void)!wire_exec_cancel_encode(&m, link_out(l->link));
	}
	c->state = CLIENT_DONE;
	line_serve(l);
}

static void client_free(struct client *c)
{
	struct broker *b = c->broker;
	struct client **p;

	for (p = &b->clients; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	client_leave_line(c, true);
	loop_remove(c->watch);
	(void)close(c->f.fd);
	frames_release(&c->f);
	buf_release(&c->start);
	free(c);
	idle_if_empty(b);
}

/* Frees those that went while others were being served. */
static void clients_sweep(struct broker *b)
{
	struct client *c, *next;

	for (c = b->clients; c; c = next) {
		next = c->next;
		if (c->lost) {
			client_free(c);
			next = b->clients; /* it may have changed: from the start */
		}
	}
}

static void client_fail(struct client *c, unsigned kind, const struct err *e)
{
	struct wire_exec_error m = {
	    .kind = (uint8_t)kind, .error = e->code, .reason = e->reason, .sentence = wire_str(e->text)};

	if (c->state == CLIENT_DONE)
		return;
	client_leave_line(c, false);
	if (wire_exec_error_encode(&m, &c->f.out) < 0)
		c->lost = true;
	client_watch(c);
}

/* Reads no more than can be passed on. */
static void client_watch(struct client *c)
{
	int r = frames_flush(&c->f);
	bool full = c->line && c->line->state == LINE_OPEN && link_out(c->line->link)->len >= EXEC_BACKLOG;

	if ((r < 0 && r != -EAGAIN) ||
	    loop_set_events(c->watch, (full ? 0 : EPOLLIN) | (r == -EAGAIN ? EPOLLOUT : 0)) < 0)
		c->lost = true;
}

static struct line *line_for(struct broker *b, const char *node)
{
	struct line *l;

	for (l = b->lines; l && (l->going || strcmp(l->node, node) != 0); l = l->next)
		;
	if (l)
		return l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	*l = (struct line){.next = b->lines, .broker = b, .fd = -1};
	(void)snprintf(l->node, sizeof(l->node), "%s", node);
	b->lines = l;
	return l;
}

static int on_start(struct client *c, const struct wire_header *h, const uint8_t *body)
{
	struct wire_exec_start m;
	char node[NODE_MAX];

	if (c->state != CLIENT_NEW || wire_exec_start_decode(&m, body, h->length) < 0 ||
	    wire_str_copy(node, sizeof(node), m.node) < 0 || !*node)
		return -EPROTO;
	if (buf_append(&c->start, body - WIRE_HEADER_SIZE, WIRE_HEADER_SIZE + (size_t)h->length) < 0)
		return -ENOMEM;
	c->line = line_for(c->broker, node);
	if (!c->line)
		return -ENOMEM;
	c->state = CLIENT_WAITING;
	line_serve(c->line);
	return 0;
}

static int on_link(struct client *c, const struct wire_header *h, const uint8_t *body);

static int client_frame(struct client *c, const struct wire_header *h, const uint8_t *body)
{
	if (h->type == WIRE_EXEC_START)
		return on_start(c, h, body);
	if (h->type == WIRE_EXEC_LINK)
		return on_link(c, h, body);
	if (c->state == CLIENT_DONE)
		return 0; /* it crossed the end of the command */
	if (c->state != CLIENT_RUNNING || c->line->state != LINE_OPEN)
		return -EPROTO;
	return frame_pass(link_out(c->line->link), h, body, c->id);
}

static void client_event(void *arg, int fd, uint32_t events)
{
	struct client *c = arg;
	struct broker *b = c->broker;
	struct line *l;
	struct wire_header h;
	uint8_t *body;
	int r = events & (EPOLLIN | EPOLLHUP | EPOLLERR) ? frames_fill(&c->f) : -EAGAIN;

	if (r < 0 && r != -EAGAIN)
		c->lost = true;
	while (!c->lost && (r = frames_next(&c->f, &h, &body)) > 0)
		if (client_frame(c, &h, body) < 0)
			c->lost = true;
	if (r == -EPROTO)
		c->lost = true;
	l = c->line;
	if (l)
		line_watch(l);
	if (!c->lost)
		client_watch(c);
	clients_sweep(b);
}

static void accept_client(void *arg, int fd, uint32_t events)
{
	struct broker *b = arg;
	struct wire_exec_ping hello = {.id = 0};
	struct client *c, **p;
	uid_t uid;
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (s < 0)
		return;
	c = sock_peer_cred(s, NULL, &uid, NULL) < 0 || uid != geteuid() ? NULL : calloc(1, sizeof(*c));
	if (!c) {
		(void)close(s);
		return;
	}
	*c = (struct client){.broker = b};
	frames_init(&c->f, s, WIRE_FROM_CALLER);
	buf_init(&c->start, 0);
	c->watch = loop_add_fd(b->loop, s, EPOLLIN, client_event, c);
	/* Whoever has heard this knows that its command may have begun; who has not may ask another broker. */
	if (!c->watch || wire_exec_ping_encode(&hello, &c->f.out) < 0) {
		loop_remove(c->watch);
		frames_release(&c->f);
		(void)close(s);
		free(c);
		return;
	}
	for (p = &b->clients; *p; p = &(*p)->next)
		;
	*p = c;
	loop_remove(take_ptr(b->idle));
	client_watch(c);
}

/* ---- lines --------------------------------------------------------------------------------------------------------
 */

static void line_free(struct line *l)
{
	struct line **p;

	for (p = &l->broker->lines; *p != l; p = &(*p)->next)
		;
	*p = l->next;
	loop_remove(l->watch);
	loop_remove(l->deadline);
	loop_remove(l->pulse);
	link_free(l->link);
	if (l->fd >= 0)
		(void)close(l->fd);
	explicit_bzero(l->psk, sizeof(l->psk));
	free(l);
}

/* The line is of no use any more: all that are on it are told. */
static void line_fail(struct line *l, const struct err *e)
{
	struct broker *b = l->broker;
	bool was_open = l->state == LINE_OPEN;
	struct client *c;
	struct err lost;

	log_info("link to %s: %s", l->node, e->text);
	l->going = true; /* nobody is put on it again by being told */
	l->state = LINE_WANTED;
	(void)err_reason(&lost, REASON_LINK_LOST, -ECONNRESET,
			 "the link to %s was lost (%s); what has become of the command is not known", l->node, e->text);
	for (c = b->clients; c; c = c->next) {
		if (c->line != l)
			continue;
		if (was_open && c->state == CLIENT_RUNNING)
			client_fail(c, EXEC_ERROR_LOST, &lost);
		else
			client_fail(c, EXEC_ERROR_NODE, e);
	}
	line_free(l); /* its callers may be on the stack: those that are lost are swept by the event */
}

static void line_late(void *arg)
{
	struct line *l = arg;
	struct broker *b = l->broker;
	struct err e = {0};

	l->deadline = NULL;
	(void)err_reason(&e, REASON_TIMEOUT, -ETIMEDOUT, "%s does not answer", l->node);
	line_fail(l, &e);
	clients_sweep(b);
}

static struct client *first_waiting(const struct line *l)
{
	struct client *c;

	for (c = l->broker->clients; c && !(c->line == l && c->state == CLIENT_WAITING && !c->lost); c = c->next)
		;
	return c;
}

static void ask_for_link(struct line *l)
{
	struct wire_exec_need m = {.node = wire_str(l->node)};
	struct client *c = l->asked ? NULL : first_waiting(l);

	if (!c)
		return;
	if (wire_exec_need_encode(&m, &c->f.out) < 0) {
		c->lost = true;
		return;
	}
	l->asked = c;
	loop_remove(l->deadline);
	l->deadline = loop_add_timer(l->broker->loop, clock_mono_ns() + ASKED_NS, line_late, l);
	client_watch(c);
}

/* Does what can be done for those that wait. May free nothing. */
static void line_serve(struct line *l)
{
	struct wire_header h;
	struct client *c;

	if (l->state == LINE_WANTED && !l->going)
		ask_for_link(l);
	while (l->state == LINE_OPEN && !l->going && l->running < EXEC_COMMANDS_MAX &&
	       link_out(l->link)->len < EXEC_BACKLOG && (c = first_waiting(l))) {
		c->id = ++l->broker->last_id ? l->broker->last_id : ++l->broker->last_id;
		if (wire_header_decode(buf_head(&c->start), &h) < 0 ||
		    frame_pass(link_out(l->link), &h, buf_head(&c->start) + WIRE_HEADER_SIZE, c->id) < 0) {
			c->lost = true;
			continue;
		}
		c->state = CLIENT_RUNNING;
		l->running++;
	}
}

/* The executor takes no more commands: those that wait go to another line, this one lives as long as it has commands.
 */
static void line_going(struct line *l)
{
	struct line *other;
	struct client *c;

	l->going = true;
	for (c = l->broker->clients; c; c = c->next) {
		if (c->line != l || c->state != CLIENT_WAITING)
			continue;
		other = line_for(l->broker, l->node);
		c->line = other;
		if (!other)
			c->lost = true;
		else
			line_serve(other);
	}
}

static struct client *client_find(const struct line *l, uint32_t id)
{
	struct client *c;

	for (c = l->broker->clients; c && !(c->line == l && c->state == CLIENT_RUNNING && c->id == id); c = c->next)
		;
	return c;
}

/* It was not begun, so it may be sent again, elsewhere. */
static void again(struct client *c)
{
	struct line *l = c->line;

	l->running--;
	l->going = true;
	c->state = CLIENT_WAITING;
	c->line = line_for(c->broker, l->node);
	if (c->line)
		line_serve(c->line);
	else
		c->lost = true;
}

static int is_again(const struct wire_header *h, const uint8_t *body)
{
	struct wire_exec_error m;

	return h->type == WIRE_EXEC_ERROR && wire_exec_error_decode(&m, body, h->length) == 0 &&
	       m.kind == EXEC_ERROR_AGAIN;
}

static bool is_last(const struct wire_header *h, const uint8_t *body)
{
	struct wire_exec_exit m;

	if (h->type == WIRE_EXEC_EXIT)
		return wire_exec_exit_decode(&m, body, h->length) < 0 || !m.more;
	return h->type == WIRE_EXEC_ERROR;
}

static void line_frame(struct line *l, const struct wire_header *h, const uint8_t *body)
{
	struct client *c;

	l->heard_ns = clock_mono_ns();
	if (h->type == WIRE_EXEC_GOING)
		line_going(l);
	if (h->type == WIRE_EXEC_GOING || h->type == WIRE_EXEC_PING || h->type == WIRE_EXEC_NEED)
		return;
	c = client_find(l, frame_id(body, h->length));
	if (!c)
		return; /* it has gone */
	if (is_again(h, body)) {
		again(c);
		return;
	}
	if (frame_pass(&c->f.out, h, body, 0) < 0)
		c->lost = true;
	if (h->type == WIRE_EXEC_STARTED)
		buf_release(&c->start);
	if (is_last(h, body))
		client_leave_line(c, false);
	client_watch(c);
}

/* Sends what waits, and lets callers speak again who had to wait for that. */
static void line_watch(struct line *l)
{
	struct err e = {0};
	size_t before;
	struct client *c;
	int r;

	if (l->state != LINE_OPEN)
		return;
	before = link_out(l->link)->len;
	if (before)
		l->said_ns = clock_mono_ns();
	r = link_flush(l->link, &e);
	/* An error is found again by the next event. */
	(void)!loop_set_events(l->watch, link_events(l->link) | EPOLLIN);
	if (before >= EXEC_BACKLOG && link_out(l->link)->len < EXEC_BACKLOG) {
		for (c = l->broker->clients; c; c = c->next)
			if (c->line == l && !c->lost)
				client_watch(c);
		line_serve(l);
	}
	(void)r;
}

static void line_event(void *arg, int fd, uint32_t events)
{
	struct line *l = arg;
	struct broker *b = l->broker;
	const uint8_t *body;
	struct wire_header h;
	struct err e = {0};
	int r;

	line_watch(l);
	while ((r = link_recv(l->link, &h, &body, &e)) > 0)
		line_frame(l, &h, body);
	if (r < 0) {
		line_fail(l, &e);
		clients_sweep(b);
		return;
	}
	line_watch(l);
	clients_sweep(b);
	if (l->going && !l->running)
		line_free(l);
}

static void pulse(void *arg)
{
	struct line *l = arg;
	struct broker *b = l->broker;
	struct wire_exec_ping m = {.id = 0};
	uint64_t now = clock_mono_ns();
	struct err e = {0};

	l->pulse = loop_add_timer(b->loop, now + EXEC_PING_NS, pulse, l);
	if (now > l->heard_ns + EXEC_SILENT_NS) {
		(void)err_reason(&e, REASON_NODE_UNREACHABLE, -ETIMEDOUT, "%s has fallen silent", l->node);
		line_fail(l, &e);
		clients_sweep(b);
		return;
	}
	if (now >= l->said_ns + EXEC_PING_NS && wire_exec_ping_encode(&m, link_out(l->link)) == 0)
		line_watch(l);
}

/* ---- opening a line -----------------------------------------------------------------------------------------------
 */

static void handshake(void *arg, int fd, uint32_t events)
{
	struct line *l = arg;
	struct err e = {0};
	int r = link_handshake(l->link, &e);

	if (r == -EAGAIN) {
		(void)!loop_set_events(l->watch, link_events(l->link));
		return;
	}
	if (r < 0) {
		(void)err_prefix(&e, "%s", l->node);
		e.reason = REASON_NODE_UNREACHABLE;
		line_fail(l, &e);
		return;
	}
	loop_remove(take_ptr(l->deadline));
	loop_remove(l->watch);
	l->watch = loop_add_fd(l->broker->loop, link_fd(l->link), EPOLLIN, line_event, l);
	l->state = LINE_OPEN;
	l->heard_ns = l->said_ns = clock_mono_ns();
	l->pulse = loop_add_timer(l->broker->loop, l->heard_ns + EXEC_PING_NS, pulse, l);
	if (!l->watch || !l->pulse) {
		(void)err_set(&e, -ENOMEM, "out of memory");
		line_fail(l, &e);
		return;
	}
	line_serve(l);
	line_watch(l);
	clients_sweep(l->broker);
}

static int begin_tls(struct line *l, struct err *e)
{
	struct wire_preamble p = {.version = WIRE_PROTOCOL, .kind = WIRE_KIND_LINK, .id = l->link_id};
	uint8_t bytes[WIRE_PREAMBLE_SIZE];
	socklen_t len = sizeof(int);
	char identity[20];
	int error = 0, r;

	if (getsockopt(l->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
		return err_reason(e, REASON_NODE_UNREACHABLE, -ECONNREFUSED, "%s cannot be reached: %s", l->node,
				  strerror(error));
	wire_preamble_encode(&p, bytes);
	if (send(l->fd, bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes))
		return err_reason(e, REASON_NODE_UNREACHABLE, -ECONNRESET, "the connection to %s broke at once",
				  l->node);
	(void)snprintf(identity, sizeof(identity), "%016" PRIx64, l->link_id);
	r = link_new_psk(&l->link, l->fd, false, identity, l->psk, l->psk_len, e);
	if (r < 0)
		return r;
	l->fd = -1; /* the link's */
	explicit_bzero(l->psk, sizeof(l->psk));
	link_set_accept(l->link, WIRE_FROM_EXECUTOR);
	return 0;
}

static void connected(void *arg, int fd, uint32_t events)
{
	struct line *l = arg;
	struct err e = {0};

	loop_remove(take_ptr(l->watch));
	if (begin_tls(l, &e) < 0 ||
	    !(l->watch = loop_add_fd(l->broker->loop, link_fd(l->link), EPOLLOUT, handshake, l))) {
		line_fail(l, &e);
		return;
	}
	handshake(l, link_fd(l->link), 0);
}

/* A caller brings the daemon's answer. */
static int on_link(struct client *c, const struct wire_header *h, const uint8_t *body)
{
	struct line *l = c->line;
	struct wire_exec_link m;
	char address[65];
	struct err e = {0};

	if (!l || l->asked != c || l->state != LINE_WANTED || wire_exec_link_decode(&m, body, h->length) < 0 ||
	    !wire_str_equal(m.node, l->node) || m.psk.len < LINK_PSK_MIN)
		return -EPROTO;
	wire_str_copy(address, sizeof(address), m.address);
	l->asked = NULL;
	l->link_id = m.link_id;
	memcpy(l->psk, m.psk.data, m.psk.len);
	l->psk_len = m.psk.len;
	l->state = LINE_OPENING;
	loop_remove(l->deadline);
	l->deadline = loop_add_timer(l->broker->loop, clock_mono_ns() + OPEN_NS, line_late, l);
	l->fd = sock_start_tcp(address, m.port, &e);
	if (l->fd >= 0)
		l->watch = loop_add_fd(l->broker->loop, l->fd, EPOLLOUT, connected, l);
	if (l->fd < 0 || !l->watch) {
		e.reason = REASON_NODE_UNREACHABLE;
		line_fail(l, &e);
	}
	return 0;
}

/* ---- start and end ------------------------------------------------------------------------------------------------
 */

static void on_signal(void *arg, int signo)
{
	((struct broker *)arg)->ended = true;
}

static int begin(struct broker *b)
{
	struct rlimit files;
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	if (loop_new(&b->loop) < 0 || loop_add_signals(b->loop, &set, on_signal, b) < 0)
		return -ENOMEM;
	b->listening = loop_add_fd(b->loop, LISTEN_FD, EPOLLIN, accept_client, b);
	idle_if_empty(b);
	return b->listening ? 0 : -ENOMEM;
}

int main(int argc, char **argv)
{
	struct broker b = {.last_id = 0};
	socklen_t len = sizeof(int);
	int listening = 0, r = 0;

	log_open("godwit-execd", LOG_INFO_);
	if (argc > 1 || getsockopt(LISTEN_FD, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0 || !listening) {
		(void)fprintf(stderr, "usage: godwit-execd, with a listening socket as descriptor 3 (started by godwit "
				      "exec)\n");
		return 2;
	}
	if (begin(&b) < 0) {
		log_error("the broker cannot start");
		return 1;
	}
	while (r == 0 && !b.ended)
		r = loop_once(b.loop, -1);
	/* Who has connected meanwhile and was not accepted finds the connection reset, and looks for another broker. */
	(void)close(LISTEN_FD);
	while (b.clients)
		client_free(b.clients);
	while (b.lines)
		line_free(b.lines);
	loop_remove(b.idle);
	loop_free(b.loop);
	return r < 0 ? 1 : 0;
}
