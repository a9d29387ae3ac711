/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Joining: tokens on the member's side, and both ends of a connection of kind J.
 * Promise: a token serves one node once; the cluster's key leaves only over TLS with a token's secret; a joiner stores
 * nothing that does not have the fingerprint of its token. Must not: keep a token over a restart.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"
#include "base/sock.h"
#include "conns.h"
#include "token.h"

#define TOKEN_SECONDS (3 * 60 * 60)
#define TOKENS_MAX 64

struct token { /* one that this node has made */
	struct token *next;
	uint64_t id;
	uint8_t secret[LINK_PSK_SIZE];
	int64_t expires;
};

struct join { /* one connection of kind J, or our own attempt */
	struct node *node;
	bool member;
	uint64_t id; /* member: the token's */
	/* joiner */
	struct request *req;
	struct token_text token;
	unsigned address; /* that is tried now */
	struct conn *conn;
	char name[NODE_NAME_MAX + 1], own_address[NODE_NAME_MAX + 1];
	uint16_t port;
};

static int64_t now_seconds(void)
{
	return (int64_t)(clock_real_ns() / NSEC_PER_SEC);
}

static void identity_text(char buf[static 17], uint64_t id)
{
	(void)snprintf(buf, 17, "%016" PRIx64, id);
}

/* ---- tokens -------------------------------------------------------------------------------------------------- */

static void token_drop(struct node *n, struct token *t)
{
	struct token **p;

	for (p = &n->tokens; *p && *p != t; p = &(*p)->next)
		;
	if (*p)
		*p = t->next;
	explicit_bzero(t, sizeof(*t));
	free(t);
}

/* Forgets the expired ones; gives the one of that id, NULL: none. */
static struct token *token_find(struct node *n, uint64_t id)
{
	struct token *t, *next, *found = NULL;

	for (t = n->tokens; t; t = next) {
		next = t->next;
		if (t->expires < now_seconds())
			token_drop(n, t);
		else if (t->id == id)
			found = t;
	}
	return found;
}

int token_make(struct node *n, char *buf, size_t cap, int64_t *ret_expires, struct err *e)
{
	struct token_text text = {.port = n->port, .id = random_id(), .expires = now_seconds() + TOKEN_SECONDS};
	struct token *t;
	unsigned k = 0;

	(void)token_find(n, 0);
	for (t = n->tokens; t; t = t->next)
		k++;
	if (k >= TOKENS_MAX)
		return err_reason(e, REASON_BUSY, -EBUSY, "%u tokens of this node wait to be used already", k);
	t = calloc(1, sizeof(*t));
	if (!t)
		return err_set(e, -ENOMEM, "out of memory");
	random_bytes(text.secret, sizeof(text.secret));
	(void)snprintf(text.fingerprint, sizeof(text.fingerprint), "%s", keys_fingerprint(n->keys));
	(void)snprintf(text.addresses[0], sizeof(text.addresses[0]), "%s", n->address);
	text.n_addresses = 1;
	if (token_encode(&text, buf, cap) < 0) {
		free(t);
		return err_set(e, -ENOBUFS, "the token does not fit");
	}
	*t = (struct token){.next = n->tokens, .id = text.id, .expires = text.expires};
	memcpy(t->secret, text.secret, sizeof(t->secret));
	explicit_bzero(&text, sizeof(text));
	n->tokens = t;
	*ret_expires = t->expires;
	return 0;
}

void tokens_free(struct node *n)
{
	while (n->tokens)
		token_drop(n, n->tokens);
}

/* ---- the member ---------------------------------------------------------------------------------------------- */

static int begin_psk(struct conn *c, bool server, const uint8_t *secret, unsigned from, struct err *e)
{
	char identity[17];
	int r;

	identity_text(identity, c->id);
	r = link_new_psk(&c->link, c->fd, server, identity, secret, LINK_PSK_SIZE, e);
	if (r < 0)
		return r;
	c->fd = -1;
	link_set_accept(c->link, from);
	c->state = CONN_TLS;
	return 0;
}

