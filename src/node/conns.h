/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A TCP connection on the cluster's port: what conns.c, peers.c and join.c share.
 * Must not: be included by other parts of the daemon, which know peers only.
 */
#ifndef GODWIT_NODE_CONNS_H
#define GODWIT_NODE_CONNS_H

#include "node.h"

enum conn_state {
	CONN_DIAL, /* TCP is being connected by us */
	CONN_PREAMBLE, /* came in; sixteen bytes are awaited */
	CONN_TLS, /* handshake */
	CONN_HELLO, /* the other's first message is awaited */
	CONN_OPEN,
};

struct join;
struct submission;

struct conn {
	struct conn *next;
	struct node *node;
	struct peer *peer; /* NULL: not known yet, or a joining node's */
	struct join *join; /* of a connection of kind J, else NULL */
	struct submission *submission; /* of a connection of kind C, else NULL */
	struct loop_watch *watch, *deadline;
	struct link *link; /* NULL before TLS */
	int fd; /* -1 once it is the link's */
	enum conn_state state;
	uint8_t kind;
	uint64_t id;
	uint8_t preamble[WIRE_PREAMBLE_SIZE];
	size_t n_preamble;
};

struct conn *conn_new(struct node *n, int fd, enum conn_state state,
		      uint32_t events); /* NULL: no memory; fd stays the caller's */
void conn_free(struct conn *c);
void conn_fail(struct conn *c, const struct err *e); /* ends it and reports why */
void conn_late(void *arg);
void conn_event(void *arg, int fd, uint32_t events);
int conn_flush(struct conn *c, struct err *e) _must_check_;
bool conn_alive(const struct node *n, const struct conn *c);
int conn_begin_client(struct conn *c, uint8_t kind, uint64_t id, struct err *e) _must_check_;
/* Sentences; they return e->code. */
int conn_other_version(const struct node *n, const char *name, unsigned theirs, struct err *e);
int conn_other_key(const char *name, struct err *e);

/* peers.c */
/* Notes why a peer cannot be used, and tells everyone who waited for it. */
void peer_failed(struct peer *p, enum peer_trouble trouble, const struct err *e);
/* A message of a peer, or its greeting, which makes the connection one of a peer. */
int peers_frame(struct conn *c, const struct wire_header *h, const uint8_t *body, struct err *e) _must_check_;

/* join.c; steps of a connection of kind J */
int join_accept(struct conn *c, struct err *e) _must_check_; /* member: the preamble has come */
int join_begin(struct conn *c, struct err *e) _must_check_; /* joiner: the preamble was sent */
int join_greet(struct conn *c, struct err *e) _must_check_; /* the handshake is done */
int join_frame(struct conn *c, const struct wire_header *h, const uint8_t *body, struct err *e) _must_check_;
void join_conn_failed(struct conn *c, const struct err *e);
void join_conn_freed(struct conn *c); /* with the daemon, or the port */

/* clients.c; steps of a connection of kind C */
int client_accept(struct conn *c, struct err *e) _must_check_; /* the preamble has come */
int client_frame(struct conn *c, const struct wire_header *h, const uint8_t *body, struct err *e) _must_check_;
void client_conn_freed(struct conn *c);

#endif
