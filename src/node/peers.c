/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections to the daemons of other nodes, and the port on which they, joining nodes and shepherds arrive.
 * Promise: before TLS nothing is read but sixteen bytes; a connection that is not in order within three seconds is
 * closed; at most HALF_OPEN_MAX wait for that; what a peer sends ends at worst its own connection. Must not: call into
 * moves, offers or the policy from within peer_send().
 *
 * Each side may open one connection, so two nodes may have two between them. Messages go out on our own, else on the
 * other's.
 */
#include "peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/sock.h"

#define HANDSHAKE_NS (3 * NSEC_PER_SEC)
#define HALF_OPEN_MAX 64
#define PEERS_MAX 4096
#define WAITING_MAX (1U << 20) /* bytes of messages that wait for a connection */
#define PING_EVERY_NS (5 * NSEC_PER_SEC)
#define SILENT_NS (12 * NSEC_PER_SEC)
#define BACKOFF_NS (NSEC_PER_SEC / 2)
#define BACKOFF_MAX_NS (30 * NSEC_PER_SEC)

static const char *const trouble_words[] = {"up", "unreachable", "version", "key"};

_Static_assert(ARRAY_SIZE(trouble_words) == PEER_TROUBLE__MAX, "each trouble has a word");

const char *peer_trouble_word(enum peer_trouble t)
{
	return trouble_words[t];
}

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

static int other_version(const struct node *n, const char *name, unsigned theirs, struct err *e)
{
	return err_reason(e, REASON_NODE_VERSION, -EPROTONOSUPPORT,
			  "%s speaks version %u of the protocol and %s version %u: install the same Godwit on both",
			  name, theirs, n->name, WIRE_PROTOCOL);
}

static int other_key(const char *name, struct err *e)
{
	return err_reason(
	    e, REASON_NODE_KEY, -EKEYREJECTED,
	    "%s does not belong to this cluster: godwit leave there, then godwit join with a token from here", name);
}

