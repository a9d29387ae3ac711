/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections on the cluster's port, on which peers, joining nodes and shepherds arrive, and those that we open.
 * Promise: before TLS nothing is read but sixteen bytes; a connection that is not in order within three seconds is
 * closed; at most HALF_OPEN_MAX wait for that; what comes ends at worst its own connection. Must not: know what
 * a message means.
 */
#include "conns.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/sock.h"

#define HANDSHAKE_NS (3 * NSEC_PER_SEC)
#define HALF_OPEN_MAX 64

/* ---- connections --------------------------------------------------------------------------------------------------
 */

static void conn_detach(struct conn *c)
{
	if (c->peer && c->peer->out == c)
		c->peer->out = NULL;
	if (c->peer && c->peer->in == c)
		c->peer->in = NULL;
	c->peer = NULL;
}

void conn_free(struct conn *c)
{
	struct conn **p;

	for (p = &c->node->conns; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	conn_detach(c);
	if (c->state != CONN_OPEN)
		c->node->n_half_open--;
	if (c->join)
		join_conn_freed(c);
	if (c->submission)
		client_conn_freed(c);
	loop_remove(c->watch);
	loop_remove(c->deadline);
	link_free(c->link);
	if (c->fd >= 0)
		(void)close(c->fd);
	free(c);
}

struct conn *conn_new(struct node *n, int fd, enum conn_state state, uint32_t events)
{
	struct conn *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct conn){.next = n->conns, .node = n, .fd = fd, .state = state};
	c->watch = loop_add_fd(n->loop, fd, events, conn_event, c);
	c->deadline = loop_add_timer(n->loop, clock_mono_ns() + HANDSHAKE_NS, conn_late, c);
	if (!c->watch || !c->deadline) {
		loop_remove(c->watch);
		loop_remove(c->deadline);
		free(c);
		return NULL;
	}
	n->conns = c;
	n->n_half_open++;
	return c;
}

static enum peer_trouble trouble_of(const struct err *e)
{
	return e->reason == REASON_NODE_VERSION                           ? PEER_VERSION
	       : e->reason == REASON_NODE_KEY || e->code == -EKEYREJECTED ? PEER_KEY
									  : PEER_UNREACHABLE;
}

/* Ends a connection. The peer has failed when no other one is left. */
void conn_fail(struct conn *c, const struct err *e)
{
	struct peer *p = c->peer;
	bool opening = p && p->out == c && c->state != CONN_OPEN;
	struct err why = *e;

	if (c->join)
		join_conn_failed(c, e);
	conn_free(c);
	if (!p || (p->in && p->in->state == CONN_OPEN && !opening) || (p->out && p->out->state == CONN_OPEN))
		return;
	if (!why.reason && why.code == -EKEYREJECTED)
		(void)conn_other_key(p->name, &why);
	else if (!why.reason)
		why.reason = REASON_NODE_UNREACHABLE;
	peer_failed(p, trouble_of(&why), &why);
}

void conn_late(void *arg)
{
	struct conn *c = arg;
	struct err e = {0};

	c->deadline = NULL;
	(void)err_set(&e, -ETIMEDOUT, "%s does not answer", c->peer ? c->peer->name : "the other end");
	conn_fail(c, &e);
}

/* Sends what waits and sets the events; -errno: the connection is to be ended. */
int conn_flush(struct conn *c, struct err *e)
{
	int r = link_flush(c->link, e);

	if (r < 0 && r != -EAGAIN)
		return r;
	return loop_set_events(c->watch, link_events(c->link)) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
}

/* ---- handshakes ----------------------------------------------------------------------------------------------------
 */

static int send_hello(struct conn *c, struct err *e)
{
	struct node *n = c->node;
	struct wire_node_entry self;
	struct wire_peer_hello m = {.protocol = WIRE_PROTOCOL,
				    .cluster = wire_str(keys_fingerprint(n->keys)),
				    .self = {.items = &self, .count = 1}};
	int r;

	policy_to_wire(policy_self(n->policy), &self);
	r = wire_peer_hello_encode(&m, link_out(c->link));
	return r < 0 ? err_set(e, r, "no greeting can be sent") : 0;
}

