/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Methods about the cluster and this node: Init, Token, Join, Leave, Nodes, NodeSet, Status.
 * Promise: what changes the keys or settings is on disk before it is answered. Must not: hand out a key.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/log.h"
#include "json.h"
#include "methods.h"
#include "node.h"

#define LEAVE_NS (60 * NSEC_PER_SEC)
#define FAREWELL_NS (3 * NSEC_PER_SEC) /* for connections to those with whom there was none */
#define SET_NS (5 * NSEC_PER_SEC)

/* name, address and port of Init and Join. False: req has been answered. */
static bool own_params(struct request *req, const char **name, const char **address, int64_t *port)
{
	if (req_string(req, "name", false, NODE_NAME_MAX - 1, name) < 0 ||
	    req_string(req, "address", false, NODE_NAME_MAX - 1, address) < 0 ||
	    req_int(req, "port", false, 1, 65535, port) < 0)
		return false;
	if (**name && !config_name_ok(*name)) {
		req_invalid(req, "name");
		return false;
	}
	return true;
}

void method_init(struct request *req)
{
	struct node *n = req->data;
	const char *name = "", *address = "";
	struct err e = {0};
	int64_t port = 0;

	if (!own_params(req, &name, &address, &port))
		return;
	if (n->keys) {
		req_refuse(req, REASON_BUSY, "this node is in a cluster already; leave it first");
		return;
	}
	if (*name)
		(void)snprintf(n->name, sizeof(n->name), "%s", name);
	if (*address)
		(void)snprintf(n->address, sizeof(n->address), "%s", address);
	if (port)
		n->port = (uint16_t)port;
	if (keys_init(n->cfg.state_dir, n->name, &e) < 0 || node_enter(n, &e) < 0) {
		req_refuse_err(req, &e);
		return;
	}
	log_info("made a new cluster; this node is %s at %s port %u", n->name, n->address, n->port);
	req_reply(req, json_pack("{s:s, s:s, s:i, s:s}", "name", n->name, "address", n->address, "port", n->port,
				 "fingerprint", keys_fingerprint(n->keys)));
}

void method_token(struct request *req)
{
	struct node *n = req->data;
	struct err e = {0};
	int64_t expires;
	char text[1024];

	if (!n->keys)
		req_refuse(req, REASON_NO_CLUSTER, "this node belongs to no cluster; godwit init makes one");
	else if (token_make(n, text, sizeof(text), &expires, &e) < 0)
		req_refuse_err(req, &e);
	else
		req_reply(req, json_pack("{s:s, s:I}", "token", text, "expires", (json_int_t)expires));
}

void method_join(struct request *req)
{
	struct node *n = req->data;
	const char *name = "", *address = "", *token = NULL;
	int64_t port = 0;

	if (req_string(req, "token", true, 2048, &token) < 0 || !own_params(req, &name, &address, &port))
		return;
	if (n->keys)
		req_refuse(req, REASON_BUSY, "this node is in a cluster already; leave it first");
	else
		join_start(n, req, token, name, address, (uint16_t)port);
}

/* ---- Leave ---------------------------------------------------------------------------------------------------- */

static void bring_one(struct node *n, struct tracked *t, void *arg)
{
	struct err e = {0};

	if (t->host[0] && !t->move && !move_start(n, t, n->name, false, MOVE_MUST, NULL, NULL, &e))
		log_warn("%d (%s) cannot be brought home: %s", t->pid, t->comm, e.text);
}

static void count_away(struct node *n, struct tracked *t, void *arg)
{
	*(unsigned *)arg += t->host[0] != '\0' || t->move;
}

struct left {
	char text[ERR_TEXT_MAX / 2];
	size_t len;
};

/* Appends one of those that are left, as long as there is room for it. */
static void left_add(struct left *l, const char *what, long long pid, const char *comm, const char *where)
{
	int k = snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s%s %lld (%s) %s", l->len ? ", " : "", what, pid,
			 comm, where);

	if (k > 0 && l->len + (size_t)k < sizeof(l->text))
		l->len += (size_t)k;
	else
		l->text[l->len] = '\0';
}

static void left_away(struct node *n, struct tracked *t, void *arg)
{
	char where[NODE_NAME_MAX + 8];

	(void)snprintf(where, sizeof(where), "on %s", tracked_place(n, t));
	if (t->host[0] || t->move)
		left_add(arg, "process", t->pid, t->comm, where);
}