/* Notes why a peer cannot be used, and tells everyone who waited for it. */
static void peer_failed(struct peer *p, enum peer_trouble trouble, const struct err *e)
{
	struct node *n = p->node;
	struct policy_event ev = {.type = POLICY_EV_PEER_FAILED, .now_ns = clock_mono_ns()};
	uint64_t wait = BACKOFF_NS << (p->failures < 6 ? p->failures : 6);
	struct err told = *e;

	if (p->trouble != trouble)
		log_info("node %s: %s", p->name, e->text);
	p->trouble = trouble;
	p->failures++;
	p->not_before_ns = clock_mono_ns() + (wait < BACKOFF_MAX_NS ? wait : BACKOFF_MAX_NS);
	(void)snprintf(p->sentence, sizeof(p->sentence), "%s", e->text);
	buf_release(&p->waiting);
	(void)snprintf(ev.peer.name, sizeof(ev.peer.name), "%s", p->name);
	if (trouble == PEER_UNREACHABLE)
		(void)err_prefix(&told, "%s cannot be reached", p->name);
	moves_peer_lost(n, p, &told);
	offers_peer_lost(n, p);
	nodeset_peer_lost(n, p, &told);
	(void)policy_event(n, &ev, NULL);
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
		(void)other_key(p->name, &why);
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

static int append(struct buf *out, const struct buf *frame, struct err *e)
{
	int r = buf_append(out, buf_head(frame), frame->len);

	return r < 0 ? err_set(e, r, "too much waits to be sent") : 0;
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
	return other_version(c->node, c->peer ? c->peer->name : "the other node", p.version, e);
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

/* ---- peers ---------------------------------------------------------------------------------------------------------
 */

struct peer *peer_find(const struct node *n, const char *name)
{
	struct peer *p;

	for (p = n->peers; p && strcmp(p->name, name) != 0; p = p->next)
		;
	return p;
}

struct peer *peer_get(struct node *n, const char *name, const char *address, uint16_t port)
{
	struct peer *p = peer_find(n, name);

	if (!config_name_ok(name) || !strcmp(name, n->name))
		return NULL;
	if (!p && n->n_peers < PEERS_MAX) {
		p = calloc(1, sizeof(*p));
		if (!p)
			return NULL;
		*p = (struct peer){.next = n->peers, .node = n};
		(void)snprintf(p->name, sizeof(p->name), "%s", name);
		buf_init(&p->waiting, WAITING_MAX);
		n->peers = p;
		n->n_peers++;
	}
	if (p && *address && port && (strcmp(p->address, address) != 0 || p->port != port)) {
		(void)snprintf(p->address, sizeof(p->address), "%s", address);
		p->port = port;
		p->not_before_ns = 0; /* it has moved: what failed before says nothing */
	}
	return p;
}

void peer_drop(struct peer *p)
{
	struct node *n = p->node;
	struct peer **q;

	for (q = &n->peers; *q != p; q = &(*q)->next)
		;
	*q = p->next;
	n->n_peers--;
	if (p->out)
		conn_free(p->out);
	if (p->in)
		conn_free(p->in);
	buf_release(&p->waiting);
	free(p);
}

bool peer_connected(const struct peer *p)
{
	return (p->out && p->out->state == CONN_OPEN) || (p->in && p->in->state == CONN_OPEN);
}

static int dial(struct peer *p, struct err *e)
{
	int fd = sock_start_tcp(p->address, p->port, e);

	if (fd < 0)
		return fd;
	p->out = conn_new(p->node, fd, CONN_DIAL, EPOLLOUT);
	if (!p->out) {
		(void)close(fd);
		return err_set(e, -ENOMEM, "out of memory");
	}
	p->out->peer = p;
	return 0;
}

int peer_send(struct peer *p, const struct buf *frame, struct err *e)
{
	struct conn *c = p->out && p->out->state == CONN_OPEN ? p->out
			 : p->in && p->in->state == CONN_OPEN ? p->in
							      : NULL;
	struct err unused;

	e = e ? e : &unused;
	if (!frame)
		return err_reason(e, REASON_INTERNAL, -EMSGSIZE, "a message to %s does not fit", p->name);
	if (c) {
		/* A broken connection is found by its event, so that nothing is reported from within here. */
		if (append(link_out(c->link), frame, e) < 0)
			return e->code;
		(void)!conn_flush(c, NULL);
		return 0;
	}
	if (!p->out && clock_mono_ns() < p->not_before_ns)
		return err_reason(e,
				  p->trouble == PEER_VERSION ? REASON_NODE_VERSION
				  : p->trouble == PEER_KEY   ? REASON_NODE_KEY
							     : REASON_NODE_UNREACHABLE,
				  -EHOSTUNREACH, "%s cannot be reached: %s", p->name, p->sentence);
	if (append(&p->waiting, frame, e) < 0)
		return e->code;
	if (p->out)
		return 0;
	if (dial(p, e) == 0)
		return 0;
	buf_clear(&p->waiting);
	p->trouble = PEER_UNREACHABLE;
	(void)snprintf(p->sentence, sizeof(p->sentence), "%s", e->text);
	e->reason = REASON_NODE_UNREACHABLE;
	return e->code;
}

void peer_ping(struct peer *p)
{
	struct wire_peer_ping m = {.id = random_id(), .time_ns = clock_real_ns()};

	p->not_before_ns = 0;
	p->ping_ns = clock_mono_ns();
	p->ping_id = m.id;
	(void)!peer_send(p, NODE_FRAME(p->node, peer_ping, &m), NULL);
}

/* ---- messages ------------------------------------------------------------------------------------------------------
 */

/* A greeting makes a connection one of a peer. */
static int on_hello(struct conn *c, const struct wire_peer_hello *m, struct err *e)
{
	struct node *n = c->node;
	struct wire_list list = m->self;
	struct wire_node_entry self;
	char name[NODE_NAME_MAX + 1], address[NODE_NAME_MAX + 1];
	struct peer *p;

	if (m->protocol != WIRE_PROTOCOL)
		return other_version(n, link_peer_name(c->link), m->protocol, e);
	if (!wire_str_equal(m->cluster, keys_fingerprint(n->keys)))
		return other_key(link_peer_name(c->link), e);
	if (!wire_node_entry_next(&list, &self) || !wire_str_equal(self.name, link_peer_name(c->link)))
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "%s gives another name than its certificate",
				  link_peer_name(c->link));
	wire_str_copy(name, sizeof(name), self.name);
	wire_str_copy(address, sizeof(address), self.address);
	if (c->peer && strcmp(c->peer->name, name) != 0)
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "%s answers where %s should", name, c->peer->name);
	p = c->peer ? c->peer : peer_get(n, name, address, self.port);
	if (!p)
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "%s is no name for another node", name);
	if (!c->peer && p->in)
		conn_free(p->in); /* it has opened a newer one */
	if (!c->peer)
		p->in = c;
	c->peer = p;
	c->state = CONN_OPEN;
	n->n_half_open--;
	loop_remove(take_ptr(c->deadline));
	p->heard_ns = clock_mono_ns();
	p->ping_id = 0;
	p->left = false;
	if (p->trouble != PEER_FINE)
		log_info("node %s is reached again", p->name);
	p->trouble = PEER_FINE;
	p->failures = 0;
	p->sentence[0] = '\0';
	wire_str_copy(p->version, sizeof(p->version), self.version);
	if (p->waiting.len > 0 && append(link_out(c->link), &p->waiting, e) < 0)
		return e->code;
	buf_release(&p->waiting);
	policy_entry(n, &self);
	return 0;
}