/* TCP is connected: the preamble goes out in clear, sixteen bytes that a fresh socket always takes. */
int conn_begin_client(struct conn *c, uint8_t kind, uint64_t id, struct err *e)
{
	struct wire_preamble p = {.version = WIRE_PROTOCOL, .kind = kind, .id = id};
	uint8_t bytes[WIRE_PREAMBLE_SIZE];
	int error = 0;
	socklen_t len = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error)
		return err_set(e, error ? -error : -EIO, "no connection: %s", strerror(error ? error : EIO));
	wire_preamble_encode(&p, bytes);
	if (send(c->fd, bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes))
		return err_set(e, -ECONNRESET, "the connection broke at once");
	return 0;
}

/* Takes the fd of c into a TLS connection of a peer. */
static int begin_tls(struct conn *c, bool server, struct err *e)
{
	int r = link_new_cert(&c->link, c->fd, server, keys_identity(c->node->keys), e);

	if (r < 0)
		return r;
	c->fd = -1; /* the link's now */
	link_set_accept(c->link, WIRE_FROM_PEER);
	c->state = CONN_TLS;
	return 0;
}

/* A node of another version is told which one this is; it says no more than a stranger finds out by trying. */
static void answer_version(const struct conn *c)
{
	const struct wire_preamble p = {.version = WIRE_PROTOCOL, .kind = WIRE_KIND_PEER};
	uint8_t bytes[WIRE_PREAMBLE_SIZE], rest[512];

	wire_preamble_encode(&p, bytes);
	(void)!send(c->fd, bytes, sizeof(bytes), MSG_NOSIGNAL | MSG_DONTWAIT);
	(void)shutdown(c->fd, SHUT_WR);
	(void)!recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT); /* left unread, it would be answered with a reset */
}

/* The connection that we opened has failed before TLS stood: because the other end answered so? */
static int answered_version(const struct conn *c, struct err *e)
{
	struct wire_preamble p;
	uint8_t bytes[WIRE_PREAMBLE_SIZE];

	if (c->n_preamble || recv(link_fd(c->link), bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT) != sizeof(bytes) ||
	    wire_preamble_decode(bytes, &p) != -EPROTONOSUPPORT)
		return 0;
	return conn_other_version(c->node, c->peer ? c->peer->name : "the other node", p.version, e);
}

/* The sixteen bytes of a connection that came in. */
static int read_preamble(struct conn *c, struct err *e)
{
	struct wire_preamble p;
	ssize_t k = recv(c->fd, c->preamble + c->n_preamble, sizeof(c->preamble) - c->n_preamble, MSG_DONTWAIT);
	int r;

	if (k <= 0)
		return k < 0 && (errno == EAGAIN || errno == EINTR)
			   ? -EAGAIN
			   : err_set(e, -ECONNRESET, "the connection ended before it began");
	c->n_preamble += (size_t)k;
	if (c->n_preamble < sizeof(c->preamble))
		return -EAGAIN;
	r = wire_preamble_decode(c->preamble, &p);
	if (r == -EPROTONOSUPPORT)
		answer_version(c);
	if (r < 0)
		return err_reason(e, r == -EPROTONOSUPPORT ? REASON_NODE_VERSION : REASON_PROTOCOL, r,
				  "the other end speaks another protocol");
	c->kind = p.kind;
	c->id = p.id;
	return 0;
}

/* Everything that the link has. A message may end any connection, this one too: that is seen by its being off the list.
 */
static int conn_frames(struct conn *c, struct err *e)
{
	struct node *n = c->node;
	struct wire_header h;
	const uint8_t *body;
	int r;

	for (;;) {
		r = link_recv(c->link, &h, &body, e);
		if (r <= 0)
			return r;
		r = c->join         ? join_frame(c, &h, body, e)
		    : c->submission ? client_frame(c, &h, body, e)
				    : peers_frame(c, &h, body, e);
		if (!conn_alive(n, c))
			return 0;
		if (r < 0)
			return r;
	}
}

