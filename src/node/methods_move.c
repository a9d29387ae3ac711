/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Methods that move a process or look into one: Migrate, Why, Trace.
 * Promise: a client that goes away stops nothing but its own answer. Must not: know the steps of a move.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "json.h"
#include "methods.h"
#include "node.h"
#include "syscalls/syscalls.h"

#define WHY_MAX 64 /* reasons of the policy that are shown */
#define CALLS_MAX 32 /* calls that are shown */

/* ---- Migrate ------------------------------------------------------------------------------------------------ */

struct migrate {
	struct request *req; /* NULL: its client has gone */
	struct move *move;
	pid_t pid;
	char comm[16];
	char from[NODE_NAME_MAX + 1];
	bool dry_run;
};

static void migrate_gone(struct request *req, void *arg)
{
	struct migrate *m = arg;

	m->req = NULL;
	req_reply(req, NULL); /* frees it */
}

/* The refusals of a dry run, and its error when that stands for itself. A new reference. */
static json_t *refusals_of(const struct move_result *r)
{
	json_t *list = r->refusals ? json_copy(r->refusals) : json_array();

	if (r->err.code && !json_array_size(list))
		(void)json_array_append_new(list,
					    json_refusal(r->err.reason ? r->err.reason : REASON_INTERNAL, r->err.text));
	return list;
}

static void migrate_done(struct node *n, void *arg, const struct move_result *r)
{
	struct migrate *m = arg;

	if (!m->req) {
		free(m);
		return;
	}
	m->req->gone = NULL;
	if (r->err.code && !m->dry_run) {
		req_refuse_err(m->req, &r->err);
		free(m);
		return;
	}
	json_t *list = refusals_of(r);

	req_reply(m->req,
		  json_pack("{s:i, s:o, s:s, s:s, s:b, s:I, s:I, s:I, s:o}", "pid", m->pid, "comm", json_text(m->comm),
			    "from", m->from, "where", r->where[0] ? r->where : m->from, "possible",
			    json_array_size(list) == 0, "freeze_us", (json_int_t)r->freeze_us, "total_us",
			    (json_int_t)r->total_us, "bytes", (json_int_t)r->bytes, "refusals", list));
	free(m);
}

/* "best" becomes a node, "home" this one. -errno with e when no node is better. */
static int migrate_target(struct node *n, const struct tracked *t, const char *to, char ret[static NODE_NAME_MAX + 1],
			  struct err *e)
{
	const struct sample_proc *p = sampler_find(&n->sampler, t->pid);
	uint64_t bytes = t->host[0] && t->shepherd ? t->shepherd->rss : p ? p->rss : 0;

	if (!strcmp(to, "home"))
		to = n->name;
	(void)snprintf(ret, NODE_NAME_MAX + 1, "%s", to);
	if (strcmp(to, "best") != 0)
		return 0;
	if (!n->keys)
		return err_reason(e, REASON_NO_CLUSTER, -ENOTCONN, "this node belongs to no cluster");
	if (!policy_best(n->policy, tracked_place(n, t), p && p->load_milli > 100 ? p->load_milli : 1000, bytes, ret))
		return err_reason(e, REASON_NO_BETTER, -EALREADY, "no node is better for process %d than %s", t->pid,
				  tracked_place(n, t));
	return 0;
}

void method_migrate(struct request *req)
{
	struct node *n = req->data;
	char to[NODE_NAME_MAX + 1];
	const char *where = NULL;
	bool dry_run = false;
	struct err e = {0};
	struct migrate *m;
	struct tracked *t;
	int64_t pid;

	if (req_int(req, "pid", true, 1, INT32_MAX, &pid) < 0 ||
	    req_string(req, "to", true, NODE_NAME_MAX, &where) < 0 || req_bool(req, "dry_run", false, &dry_run) < 0)
		return;
	t = method_target(req, (pid_t)pid);
	if (!t)
		return;
	m = calloc(1, sizeof(*m));
	if (!m || migrate_target(n, t, where, to, &e) < 0) {
		free(m);
		req_refuse_err(req, &e);
		return;
	}
	*m = (struct migrate){.req = req, .pid = t->pid, .dry_run = dry_run};
	(void)snprintf(m->comm, sizeof(m->comm), "%s", t->comm);
	(void)snprintf(m->from, sizeof(m->from), "%s", tracked_place(n, t));
	req->gone = migrate_gone;
	req->gone_arg = m;
	if (!move_start(n, t, to, dry_run, MOVE_BY_HAND, migrate_done, m, &e)) {
		struct move_result r = {.err = e};

		migrate_done(n, m, &r);
	}
}