/* The time is over: everything is as before, but that guests that have gone stay away. */
static void leave_fail(struct node *n, unsigned away)
{
	struct request *req = take_ptr(n->leaver);
	struct left left = {.len = 0};
	const struct helper *h;
	char home[NODE_NAME_MAX + 8];

	tracked_each(n, left_away, &left);
	for (h = n->helpers; h; h = h->next) {
		if (!h->greeted || h->kind != HELPER_AGENT || !h->arrived_ns)
			continue;
		(void)snprintf(home, sizeof(home), "of %s", h->home);
		left_add(&left, "guest", h->pid, h->comm, home);
	}
	n->leaving = n->expelling = false;
	(void)!policy_open(n, NULL);
	log_warn("cannot leave the cluster: %u processes are still away, %u guests still here: %s", away,
		 helpers_guests(n), left.text);
	if (req) {
		req->gone = NULL;
		req_refuse(req, REASON_BUSY,
			   "%u processes of this node are still away and %u guests are still here: %s", away,
			   helpers_guests(n), left.text);
	}
}

/* Tells every node, so that it does not look dead to any. True when all that can be reached have been told. */
static bool said_farewell(struct node *n)
{
	struct wire_peer_leave m = {.name = wire_str(n->name)};
	struct policy_node_view v;
	unsigned cursor = 0;
	struct peer *p;

	if (!n->farewell_until_ns) {
		n->farewell_until_ns = clock_mono_ns() + FAREWELL_NS;
		while (policy_node_next(n->policy, &cursor, &v)) {
			p = v.health == POLICY_SELF || v.left
				? NULL
				: peer_get(n, v.node->name, v.node->address, v.node->port);
			if (p)
				(void)!peer_send(p, NODE_FRAME(n, peer_leave, &m), NULL);
		}
	}
	for (p = n->peers; p && !p->waiting.len; p = p->next)
		;
	return !p || clock_mono_ns() > n->farewell_until_ns;
}

static void leave_end(struct node *n)
{
	struct request *req = take_ptr(n->leaver);
	struct err e = {0};

	node_exit(n);
	if (keys_forget(n->cfg.state_dir, &e) < 0)
		log_error("%s", e.text);
	log_info("left the cluster");
	if (req) {
		req->gone = NULL;
		req_reply(req, NULL);
	}
}

void leave_check(struct node *n)
{
	unsigned away = 0;

	if (!n->leaving)
		return;
	tracked_each(n, count_away, &away);
	if (!away && !helpers_guests(n) && !n->offers) {
		if (said_farewell(n))
			leave_end(n);
	} else if (clock_mono_ns() > n->leave_until_ns) {
		leave_fail(n, away);
	} else {
		tracked_each(n, bring_one, NULL);
	}
}

static void leave_gone(struct request *req, void *arg)
{
	struct node *n = arg;

	n->leaver = NULL; /* the leave itself goes on */
	req_reply(req, NULL);
}

void method_leave(struct request *req)
{
	struct node *n = req->data;
	struct policy_event ev = {.type = POLICY_EV_LEAVE, .now_ns = clock_mono_ns()};

	if (!n->keys) {
		req_refuse(req, REASON_NO_CLUSTER, "this node belongs to no cluster");
		return;
	}
	if (n->leaving) {
		req_refuse(req, REASON_BUSY, "this node is leaving already");
		return;
	}
	n->leaving = true;
	n->leave_until_ns = clock_mono_ns() + LEAVE_NS;
	n->farewell_until_ns = 0;
	n->leaver = req;
	req->gone = leave_gone;
	req->gone_arg = n;
	(void)policy_event(n, &ev, NULL);
	exec_close(n);
	leave_check(n);
}

/* ---- Nodes ------------------------------------------------------------------------------------------------------ */

static const char *node_state_word(const struct node *n, const struct policy_node_view *v, const struct peer *p)
{
	if (v->health == POLICY_SELF)
		return n->keys ? n->leaving ? "leaving" : "up" : "single";
	if (p && p->trouble == PEER_VERSION)
		return "version";
	if (p && p->trouble == PEER_KEY)
		return "key";
	if (v->health == POLICY_DEAD)
		return p && p->trouble == PEER_UNREACHABLE ? "unreachable" : "dead";
	if (!v->node->seq)
		return "unknown";
	return v->node->state & POLICY_LEAVING ? "leaving" : "up";
}