int join_accept(struct conn *c, struct err *e)
{
	struct token *t = token_find(c->node, c->id);

	/* An unknown token is answered like a wrong one: by silence and the end. */
	if (!t)
		return err_set(e, -EKEYREJECTED, "an unknown token was shown");
	c->join = calloc(1, sizeof(*c->join));
	if (!c->join)
		return err_set(e, -ENOMEM, "out of memory");
	*c->join = (struct join){.node = c->node, .member = true, .id = c->id, .conn = c};
	return begin_psk(c, true, t->secret, WIRE_FROM_JOINER, e);
}

static int refuse(struct conn *c, unsigned reason, const char *sentence, struct err *e)
{
	struct wire_join_refuse m = {.reason = reason, .sentence = wire_str(sentence)};
	int r = wire_join_refuse_encode(&m, link_out(c->link));

	log_info("a node may not join: %s", sentence);
	return r < 0 ? err_set(e, r, "no answer can be sent") : 0;
}

static int grant(struct conn *c, struct err *e)
{
	struct node *n = c->node;
	const struct keys_pair *ca = keys_cluster(n->keys);
	const struct policy_node *window[POLICY_WINDOW_MAX];
	unsigned i, k = policy_freshest(n, window, POLICY_WINDOW_MAX);
	_cleanup_free_ struct wire_node_entry *entries = calloc(k ? k : 1, sizeof(*entries));
	struct wire_join_grant m = {
	    .ca_cert = wire_str(ca->cert), .ca_key = wire_str(ca->key), .nodes = {.items = entries, .count = k}};
	int r;

	if (!entries)
		return err_set(e, -ENOMEM, "out of memory");
	for (i = 0; i < k; i++)
		policy_to_wire(window[i], &entries[i]);
	r = wire_join_grant_encode(&m, link_out(c->link));
	return r < 0 ? err_set(e, r, "no answer can be sent") : 0;
}

/* Is the name that of a living node? One that has died may come back with new keys. */
static bool name_taken(const struct node *n, const char *name)
{
	const struct peer *p = peer_find(n, name);
	struct policy_node_view v;

	if (!strcmp(name, n->name) || (p && peer_connected(p)))
		return true;
	return policy_node_find(n->policy, name, &v) && v.health != POLICY_DEAD && !(p && p->left);
}

static int on_request(struct conn *c, const struct wire_join_request *m, struct err *e)
{
	struct node *n = c->node;
	struct token *t = token_find(n, c->join->id);
	struct wire_list list = m->self;
	struct wire_node_entry self;
	char name[NODE_NAME_MAX + 1], text[ERR_TEXT_MAX];

	if (!t)
		return refuse(c, REASON_NODE_KEY, "the token has been used or has expired", e);
	if (m->protocol != WIRE_PROTOCOL) {
		(void)snprintf(text, sizeof(text), "the cluster speaks protocol %d, this node %u", WIRE_PROTOCOL,
			       m->protocol);
		return refuse(c, REASON_NODE_VERSION, text, e);
	}
	if (!wire_node_entry_next(&list, &self))
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "a node without a name wants to join");
	wire_str_copy(name, sizeof(name), self.name);
	if (!config_name_ok(name))
		return refuse(c, REASON_PROTOCOL, "this is no name for a node", e);
	if (name_taken(n, name)) {
		(void)snprintf(text, sizeof(text), "the cluster has a node named %s already; join with another name",
			       name);
		return refuse(c, REASON_BUSY, text, e);
	}
	token_drop(n, t);
	if (fault_point(FAULT_JOIN_GRANT_SEND) < 0)
		return err_reason(e, REASON_FAULT, -EIO, "fault point join-grant-send");
	log_info("node %s joins", name);
	return grant(c, e);
}

/* ---- the joiner ---------------------------------------------------------------------------------------------- */

static void joiner_free(struct join *j)
{
	j->node->joining = NULL;
	explicit_bzero(j->token.secret, sizeof(j->token.secret));
	free(j);
}

static void joiner_end(struct join *j, const struct err *e)
{
	struct request *req = take_ptr(j->req);

	joiner_free(j);
	if (!req)
		return;
	req->gone = NULL;
	req_refuse_err(req, e);
}