/* ---- Why ---------------------------------------------------------------------------------------------------- */

struct why {
	struct node *node;
	struct request *req;
	pid_t pid;
};

static void why_gone(struct request *req, void *arg)
{
	((struct why *)arg)->req = NULL;
	req_reply(req, NULL);
}

static int compare_count(const void *a, const void *b)
{
	const struct helper_count *x = a, *y = b;
	uint64_t vx = x->forwarded + 1000 * x->brought_home, vy = y->forwarded + 1000 * y->brought_home;

	return (vx < vy) - (vx > vy);
}

/* A trip home costs about a thousand times what a forwarded call does: that is the order. */
static json_t *calls_json(const struct helper *h)
{
	json_t *list = json_array();
	size_t i;

	if (!h)
		return list;
	if (h->n_counts > 1)
		qsort(h->counts, h->n_counts, sizeof(*h->counts), compare_count);
	for (i = 0; i < h->n_counts && i < CALLS_MAX; i++) {
		(void)json_array_append_new(list, json_pack("{s:s, s:I, s:I}", "call", sysc_name(h->counts[i].nr),
							    "forwarded", (json_int_t)h->counts[i].forwarded,
							    "brought_home", (json_int_t)h->counts[i].brought_home));
	}
	return list;
}

/* What the policy has against moving it by itself. */
static void why_policy(struct node *n, const struct tracked *t, json_t *list)
{
	struct policy_reason reasons[WHY_MAX];
	char text[ERR_TEXT_MAX], figures[ERR_TEXT_MAX - 80];
	struct policy_id id;
	int i, k;

	if (!t->family)
		(void)json_array_append_new(list, json_refusal(REASON_NOT_FAMILY, NULL));
	policy_process_id(n, t, &id);
	k = t->host[0] ? 0 : policy_why(n->policy, &id, reasons, WHY_MAX);
	for (i = 0; i < k && i < WHY_MAX; i++) {
		const struct policy_why_info *info = policy_why_info(reasons[i].why);

		if (!info || reasons[i].why == POLICY_WHY_CONFINED || reasons[i].why == POLICY_WHY_PINNED ||
		    reasons[i].why == POLICY_WHY_IO_BOUND)
			continue;
		policy_why_text(reasons[i].why, reasons[i].value, reasons[i].threshold, figures, sizeof(figures));
		(void)snprintf(text, sizeof(text), "%s%s%s", reasons[i].node, reasons[i].node[0] ? ": " : "", figures);
		(void)json_array_append_new(list, json_refusal(policy_reason_number(reasons[i].why), text));
	}
}

static void why_answer(struct node *n, struct request *req, struct tracked *t, json_t *reasons)
{
	bool movable = true;
	const json_t *one;
	size_t i;

	json_array_foreach(reasons, i, one) if (!strcmp(json_string_value(json_object_get(one, "kind")), "confine"))
	    movable = false;
	if (t->treat == TREAT_ALONE || t->treat == TREAT_IO)
		(void)json_array_append_new(reasons,
					    json_refusal(t->treat == TREAT_IO ? REASON_IO_BOUND : REASON_PINNED, NULL));
	if (!t->host[0] && owner_keeps(n, t->comm))
		(void)json_array_append_new(reasons, json_refusal(REASON_PROGRAM, NULL));
	why_policy(n, t, reasons);
	req_reply(req, json_pack("{s:i, s:o, s:s, s:s, s:s, s:b, s:o, s:s, s:o, s:o}", "pid", t->pid, "comm",
				 json_text(t->comm), "home", n->name, "node", tracked_place(n, t), "state",
				 t->move      ? "moving"
				 : t->host[0] ? "away"
					      : "home",
				 "movable", movable, "reasons", reasons, "last_home_reason",
				 reason_word(t->last_home_reason), "calls", calls_json(t->shepherd), "usage",
				 method_usage(n, t)));
}