static void on_gossip(struct peer *p, const struct wire_peer_gossip *m)
{
	struct node *n = p->node;
	const struct policy_node *window[POLICY_WINDOW_MAX];
	struct wire_node_entry *entries, one;
	struct wire_peer_gossip answer = {.reply = 0};
	struct wire_list list = m->entries;
	unsigned i, k;

	while (wire_node_entry_next(&list, &one))
		policy_entry(n, &one);
	if (!m->reply)
		return;
	k = policy_window(n->policy, clock_mono_ns(), window, POLICY_WINDOW_MAX);
	entries = calloc(k ? k : 1, sizeof(*entries));
	if (!entries)
		return;
	for (i = 0; i < k; i++)
		policy_to_wire(window[i], &entries[i]);
	answer.entries = (struct wire_list){.items = entries, .count = k};
	(void)!peer_send(p, NODE_FRAME(n, peer_gossip, &answer), NULL);
	free(entries);
}

static void on_ping(struct peer *p, const struct wire_peer_ping *m)
{
	struct wire_peer_pong a = {.id = m->id, .time_ns = clock_real_ns()};

	(void)!peer_send(p, NODE_FRAME(p->node, peer_pong, &a), NULL);
}

static void on_pong(struct peer *p, const struct wire_peer_pong *m)
{
	uint64_t now = clock_mono_ns();

	if (!m->id || m->id != p->ping_id)
		return;
	p->ping_id = 0;
	p->pong_ns = now;
	p->rtt_ns = now - p->ping_ns;
	p->skew_ns = (int64_t)(m->time_ns + p->rtt_ns / 2 - clock_real_ns());
}

/* The connection is closed by the one that leaves. */
static void on_leave(struct peer *p)
{
	struct policy_event ev = {.type = POLICY_EV_PEER_LEFT, .now_ns = clock_mono_ns()};

	log_info("node %s leaves the cluster", p->name);
	p->left = true;
	(void)snprintf(ev.peer.name, sizeof(ev.peer.name), "%s", p->name);
	(void)policy_event(p->node, &ev, NULL);
}

