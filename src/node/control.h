/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: clients, varlink framing, requests and their replies.
 * Promise: a slow, silent or babbling client costs a bounded buffer and nobody else's time; every request is answered
 * exactly once (or its client is gone); nothing that a client sends ends the daemon. Must not: know what the methods
 * do; they are in the table that is given to control_open().
 */
#ifndef GODWIT_NODE_CONTROL_H
#define GODWIT_NODE_CONTROL_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/err.h"

#define CONTROL_REQUEST_MAX (64 * 1024)
#define CONTROL_REPLY_MAX (4 * 1024 * 1024)
#define CONTROL_CLIENTS_MAX 128
#define CONTROL_CLIENTS_PER_USER 64
#define CONTROL_REQUEST_NS (60ULL * 1000000000ULL) /* from the first byte of a request to its last */

struct loop;
struct control;
struct control_client;

/* One request from its arrival until req_reply(), req_refuse() or one of the other final answers, which free it. */
struct request {
	struct control_client *client; /* NULL: gone meanwhile; the answers are then dropped */
	void *data; /* that of control_open() */
	json_t *params; /* an object, owned */
	pid_t pid; /* of the client, when it connected */
	uid_t uid;
	bool more, oneway;
	/* Called once if the client goes before the final answer; may give the final answer itself. */
	void (*gone)(struct request *req, void *arg);
	void *gone_arg;
};

enum control_access { ACCESS_ALL, ACCESS_ADMIN };

struct control_method {
	const char *name; /* in full: "org.godwit.Nodes" */
	void (*fn)(struct request *req); /* answers now or later */
	enum control_access access;
	bool needs_more;
};

/* Listens on path (mode 0666). methods ends with a NULL name and stays the caller's. admin: the user who, besides
 * root, may use ACCESS_ADMIN. interface: the varlink description. 0 or -errno. */
int control_open(struct loop *loop, const char *path, const struct control_method *methods, void *data, uid_t admin,
		 const char *interface, struct control **ret, struct err *e) _must_check_;
void control_free(struct control *c); /* NULL is legal; requests under way lose their client */
unsigned control_clients(const struct control *c);

/* Final answers; each takes over `reply` (NULL: out of memory, or no parameters) and frees req. */
void req_reply(struct request *req, json_t *reply);
void req_refuse(struct request *req, unsigned reason, const char *fmt, ...) _printf_(3, 4);
/* The same from an error: e->reason, or "internal" without one. */
void req_refuse_err(struct request *req, const struct err *e);
void req_invalid(struct request *req, const char *parameter);
/* One reply that is not the last. Takes over reply. */
void req_continue(struct request *req, json_t *reply);

/* The caller's right to signal a process with these real and saved user ids, kill(2). */
bool req_may_kill(const struct request *req, uid_t real, uid_t saved);

/*
 * Parameters. Each returns 0 and *ret, untouched when an optional one is absent or null; otherwise it has answered
 * req with InvalidParameter and returns -EINVAL, and the caller just returns.
 */
int req_string(struct request *req, const char *name, bool needed, size_t max, const char **ret) _must_check_;
int req_int(struct request *req, const char *name, bool needed, int64_t min, int64_t max, int64_t *ret) _must_check_;
int req_bool(struct request *req, const char *name, bool needed, bool *ret) _must_check_;

/*
 * Framing, apart so that it can be tested: looks for one complete message in the n bytes. Returns its length
 * with the NUL and *ret (an owned object with a string "method"), 0 when it is not complete yet, -EBADMSG when it is no
 * such object.
 */
ssize_t control_frame(const char *p, size_t n, json_t **ret) _must_check_;

#endif