/* A shepherd has looked at it: its refusals are the facts of the process. */
static void why_looked(struct node *n, void *arg, const struct move_result *r)
{
	struct why *w = arg;
	struct request *req = w->req;
	struct tracked *t = tracked_find(n, w->pid);

	free(w);
	if (!req)
		return;
	req->gone = NULL;
	if (!t) {
		req_refuse(req, REASON_NO_SUCH_PROCESS, "the process has ended");
		return;
	}
	why_answer(n, req, t, refusals_of(r));
}

/* A guest has the process id of its home, as in the list of processes. Of a process of this node with the same number
 * nobody speaks unless Godwit cares for it. True: req was answered. */
static bool why_guest(struct request *req, int64_t pid)
{
	struct node *n = req->data;
	const struct tracked *t = tracked_find(n, (pid_t)pid);
	const struct helper *h, *first = NULL;
	char text[ERR_TEXT_MAX];
	json_t *reasons;

	if (t && (t->family || t->shepherd || t->move || t->moves || t->treat != TREAT_AUTO))
		return false;
	reasons = json_array();
	for (h = n->helpers; h; h = h->next) {
		if (!h->greeted || h->kind != HELPER_AGENT || !h->arrived_ns || h->pid != pid)
			continue;
		first = first ? first : h;
		(void)snprintf(text, sizeof(text), "it is a guest of %s here: ask there, by godwit why %lld", h->home,
			       (long long)pid);
		(void)json_array_append_new(reasons, json_refusal(REASON_GUEST, text));
	}
	if (!first) {
		json_decref(reasons);
		return false;
	}
	req_reply(req, json_pack("{s:I, s:o, s:s, s:s, s:s, s:b, s:o, s:s, s:o, s:n}", "pid", (json_int_t)pid, "comm",
				 json_text(first->comm), "home", first->home, "node", n->name, "state", "guest",
				 "movable", 1, "reasons", reasons, "last_home_reason", reason_word(REASON_NONE),
				 "calls", json_array(), "usage"));
	return true;
}

void method_why(struct request *req)
{
	struct node *n = req->data;
	struct err e = {0};
	struct tracked *t;
	struct why *w;
	int64_t pid;

	if (req_int(req, "pid", true, 1, INT32_MAX, &pid) < 0 || why_guest(req, pid))
		return;
	t = tracked_get(n, (pid_t)pid, &e);
	if (!t) {
		req_refuse_err(req, &e);
		return;
	}
	w = t->host[0] || t->move || !launcher_there(n) || !req_may_kill(req, t->ruid, t->suid) ? NULL
												: calloc(1, sizeof(*w));
	if (w) {
		*w = (struct why){.node = n, .req = req, .pid = t->pid};
		req->gone = why_gone;
		req->gone_arg = w;
		/* A look at the process alone: to this node itself, which a dry run takes as "anywhere". */
		if (move_start(n, t, n->name, true, MOVE_BY_HAND, why_looked, w, &e))
			return;
		req->gone = NULL;
		free(w);
	}
	json_t *reasons = json_array();

	if (t->confined)
		(void)json_array_append_new(reasons, json_refusal(t->confined, NULL));
	why_answer(n, req, t, reasons);
}

/* ---- Trace -------------------------------------------------------------------------------------------------- */

void method_trace(struct request *req)
{
	struct err e = {0};
	struct tracked *t;
	int64_t pid;

	if (req_int(req, "pid", true, 1, INT32_MAX, &pid) < 0)
		return;
	t = method_target(req, (pid_t)pid);
	if (!t)
		return;
	if (!t->shepherd)
		req_refuse(req, REASON_ALREADY_THERE, "process %lld is at home, where it runs untouched",
			   (long long)pid);
	else if (helper_trace(t->shepherd, req, &e) < 0)
		req_refuse_err(req, &e);
}
