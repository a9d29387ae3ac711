/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Methods about remote execution: where a command is to go (Place), and a link between the broker of its user here and
 * an executor of the same user there (ExecOpen). What the other node does: exec.c.
 * Promise: every request is answered in time; no command, argument or byte of a stream passes through here. Must not:
 * believe anybody but the kernel about who asks.
 *
 *   ExecOpen -> PEER_EXEC_OPEN -> (there) -> PEER_EXEC_READY -> the reply with address, link id and one-time key
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include "json.h"
#include "methods.h"
#include "node.h"

#define ASK_NS (8 * NSEC_PER_SEC)
#define SENT_NS NSEC_PER_SEC /* until a command shows in its node's load */

/* ---- ExecOpen ---------------------------------------------------------------------------------------------------- */

static void hex(char *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", p[i]);
}

void exec_ready(struct node *n, struct peer *p, const struct wire_peer_exec_ready *w)
{
	char sentence[ERR_TEXT_MAX], id[20], key[2 * LINK_PSK_MAX + 1];
	struct request *req = asks_answered(n, p, w->id);

	if (!req)
		return;
	wire_str_copy(sentence, sizeof(sentence), w->sentence);
	if (w->error) {
		bool named = strstr(sentence, p->name);

		req_refuse(req, reason_exists(w->reason) ? w->reason : REASON_INTERNAL, "%s%s%s", named ? "" : p->name,
			   named ? "" : ": ", sentence);
		return;
	}
	(void)snprintf(id, sizeof(id), "%016" PRIx64, w->link_id);
	hex(key, w->psk.data, w->psk.len);
	req_reply(req, json_pack("{s:s, s:b, s:o, s:i, s:s, s:s}", "node", p->name, "self", 0, "address",
				 json_text(p->address), "port", p->port, "link", id, "key", key));
	explicit_bzero(key, sizeof(key));
}

void method_exec_open(struct request *req)
{
	struct node *n = req->data;
	struct wire_peer_exec_open w = {.id = random_id(), .uid = req->uid};
	const struct passwd *pw;
	const char *name = NULL;
	struct peer *p;

	if (req_string(req, "node", true, NODE_NAME_MAX, &name) < 0)
		return;
	if (!strcmp(name, n->name)) {
		if (n->settings.node_gatekeeper)
			req_refuse(req, REASON_NODE_BLOCKED, "%s is a gatekeeper and executes nothing itself", n->name);
		else
			req_reply(req, json_pack("{s:s, s:b}", "node", n->name, "self", 1));
		return;
	}
	p = asks_peer(req, name);
	if (!p)
		return;
	pw = getpwuid(req->uid);
	if (!pw || strlen(pw->pw_name) > 64) {
		req_refuse(req, REASON_USER, "user id %u has no name on this node", req->uid);
		return;
	}
	w.user = wire_str(pw->pw_name);
	asks_send(req, p, NODE_FRAME(n, peer_exec_open, &w), w.id, ASK_NS, "has not started an executor in time");
}

/* ---- Place ------------------------------------------------------------------------------------------------------- */

/* What was sent there lately; the oldest record is taken for a node that has none. */
static struct exec_sent *sent_to(struct node *n, const char *name, uint64_t now)
{
	struct exec_sent *list = n->exec.sent, *oldest = list;

	for (size_t i = 0; i < ARRAY_SIZE(n->exec.sent); i++) {
		if (!strcmp(list[i].name, name)) {
			oldest = &list[i];
			break;
		}
		if (list[i].since_ns < oldest->since_ns)
			oldest = &list[i];
	}
	if (strcmp(oldest->name, name) != 0 || now > oldest->since_ns + SENT_NS) {
		*oldest = (struct exec_sent){.since_ns = now};
		(void)snprintf(oldest->name, sizeof(oldest->name), "%s", name);
	}
	return oldest;
}

/* What a command would cost there; UINT64_MAX: it cannot go there. What goes there now will show in its load only
 * later, so this node counts what it has sent in the last second. */
static uint64_t place_cost(struct node *n, const struct policy_node_view *v, uint64_t now)
{
	uint64_t power = (uint64_t)v->node->cpus_milli * v->node->speed / 1000 + 1;

	if (v->left || v->health == POLICY_DEAD)
		return UINT64_MAX;
	if (v->health == POLICY_SELF ? n->leaving || n->settings.node_gatekeeper
				     : v->node->state & (POLICY_BLOCK | POLICY_LEAVING))
		return UINT64_MAX;
	return ((uint64_t)v->expected_milli + 1000 + sent_to(n, v->node->name, now)->count * 1000) * 1000000 / power;
}

/* The least loaded of some nodes, NULL: of all; "" when none of them is up and takes guests. */
static void place_among(struct node *n, const json_t *names, char ret[static NODE_NAME_MAX + 1])
{
	uint64_t now = clock_mono_ns(), least = UINT64_MAX, cost;
	struct policy_node_view v;
	unsigned cursor = 0;
	size_t i = 0;

	ret[0] = '\0';
	while (names ? i < json_array_size(names) : policy_node_next(n->policy, &cursor, &v)) {
		if (names && !policy_node_find(n->policy, json_string_value(json_array_get(names, i++)), &v))
			continue;
		cost = place_cost(n, &v, now);
		if (cost < least) {
			least = cost;
			(void)snprintf(ret, NODE_NAME_MAX + 1, "%s", v.node->name);
		}
	}
	if (*ret)
		sent_to(n, ret, now)->count++;
}

void method_place(struct request *req)
{
	struct node *n = req->data;
	struct policy_event ev = {.type = POLICY_EV_PLACE, .now_ns = clock_mono_ns()};
	const json_t *names = json_object_get(req->params, "nodes");
	char to[NODE_NAME_MAX + 1] = "";
	struct policy_verdict v = {0};
	struct policy_node_view view;
	const char *name;
	size_t i;

	if (json_is_array(names) && json_array_size(names)) {
		for (i = 0; i < json_array_size(names); i++) {
			name = json_string_value(json_array_get(names, i));
			if (!name || !config_name_ok(name) || i == ARRAY_SIZE(n->exec.sent)) {
				req_invalid(req, "nodes");
				return;
			}
			if (!policy_node_find(n->policy, name, &view)) {
				req_refuse(req, REASON_NO_SUCH_NODE, "no node named %s is known", name);
				return;
			}
		}
		place_among(n, names, to);
	} else if (names && !json_is_null(names)) {
		req_invalid(req, "nodes");
		return;
	} else if (n->settings.node_gatekeeper) {
		place_among(n, NULL, to); /* the policy's own choice may be this node */
	} else {
		ev.place.bytes = NODE_BEGUN_BYTES;
		(void)policy_event(n, &ev, &v);
		(void)snprintf(to, sizeof(to), "%s", v.to);
	}
	if (*to)
		req_reply(req, json_pack("{s:s, s:b}", "node", to, "self", !strcmp(to, n->name)));
	else
		req_refuse(req, REASON_NO_BETTER, "no node can take a command now");
}