bool conn_alive(const struct node *n, const struct conn *c)
{
	const struct conn *k;

	for (k = n->conns; k && k != c; k = k->next)
		;
	return k;
}

/* ---- events of a connection ----------------------------------------------------------------------------------------
 */

/* A connection that came in is what its preamble says. */
static int route(struct conn *c, struct err *e)
{
	struct node *n = c->node;
	int fd;

	if (c->kind == WIRE_KIND_PEER)
		return begin_tls(c, true, e);
	if (c->kind == WIRE_KIND_JOIN)
		return join_accept(c, e);
	if (c->kind == WIRE_KIND_CLIENT)
		return client_accept(c, e);
	fd = take_fd(&c->fd);
	loop_remove(take_ptr(c->watch));
	if (!exec_link(n, fd, c->id))
		offers_link(n, fd, c->id);
	conn_free(c);
	return 0;
}

/* One step before TLS. -EAGAIN: wait; 0: TLS has begun, or the connection is somebody else's. */
static int conn_clear(struct conn *c, struct err *e)
{
	int r;

	if (c->state == CONN_DIAL) {
		r = conn_begin_client(c, c->join ? WIRE_KIND_JOIN : WIRE_KIND_PEER, c->id, e);
		if (r == 0)
			r = c->join ? join_begin(c, e) : begin_tls(c, false, e);
		return r;
	}
	r = read_preamble(c, e);
	return r < 0 ? r : route(c, e);
}

static int conn_step(struct conn *c, struct err *e)
{
	struct node *n = c->node;
	int r = 0;

	if (c->state == CONN_DIAL || c->state == CONN_PREAMBLE) {
		r = conn_clear(c, e);
		if (r < 0 || !conn_alive(n, c))
			return r == -EAGAIN ? 0 : r;
	}
	if (c->state == CONN_TLS) {
		r = link_handshake(c->link, e);
		if (r == -EAGAIN)
			return loop_set_events(c->watch, link_events(c->link));
		if (r < 0)
			return answered_version(c, e) < 0 ? e->code : r;
		c->state = CONN_HELLO;
		r = c->join ? join_greet(c, e) : c->submission ? 0 : send_hello(c, e);
		if (r < 0)
			return r;
	}
	r = conn_flush(c, e);
	if (r == 0)
		r = conn_frames(c, e);
	if (r < 0 || !conn_alive(n, c))
		return r;
	return conn_flush(c, e);
}

void conn_event(void *arg, int fd, uint32_t events)
{
	struct conn *c = arg;
	struct node *n = c->node;
	struct err e = {0};
	int r = conn_step(c, &e);

	if (r < 0 && conn_alive(n, c)) {
		if (!e.code)
			(void)err_set(&e, r, "%s", strerror(-r));
		if (c->peer || c->state > CONN_TLS)
			log_debug("connection with %s ends: %s", c->peer ? c->peer->name : "somebody", e.text);
		conn_fail(c, &e);
	}
}

/* ---- the port ------------------------------------------------------------------------------------------------------
 */

static void port_accept(void *arg, int fd, uint32_t events)
{
	struct node *n = arg;
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (s < 0)
		return;
	if (n->n_half_open >= HALF_OPEN_MAX || !conn_new(n, s, CONN_PREAMBLE, EPOLLIN))
		(void)close(s);
}

int peers_listen(struct node *n, struct err *e)
{
	n->listen_fd = sock_listen_tcp(n->cfg.listen, n->port, e);
	if (n->listen_fd < 0)
		return n->listen_fd;
	n->listen_watch = loop_add_fd(n->loop, n->listen_fd, EPOLLIN, port_accept, n);
	if (n->listen_watch)
		return 0;
	(void)close(take_fd(&n->listen_fd));
	return err_set(e, -ENOMEM, "out of memory");
}