/* Opens the connection to the next address. */
static int joiner_dial(struct join *j, struct err *e)
{
	int fd = sock_start_tcp(j->token.addresses[j->address], j->token.port, e);

	if (fd < 0)
		return fd;
	j->conn = conn_new(j->node, fd, CONN_DIAL, EPOLLOUT);
	if (!j->conn) {
		(void)close(fd);
		return err_set(e, -ENOMEM, "out of memory");
	}
	j->conn->join = j;
	j->conn->id = j->token.id;
	return 0;
}

int join_begin(struct conn *c, struct err *e)
{
	return begin_psk(c, false, c->join->token.secret, WIRE_FROM_MEMBER, e);
}

int join_greet(struct conn *c, struct err *e)
{
	struct join *j = c->join;
	struct wire_node_entry self;
	struct wire_join_request m = {.protocol = WIRE_PROTOCOL, .self = {.items = &self, .count = 1}};
	int r;

	if (j->member)
		return 0;
	policy_to_wire(policy_self(j->node->policy), &self);
	self.name = wire_str(j->name);
	self.address = wire_str(j->own_address);
	self.port = j->port;
	r = wire_join_request_encode(&m, link_out(c->link));
	return r < 0 ? err_set(e, r, "no request can be sent") : 0;
}

/* The connection of an attempt has ended without an answer: the next address, or the end. */
void join_conn_failed(struct conn *c, const struct err *e)
{
	struct join *j = take_ptr(c->join);
	bool secret = c->state >= CONN_TLS;
	struct err why = {0};

	if (j->member) {
		free(j);
		return;
	}
	j->conn = NULL;
	while (!secret && ++j->address < j->token.n_addresses)
		if (joiner_dial(j, &why) == 0)
			return;
	if (e->reason == REASON_NODE_VERSION)
		why = *e;
	else if (secret)
		(void)err_reason(
		    &why, REASON_NODE_KEY, -EKEYREJECTED,
		    "%s does not know the token: it has been used, has expired, or its daemon was restarted since",
		    j->token.addresses[j->address]);
	else
		(void)err_reason(&why, REASON_NODE_UNREACHABLE, e->code,
				 "%s port %u, which the token names, cannot be reached: %s", j->token.addresses[0],
				 j->token.port, e->text);
	joiner_end(j, &why);
}

void join_conn_freed(struct conn *c)
{
	struct join *j = take_ptr(c->join);

	if (j->member)
		free(j);
	else
		j->conn = NULL;
}

static char *terminated(struct wire_bytes b)
{
	return strndup((const char *)b.data, b.len);
}

