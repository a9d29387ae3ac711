/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A host asks the home of its guest to take it away: both sides of that.
 * Promise: every request is answered, and the policy that asked hears what became of it. Must not: move anything
 * itself; that is the home's moves.c, which may find a better place than the one that was asked for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "node.h"

struct asked {
	struct node *node;
	char peer[NODE_NAME_MAX + 1];
	uint64_t id;
};

static void answer(struct node *n, const char *peer, uint64_t id, const struct err *e)
{
	struct wire_peer_move_result w = {
	    .id = id, .error = e->code, .reason = e->reason, .sentence = wire_str(e->text)};
	struct peer *p = peer_find(n, peer);

	if (p)
		(void)!peer_send(p, NODE_FRAME(n, peer_move_result, &w), NULL);
}

static void asked_done(struct node *n, void *arg, const struct move_result *r)
{
	struct asked *a = arg;

	answer(n, a->peer, a->id, &r->err);
	free(a);
}

void request_came(struct node *n, struct peer *p, const struct wire_peer_move_request *w)
{
	struct tracked *t = w->pid > 0 && w->pid <= INT32_MAX ? tracked_find(n, (pid_t)w->pid) : NULL;
	char to[NODE_NAME_MAX + 1];
	struct err e = {0};
	struct asked *a;

	wire_str_copy(to, sizeof(to), w->to);
	if (!strcmp(to, "home") || !strcmp(to, "best"))
		to[0] = '\0'; /* this node finds a better place for it by itself */
	/* Only the host of a guest has a say about it. */
	if (!t || strcmp(t->host, p->name) != 0)
		(void)err_reason(&e, REASON_NO_SUCH_PROCESS, -ESRCH, "process %lld is not on %s", (long long)w->pid,
				 p->name);
	/* The host may not have heard of it yet: for the sake of speed alone these stay. */
	else if (w->reason == REASON_BALANCED && tracked_treat(t) == TREAT_ALONE)
		(void)err_reason(&e, t->family ? REASON_PINNED : REASON_NOT_FAMILY, -EBUSY,
				 "process %d is moved by hand only", t->pid);
	a = calloc(1, sizeof(*a));
	if (!a && !e.code)
		(void)err_set(&e, -ENOMEM, "no memory for the order");
	if (a && t && !e.code) {
		*a = (struct asked){.node = n, .id = w->id};
		(void)snprintf(a->peer, sizeof(a->peer), "%s", p->name);
		t->last_home_reason = w->reason;
		if (move_start(n, t, to, false, w->reason == REASON_BALANCED ? MOVE_BALANCE : MOVE_MUST, asked_done, a,
			       &e))
			return;
	}
	free(a);
	answer(n, p->name, w->id, &e);
}

void request_home(struct node *n, struct helper *agent, const char *to, unsigned reason)
{
	struct wire_peer_move_request w = {.id = agent->mig, .pid = agent->pid, .to = wire_str(to), .reason = reason};
	struct policy_node_view v;
	struct peer *p = peer_find(n, agent->home);

	if (!p && policy_node_find(n->policy, agent->home, &v))
		p = peer_get(n, agent->home, v.node->address, v.node->port);
	agent->evicting = true;
	agent->evict_ns = clock_mono_ns();
	(void)snprintf(agent->evict_to, sizeof(agent->evict_to), "%s", !strcmp(to, "home") ? agent->home : to);
	if (!p || peer_send(p, NODE_FRAME(n, peer_move_request, &w), NULL) < 0)
		request_done(n, agent, false, REASON_NODE_UNREACHABLE);
}

/* Tells the policy what became of its wish. */
void request_done(struct node *n, struct helper *agent, bool ok, unsigned reason)
{
	struct policy_event ev = {.type = POLICY_EV_MOVE_DONE, .now_ns = clock_mono_ns()};

	agent->evicting = false;
	(void)snprintf(ev.move.id.home, sizeof(ev.move.id.home), "%s", agent->home);
	ev.move.id.pid = agent->pid;
	(void)snprintf(ev.move.to, sizeof(ev.move.to), "%s", agent->evict_to);
	ev.move.ok = ok;
	ev.move.reason = reason;
	(void)policy_event(n, &ev, NULL);
}

void request_answered(struct node *n, struct peer *p, const struct wire_peer_move_result *w)
{
	struct helper *h = helper_find_mig(n, HELPER_AGENT, w->id);

	if (!h || !h->evicting || strcmp(h->home, p->name) != 0)
		return;
	if (w->error)
		log_info("%s does not take process %lld away: %s", h->home, (long long)h->pid,
			 reason_sentence(w->reason));
	request_done(n, h, w->error == 0, w->reason);
}
