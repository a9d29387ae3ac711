/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemons of other nodes: who they are, what they say, whether they can be reached.
 * Promise: what a peer sends ends at worst its own connection; who waited for one that fails is told. Must not: call
 * into moves, offers or the policy from within peer_send().
 *
 * Each side may open one connection, so two nodes may have two between them. Messages go out on our own, else on the
 * other's.
 */
#include "conns.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/sock.h"

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

int conn_other_version(const struct node *n, const char *name, unsigned theirs, struct err *e)
{
	return err_reason(e, REASON_NODE_VERSION, -EPROTONOSUPPORT,
			  "%s speaks version %u of the protocol and %s version %u: install the same Godwit on both",
			  name, theirs, n->name, WIRE_PROTOCOL);
}

int conn_other_key(const char *name, struct err *e)
{
	return err_reason(
	    e, REASON_NODE_KEY, -EKEYREJECTED,
	    "%s does not belong to this cluster: godwit leave there, then godwit join with a token from here", name);
}

/* Notes why a peer cannot be used, and tells everyone who waited for it. */
void peer_failed(struct peer *p, enum peer_trouble trouble, const struct err *e)
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
	asks_peer_lost(n, p, &told);
	(void)policy_event(n, &ev, NULL);
}

static int append(struct buf *out, const struct buf *frame, struct err *e)
{
	int r = buf_append(out, buf_head(frame), frame->len);

	return r < 0 ? err_set(e, r, "too much waits to be sent") : 0;
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
		return conn_other_version(n, link_peer_name(c->link), m->protocol, e);
	if (!wire_str_equal(m->cluster, keys_fingerprint(n->keys)))
		return conn_other_key(link_peer_name(c->link), e);
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
	policy_entry(n, &self, p->name);
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
		policy_entry(n, &one, p->name);
	if (!m->reply)
		return;
	k = policy_freshest(n, window, policy_window_size(n->policy));
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

int peers_frame(struct conn *c, const struct wire_header *h, const uint8_t *body, struct err *e)
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
		ON(PEER_MOVE_REQUEST, peer_move_request, request_came(n, p, &m))
		ON(PEER_MOVE_RESULT, peer_move_result, request_answered(n, p, &m))
		ON(PEER_NODE_SET, peer_node_set, nodeset_order(n, p, &m))
		ON(PEER_NODE_SET_RESULT, peer_node_set_result, nodeset_result(n, p, &m))
		ON(PEER_EXEC_OPEN, peer_exec_open, exec_open(n, p, &m))
		ON(PEER_EXEC_READY, peer_exec_ready, exec_ready(n, p, &m))
		ON(PEER_LEAVE, peer_leave, on_leave(p))
		ON(PEER_PING, peer_ping, on_ping(p, &m))
		ON(PEER_PONG, peer_pong, on_pong(p, &m))
	default:
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "%s is no message between daemons",
				  wire_type_name(h->type));
	}
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