/* Makes this node a member with what was granted. */
static int become_member(struct join *j, const struct wire_join_grant *m, struct err *e)
{
	struct node *n = j->node;
	struct keys_pair ca = {.cert = terminated(m->ca_cert), .key = terminated(m->ca_key)};
	char fingerprint[KEYS_FINGERPRINT_SIZE];
	int r = ca.cert && ca.key ? keys_fingerprint_of(ca.cert, fingerprint, e) : err_set(e, -ENOMEM, "out of memory");

	if (r == 0 && strcmp(fingerprint, j->token.fingerprint) != 0)
		r = err_reason(e, REASON_NODE_KEY, -EKEYREJECTED,
			       "the key of the cluster is not the one that the token names; do not trust %s",
			       j->token.addresses[j->address]);
	if (r == 0 && fault_point(FAULT_JOIN_GRANTED) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point join-granted");
	if (r == 0)
		r = keys_join(n->cfg.state_dir, &ca, j->name, e);
	keys_pair_release(&ca);
	if (r < 0)
		return r;
	(void)snprintf(n->name, sizeof(n->name), "%s", j->name);
	(void)snprintf(n->address, sizeof(n->address), "%s", j->own_address);
	n->port = j->port;
	r = fault_point(FAULT_KEYS_STORED) < 0 ? err_reason(e, REASON_FAULT, -EIO, "fault point keys-stored")
					       : node_enter(n, e);
	if (r < 0 && !n->keys) /* else the next start would make it a member, and a second attempt would find keys */
		(void)!keys_forget(n->cfg.state_dir, NULL);
	return r;
}

static int on_grant(struct conn *c, const struct wire_join_grant *m, struct err *e)
{
	struct join *j = take_ptr(c->join);
	struct node *n = j->node;
	struct wire_list list = m->nodes;
	struct request *req = take_ptr(j->req);
	struct wire_node_entry one;
	json_t *names = json_array();
	char name[NODE_NAME_MAX + 1];
	struct err why = {0};
	int r = become_member(j, m, &why);

	while (r == 0 && wire_node_entry_next(&list, &one)) {
		wire_str_copy(name, sizeof(name), one.name);
		(void)json_array_append_new(names, json_string(name));
		policy_entry(n, &one, NULL);
	}
	joiner_free(j);
	if (req)
		req->gone = NULL;
	if (r == 0)
		log_info("joined the cluster %.16s as %s", keys_fingerprint(n->keys), n->name);
	if (req && r < 0)
		req_refuse_err(req, &why);
	else if (req)
		req_reply(req, json_pack("{s:s, s:s, s:i, s:s, s:O}", "name", n->name, "address", n->address, "port",
					 n->port, "fingerprint", keys_fingerprint(n->keys), "nodes", names));
	json_decref(names);
	return err_set(e, -EPIPE, "done"); /* the connection has served */
}

static int on_refuse(struct conn *c, const struct wire_join_refuse *m, struct err *e)
{
	struct join *j = take_ptr(c->join);
	struct err why = {0};

	(void)err_reason(&why, m->reason ? m->reason : REASON_INTERNAL, -ECONNREFUSED, "refused");
	wire_str_copy(why.text, sizeof(why.text), m->sentence);
	joiner_end(j, &why);
	return err_set(e, -EPIPE, "done");
}

int join_frame(struct conn *c, const struct wire_header *h, const uint8_t *body, struct err *e)
{
	union {
		struct wire_join_request request;
		struct wire_join_grant grant;
		struct wire_join_refuse refuse;
	} m;

	if (c->join->member && h->type == WIRE_JOIN_REQUEST &&
	    wire_join_request_decode(&m.request, body, h->length) == 0)
		return on_request(c, &m.request, e);
	if (!c->join->member && h->type == WIRE_JOIN_GRANT && wire_join_grant_decode(&m.grant, body, h->length) == 0)
		return on_grant(c, &m.grant, e);
	if (!c->join->member && h->type == WIRE_JOIN_REFUSE && wire_join_refuse_decode(&m.refuse, body, h->length) == 0)
		return on_refuse(c, &m.refuse, e);
	return err_reason(e, REASON_PROTOCOL, -EPROTO, "%s is not expected while joining", wire_type_name(h->type));
}

static void joiner_gone(struct request *req, void *arg)
{
	((struct join *)arg)->req = NULL; /* it joins all the same; Nodes tells */
	req_reply(req, NULL);
}

void join_start(struct node *n, struct request *req, const char *token, const char *name, const char *address,
		uint16_t port)
{
	struct err e = {0};
	struct join *j;

	if (n->joining) {
		req_refuse(req, REASON_BUSY, "this node is joining already");
		return;
	}
	j = calloc(1, sizeof(*j));
	if (!j || token_decode(token, &j->token, &e) < 0) {
		req_refuse_err(req, &e);
		free(j);
		return;
	}
	if (j->token.expires < now_seconds()) {
		req_refuse(req, REASON_NODE_KEY, "the token has expired; make a new one with godwit token");
		free(j);
		return;
	}
	j->node = n;
	j->req = req;
	(void)snprintf(j->name, sizeof(j->name), "%s", *name ? name : n->name);
	(void)snprintf(j->own_address, sizeof(j->own_address), "%s", *address ? address : n->address);
	j->port = port ? port : n->port;
	req->gone = joiner_gone;
	req->gone_arg = j;
	n->joining = j;
	if (joiner_dial(j, &e) < 0) {
		e.reason = REASON_NODE_UNREACHABLE;
		joiner_end(j, &e);
	}
}

void join_free(struct node *n)
{
	if (!n->joining)
		return;
	if (n->joining->conn)
		n->joining->conn->join = NULL;
	joiner_free(n->joining);
}
