/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Requests of this node's clients that another daemon has to answer.
 * Promise: each is answered once: by what that daemon says, by its loss, by the deadline, or by our end; one whose
 * client has gone is forgotten. Must not: know what was asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "control.h"
#include "node.h"

struct peer_ask {
	struct peer_ask *next;
	struct node *node;
	struct request *req;
	struct loop_watch *deadline;
	uint64_t id;
	const char *late; /* what is said behind the peer's name when the time is over; a constant */
	char peer[NODE_NAME_MAX + 1];
};

/* Takes it off the list and gives its request, which is still to be answered. */
static struct request *take(struct peer_ask *a)
{
	struct request *req = a->req;
	struct peer_ask **p;

	for (p = &a->node->asks; *p != a; p = &(*p)->next)
		;
	*p = a->next;
	loop_remove(a->deadline);
	free(a);
	req->gone = NULL;
	return req;
}

static void client_gone(struct request *req, void *arg)
{
	req_reply(take(arg), NULL);
}

static void too_late(void *arg)
{
	struct peer_ask *a = arg;
	const char *late = a->late;
	char peer[NODE_NAME_MAX + 1];

	a->deadline = NULL;
	memcpy(peer, a->peer, sizeof(peer));
	req_refuse(take(a), REASON_TIMEOUT, "%s %s", peer, late);
}

struct peer *asks_peer(struct request *req, const char *name)
{
	struct node *n = req->data;
	struct policy_node_view v;
	struct peer *p = policy_node_find(n->policy, name, &v) ? peer_get(n, name, v.node->address, v.node->port)
							       : peer_find(n, name);

	if (!p)
		req_refuse(req, n->keys ? REASON_NO_SUCH_NODE : REASON_NO_CLUSTER, "no node named %s is known", name);
	return p;
}

void asks_send(struct request *req, struct peer *p, const struct buf *frame, uint64_t id, uint64_t ns, const char *late)
{
	struct node *n = req->data;
	struct peer_ask *a = calloc(1, sizeof(*a));
	struct loop_watch *deadline = a ? loop_add_timer(n->loop, clock_mono_ns() + ns, too_late, a) : NULL;
	struct err e = {0};

	if (!deadline)
		(void)err_set(&e, -ENOMEM, "out of memory");
	if (e.code || peer_send(p, frame, &e) < 0) {
		loop_remove(deadline);
		free(a);
		req_refuse_err(req, &e);
		return;
	}
	*a = (struct peer_ask){.next = n->asks, .node = n, .req = req, .deadline = deadline, .id = id, .late = late};
	memcpy(a->peer, p->name, sizeof(a->peer));
	n->asks = a;
	req->gone = client_gone;
	req->gone_arg = a;
}

struct request *asks_answered(struct node *n, const struct peer *p, uint64_t id)
{
	struct peer_ask *a;

	for (a = n->asks; a && (a->id != id || strcmp(a->peer, p->name) != 0); a = a->next)
		;
	return a ? take(a) : NULL;
}

void asks_peer_lost(struct node *n, const struct peer *p, const struct err *e)
{
	struct peer_ask *a, *next;

	for (a = n->asks; a; a = next) {
		next = a->next;
		if (!strcmp(a->peer, p->name))
			req_refuse(take(a), REASON_NODE_UNREACHABLE, "%s cannot be asked: %s", p->name, e->text);
	}
}

void asks_free(struct node *n)
{
	while (n->asks)
		req_refuse(take(n->asks), REASON_NO_DAEMON, "the daemon ends");
}