#define ON(NAME, name, call)                                                                        \
	case WIRE_##NAME: {                                                                         \
		struct wire_##name m;                                                               \
                                                                                                    \
		if (wire_##name##_decode(&m, body, h->length) < 0)                                  \
			return err_reason(e, REASON_PROTOCOL, -EPROTO, "a damaged %s came", #NAME); \
		call;                                                                               \
		return 0;                                                                           \
	}

static int conn_frame(struct conn *c, const struct wire_header *h, const uint8_t *body, struct err *e)
{
	struct node *n = c->node;
	struct peer *p = c->peer;

	if (h->type == WIRE_PEER_HELLO && c->state != CONN_OPEN) {
		struct wire_peer_hello m;

		if (wire_peer_hello_decode(&m, body, h->length) < 0)
			return err_reason(e, REASON_PROTOCOL, -EPROTO, "a damaged greeting came");
		return on_hello(c, &m, e);
	}
	if (c->state != CONN_OPEN)
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "%s came before the greeting", wire_type_name(h->type));
	p->heard_ns = clock_mono_ns();
	switch (h->type) {
		ON(PEER_GOSSIP, peer_gossip, on_gossip(p, &m))
		ON(PEER_OFFER, peer_offer, offers_offer(n, p, &m))
		ON(PEER_ACCEPT, peer_accept, moves_accept(n, p, &m))
		ON(PEER_REFUSE, peer_refuse, moves_refuse(n, p, &m))
		ON(PEER_CANCEL, peer_cancel, offers_cancel(n, p, &m))
		ON(PEER_MOVE_REQUEST, peer_move_request, moves_request(n, p, &m))
		ON(PEER_MOVE_RESULT, peer_move_result, moves_result(n, p, &m))
		ON(PEER_NODE_SET, peer_node_set, nodeset_order(n, p, &m))
		ON(PEER_NODE_SET_RESULT, peer_node_set_result, nodeset_result(n, p, &m))
		ON(PEER_LEAVE, peer_leave, on_leave(p))
		ON(PEER_PING, peer_ping, on_ping(p, &m))
		ON(PEER_PONG, peer_pong, on_pong(p, &m))
	default:
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "%s is no message between daemons",
				  wire_type_name(h->type));
	}
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
		r = c->join ? join_frame(c, &h, body, e) : conn_frame(c, &h, body, e);
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
	fd = take_fd(&c->fd);
	loop_remove(take_ptr(c->watch));
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
		r = c->join ? join_greet(c, e) : send_hello(c, e);
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

void peers_close(struct node *n)
{
	loop_remove(take_ptr(n->listen_watch));
	if (n->listen_fd >= 0)
		(void)close(take_fd(&n->listen_fd));
	while (n->conns)
		conn_free(n->conns);
	while (n->peers)
		peer_drop(n->peers);
}

/* Ends a peer's connections because it has fallen silent. */
static void silence(struct node *n, const char *name)
{
	struct err e = {0};
	struct peer *p;

	(void)err_reason(&e, REASON_NODE_UNREACHABLE, -ETIMEDOUT, "%s has fallen silent", name);
	while ((p = peer_find(n, name)) && (p->out || p->in))
		conn_fail(p->in ? p->in : p->out, &e);
}

void peers_step(struct node *n)
{
	uint64_t now = clock_mono_ns();
	char name[NODE_NAME_MAX + 1];
	struct peer *p, *next;

	for (p = n->peers; p; p = next) {
		next = p->next;
		if (p->left && !p->out && !p->in) {
			peer_drop(p);
		} else if (peer_connected(p) && now > p->heard_ns + PING_EVERY_NS && !p->ping_id) {
			peer_ping(p);
		} else if (peer_connected(p) && now > p->heard_ns + SILENT_NS) {
			memcpy(name, p->name, sizeof(name));
			silence(n, name);
			return; /* callbacks may have dropped any of them: the rest has its turn in a second */
		}
	}
}
