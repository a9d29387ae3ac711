/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client of the daemon's control interface (docs/control-interface.md): varlink framing over a Unix socket.
 * Promise: every wait has a deadline; a reply is bounded; whatever the daemon sends gives a value or an error.
 * Must not: print.
 */
#ifndef GODWIT_CLI_CLIENT_H
#define GODWIT_CLI_CLIENT_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include "base/buf.h"
#include "base/err.h"

struct client {
	int fd;
	struct buf in;
};

#define CLIENT_INIT      \
	{                \
		.fd = -1 \
	}

static inline void cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(cleanup_json)

/* The socket that --at, $GODWIT_SOCKET, $GODWIT_RUN or the default name, in this order; at may be NULL. A word
 * without '/' is a node of the sandbox. 0 or -ENOENT. */
int client_path(const char *at, char *buf, size_t cap, struct err *e) _must_check_;

/* Connects. No daemon: reason NO_DAEMON. Release with client_close(), also after an error. */
int client_open(struct client *c, const char *at, struct err *e) _must_check_;
int client_open_path(struct client *c, const char *path, struct err *e) _must_check_;
void client_close(struct client *c);

/* Sends a request, method without the interface. params is taken over and may be NULL. */
int client_send(struct client *c, const char *method, json_t *params, bool more, struct err *e) _must_check_;
/* Waits for one reply; *ret is its parameters, owned by the caller. deadline: CLOCK_MONOTONIC ns. An error reply
 * gives its reason number and sentence in e. -EPIPE: the daemon has closed. ret_continues may be NULL. */
int client_receive(struct client *c, uint64_t deadline, json_t **ret, bool *ret_continues, struct err *e) _must_check_;

/* One request and its reply on a connection of its own; seconds is the deadline. */
int client_ask(const char *at, const char *method, json_t *params, unsigned seconds, json_t **ret,
	       struct err *e) _must_check_;

#endif