static json_t *node_json(struct node *n, const struct policy_node_view *v)
{
	const struct policy_node *e = v->node;
	const struct peer *p = v->health == POLICY_SELF ? NULL : peer_find(n, e->name);
	const char *state = node_state_word(n, v, p);
	bool self = v->health == POLICY_SELF;
	json_t *o;

	o = json_pack(
	    "{s:s, s:b, s:o, s:i, s:s, s:f, s:i, s:f, s:I, s:I, s:i, s:b, s:b, s:o, s:I}", "name", e->name, "self",
	    self, "address", json_text(self ? n->address : e->address), "port", self ? n->port : e->port, "state",
	    state, "cpus", e->cpus_milli / 1000.0, "speed", (int)e->speed, "load", e->load_milli / 1000.0, "memory",
	    (json_int_t)e->mem_total, "free", (json_int_t)e->mem_free, "guests",
	    (int)(self ? helpers_guests(n) : e->guests), "stay", self ? n->stay : !!(e->state & POLICY_STAY), "blocked",
	    self ? n->blocked : !!(e->state & POLICY_BLOCK), "version", json_text(self ? GODWIT_VERSION : e->version),
	    "age_ms", (json_int_t)(self ? 0 : v->age_us / 1000));
	if (o && p && p->trouble != PEER_FINE && strcmp(state, "up") != 0)
		(void)json_object_set_new(o, "why", json_text(p->sentence));
	else if (o && !strcmp(state, "dead"))
		(void)json_object_set_new(o, "why", json_text("the node has not been heard of"));
	return o;
}

/* A node that refused us, or that we know by name only, has no entry in the policy. */
static json_t *peer_json(const struct peer *p)
{
	const char *state = p->trouble == PEER_FINE ? "unknown" : peer_trouble_word(p->trouble);
	json_t *o = json_pack("{s:s, s:b, s:o, s:i, s:s, s:f, s:i, s:f, s:I, s:I, s:i, s:b, s:b, s:o, s:I}", "name",
			      p->name, "self", 0, "address", json_text(p->address), "port", p->port, "state", state,
			      "cpus", 0.0, "speed", 0, "load", 0.0, "memory", (json_int_t)0, "free", (json_int_t)0,
			      "guests", 0, "stay", 0, "blocked", 0, "version", json_text(p->version), "age_ms",
			      (json_int_t)-1);

	if (o && p->trouble != PEER_FINE)
		(void)json_object_set_new(o, "why", json_text(p->sentence));
	return o;
}

void method_nodes(struct request *req)
{
	struct node *n = req->data;
	struct policy_node_view v;
	const struct peer *p;
	json_t *list = json_array();
	unsigned cursor = 0;

	while (policy_node_next(n->policy, &cursor, &v))
		if (!v.left)
			(void)json_array_append_new(list, node_json(n, &v));
	for (p = n->peers; p; p = p->next)
		if (!p->left && !policy_node_find(n->policy, p->name, &v))
			(void)json_array_append_new(list, peer_json(p));
	req_reply(req, json_pack("{s:s, s:s, s:o}", "self", n->name, "cluster",
				 n->keys ? keys_fingerprint(n->keys) : "", "nodes", list));
}

/* ---- NodeSet ---------------------------------------------------------------------------------------------------- */

static const struct {
	const char *word;
	enum policy_admin_op op;
} node_actions[] = {{"stay", POLICY_ADMIN_STAY},       {"nostay", POLICY_ADMIN_NOSTAY}, {"block", POLICY_ADMIN_BLOCK},
		    {"unblock", POLICY_ADMIN_UNBLOCK}, {"expel", POLICY_ADMIN_EXPEL},   {"reload", 0}};

/* NULL: no such word. One without an operation, "reload", is 0. */
static const enum policy_admin_op *node_action(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(node_actions); i++)
		if (!strcmp(word, node_actions[i].word))
			return &node_actions[i].op;
	return NULL;
}

/* Changes this node's own settings; they are on disk when it returns 0. */
static int node_set_here(struct node *n, enum policy_admin_op op, struct err *e)
{
	struct policy_event ev = {.type = POLICY_EV_ADMIN, .now_ns = clock_mono_ns()};

	if (!op)
		return owner_reload(n, e);
	ev.admin.op = op;
	n->stay = op == POLICY_ADMIN_STAY || (n->stay && op != POLICY_ADMIN_NOSTAY);
	n->blocked = op == POLICY_ADMIN_BLOCK || (n->blocked && op != POLICY_ADMIN_UNBLOCK);
	if (op == POLICY_ADMIN_EXPEL) {
		/* Expelling ends with the last guest; that no new ones come is meant to last. */
		n->blocked = n->expelling = true;
	}
	owner_tell(n);
	if (op != POLICY_ADMIN_BLOCK && op != POLICY_ADMIN_UNBLOCK)
		(void)policy_event(n, &ev, NULL);
	return state_save(n, e);
}

static json_t *node_set_json(bool stay, bool blocked, unsigned expelling)
{
	return json_pack("{s:b, s:b, s:i}", "stay", stay, "blocked", blocked, "expelling", (int)expelling);
}

void nodeset_result(struct node *n, struct peer *p, const struct wire_peer_node_set_result *w)
{
	struct request *req = asks_answered(n, p, w->id);
	char sentence[ERR_TEXT_MAX];

	if (!req)
		return;
	wire_str_copy(sentence, sizeof(sentence), w->sentence);
	if (w->error)
		req_refuse(req, reason_exists(w->reason) ? w->reason : REASON_INTERNAL, "%s: %s", p->name, sentence);
	else
		req_reply(req, node_set_json(w->stay, w->blocked, w->expelling));
}

/* Nodes of a cluster trust each other; that it was an administrator who asked, the other daemon has seen to. */
void nodeset_order(struct node *n, struct peer *p, const struct wire_peer_node_set *w)
{
	struct wire_peer_node_set_result a = {.id = w->id};
	const enum policy_admin_op *op;
	struct err e = {0};
	char word[17];

	wire_str_copy(word, sizeof(word), w->action);
	op = node_action(word);
	if (!op)
		(void)err_reason(&e, REASON_NODE_VERSION, -EINVAL, "it does not know this setting");
	else
		(void)node_set_here(n, *op, &e);
	log_info("%s: %s, asked for by an administrator of %s", n->name, op ? word : "an unknown setting", p->name);
	a.error = e.code;
	a.reason = e.reason;
	a.sentence = wire_str(e.text);
	a.stay = n->stay;
	a.blocked = n->closed;
	a.expelling = n->expelling ? helpers_guests(n) : 0;
	(void)!peer_send(p, NODE_FRAME(n, peer_node_set_result, &a), NULL);
}

static void node_set_there(struct request *req, const char *node, const char *action)
{
	struct node *n = req->data;
	struct wire_peer_node_set w = {.id = random_id(), .action = wire_str(action)};
	struct peer *p = asks_peer(req, node);

	if (p)
		asks_send(req, p, NODE_FRAME(n, peer_node_set, &w), w.id, SET_NS,
			  "has not answered in time; whether it was done is not known");
}

void method_node_set(struct request *req)
{
	struct node *n = req->data;
	const char *node = n->name, *action = NULL;
	const enum policy_admin_op *op;
	struct err e = {0};

	if (req_string(req, "node", false, NODE_NAME_MAX, &node) < 0 ||
	    req_string(req, "action", true, 16, &action) < 0)
		return;
	op = node_action(action);
	if (!op) {
		req_invalid(req, "action");
		return;
	}
	if (*node && strcmp(node, n->name) != 0) {
		node_set_there(req, node, action);
		return;
	}
	log_info("node %s: %s", n->name, action);
	if (node_set_here(n, *op, &e) < 0)
		req_refuse_err(req, &e);
	else
		req_reply(req, node_set_json(n->stay, n->closed, n->expelling ? helpers_guests(n) : 0));
}

void method_status(struct request *req)
{
	struct node *n = req->data;
	const struct policy_node *self = policy_self(n->policy);
	unsigned away = 0;

	tracked_each(n, count_away, &away);
	req_reply(
	    req,
	    json_pack("{s:s, s:s, s:s, s:i, s:I, s:s, s:s, s:s, s:i, s:b, s:f, s:f, s:I, s:I, s:i, s:i, s:I, s:I, s:i}",
		      "name", n->name, "cluster", n->keys ? keys_fingerprint(n->keys) : "", "version", GODWIT_VERSION,
		      "pid", (int)getpid(), "uptime_s", (json_int_t)((clock_mono_ns() - n->started_ns) / NSEC_PER_SEC),
		      "run", n->cfg.run_dir, "state", n->cfg.state_dir, "address", n->address, "port", n->port,
		      "launcher", launcher_there(n), "cpus", n->sampler.cpus_milli / 1000.0, "load",
		      self->load_milli / 1000.0, "memory", (json_int_t)n->sampler.mem_total, "free",
		      (json_int_t)n->sampler.mem_free, "guests", (int)helpers_guests(n), "away", (int)away, "moves",
		      (json_int_t)n->n_moves, "failed_moves", (json_int_t)n->n_failed_moves, "clients",
		      (int)control_clients(n->control)));
}
