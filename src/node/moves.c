/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A move, seen from the process's home, whose daemon drives it wherever the process is now and goes.
 * Promise: a move ends exactly once, in time, with where the process is; one that fails before the shepherd was ordered
 * has changed nothing, and the target is told to forget it. Must not: touch the process; that is the shepherd's.
 *
 *   OFFER     PEER_OFFER is on its way; waits for PEER_ACCEPT or PEER_REFUSE     (to a host)
 *   LAUNCH    the launcher starts a shepherd; waits for its HELPER_HELLO         (unless there is one)
 *   ORDERED   HELPER_MOVE is given; waits for HELPER_MOVED, which is the truth about where the process is
 *   DONE      the requester has been told
 *
 * A shepherd that was ordered is not cancelled: it has the deadline itself, and ours is longer. Only when it does not
 * answer even then is the move called failed, and the process stays marked as moving until the shepherd speaks or is
 * lost.
 */
#include <assert.h>
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "json.h"
#include "node.h"

#define OFFER_NS (8 * NSEC_PER_SEC) /* an agent is started meanwhile */
#define LAUNCH_NS (5 * NSEC_PER_SEC)
#define ORDER_MS 30000 /* the shepherd's own deadline */
#define ORDERED_NS ((ORDER_MS + 5000) * NSEC_PER_MSEC)

enum move_state { MOVE_OFFER, MOVE_LAUNCH, MOVE_ORDERED, MOVE_DONE, MOVE__MAX };

static const char *const state_names[] = {"offer", "launch", "ordered", "done"};

static_assert(ARRAY_SIZE(state_names) == MOVE__MAX, "each state has a name");

/* How long a move may stay in each state. */
static const uint64_t state_ns[] = {OFFER_NS, LAUNCH_NS, ORDERED_NS, 0};

static_assert(ARRAY_SIZE(state_ns) == MOVE__MAX, "each state has a deadline");

struct move {
	struct move *next;
	struct node *node;
	struct tracked *t; /* NULL: the process has ended */
	pid_t pid;
	uint64_t start_time;
	char comm[16];
	uint64_t mig;
	enum move_state state;
	char from[NODE_NAME_MAX + 1], to[NODE_NAME_MAX + 1]; /* node names */
	bool home; /* `to` is this node */
	bool look; /* dry run without a target */
	bool dry_run;
	enum move_cause cause;
	bool counted; /* the policy was told, and is to be told of the end */
	bool settled; /* the target keeps nothing for this move, or may be building: it is not told to forget it */
	uint64_t link_id;
	uint8_t psk[64];
	size_t psk_len;
	struct launch *launch;
	struct loop_watch *deadline;
	json_t *refusals; /* dry run */
	move_fn fn;
	void *arg;
	struct err *at_once; /* while move_start() runs: a failure goes there, and to nobody else */
	bool *ended_at_once;
};

const char *move_state_name(unsigned state)
{
	return state < MOVE__MAX ? state_names[state] : "?";
}

static struct move *find(const struct node *n, uint64_t mig)
{
	struct move *m;

	for (m = n->moves; m && m->mig != mig; m = m->next)
		;
	return m;
}

static void move_free(struct move *m)
{
	struct move **p;

	for (p = &m->node->moves; *p != m; p = &(*p)->next)
		;
	*p = m->next;
	if (m->t && m->t->move == m)
		m->t->move = NULL;
	launch_forget(m->launch);
	loop_remove(m->deadline);
	json_decref(m->refusals);
	explicit_bzero(m->psk, sizeof(m->psk));
	free(m);
}

/* Notes where the process is, whoever said so. */
void moves_place(struct tracked *t, struct wire_bytes host)
{
	char name[NODE_NAME_MAX + 1];

	wire_str_copy(name, sizeof(name), host);
	if (!strcmp(name, t->node->name))
		name[0] = '\0';
	if (!strcmp(t->host, name))
		return;
	(void)snprintf(t->host, sizeof(t->host), "%s", name);
	t->arrived_ns = clock_mono_ns();
	t->node->families_dirty = true;
}

static void log_move(const struct move *m, const struct move_result *r)
{
	if (m->dry_run)
		return;
	if (!r->err.code)
		log_info("moved %d (%s) %s -> %s: freeze %.1f ms, total %.0f ms, %.1f MB", m->pid, m->comm, m->from,
			 r->where, (double)r->freeze_us / 1000, (double)r->total_us / 1000, (double)r->bytes / 1e6);
	else
		log_info("not moved %d (%s) %s -> %s: %s (%s, in step %s)", m->pid, m->comm, m->from, m->to,
			 r->err.text, reason_word(r->err.reason), state_names[m->state]);
}

static void cancel_offer(struct move *m)
{
	struct wire_peer_cancel c = {.mig = m->mig};
	struct peer *p = peer_find(m->node, m->to);

	if (!p || m->home || m->look || fault_point(FAULT_MOVE_CANCEL) < 0)
		return; /* a target that hears nothing drops the agent at its own deadline */
	(void)!peer_send(p, NODE_FRAME(m->node, peer_cancel, &c), NULL);
}

/* ---- what the policy has to know ------------------------------------------------------------------------------ */

/* CPU that the process wants where it is, in thousandths; 0: not known. */
static uint32_t demand(const struct node *n, const struct tracked *t)
{
	const struct sample_proc *s = t->host[0] ? NULL : sampler_find(&n->sampler, t->pid);

	return s ? s->load_milli : 0;
}

static uint64_t resident(const struct node *n, const struct tracked *t)
{
	struct proc_stat st;

	if (t->host[0])
		return t->shepherd ? t->shepherd->rss : 0;
	/* Not the last sample: a program may have grown since, and the target must know. */
	return proc_read_stat(t->pid, &st) == 0 && st.rss_pages > 0
		   ? (uint64_t)st.rss_pages * (uint64_t)n->sampler.page_size
		   : 0;
}

/* A process that comes home is expected here, as any guest that was admitted; one that is sent away by hand is expected
 * there. What the policy itself has ordered, it knows. */
static void count_begin(struct move *m)
{
	struct policy_event ev = {.now_ns = clock_mono_ns()};

	if (m->dry_run || (m->cause != MOVE_BY_HAND && !m->home))
		return;
	if (m->home) {
		ev.type = POLICY_EV_GUEST_OFFER;
		ev.offer.mig = m->mig;
		(void)snprintf(ev.offer.from, sizeof(ev.offer.from), "%s", m->from);
		ev.offer.bytes = resident(m->node, m->t);
		ev.offer.features_ok = ev.offer.returning = true;
	} else {
		ev.type = POLICY_EV_MOVE_STARTED;
		policy_process_id(m->node, m->t, &ev.move.id);
		(void)snprintf(ev.move.to, sizeof(ev.move.to), "%s", m->to);
	}
	m->counted = policy_event(m->node, &ev, NULL) == 0;
}

static void count_end(struct move *m, bool ok, bool target_fault, unsigned reason)
{
	struct policy_event ev = {.now_ns = clock_mono_ns()};

	if (!m->counted)
		return;
	m->counted = false;
	if (m->home) {
		ev.type = POLICY_EV_GUEST_DONE;
		ev.guest.mig = m->mig;
		ev.guest.ok = ok;
	} else {
		ev.type = POLICY_EV_MOVE_DONE;
		ev.move.id = (struct policy_id){.pid = m->pid, .start_time = m->start_time};
		(void)snprintf(ev.move.to, sizeof(ev.move.to), "%s", m->to);
		ev.move.ok = ok;
		ev.move.target_fault = target_fault;
		ev.move.reason = reason;
	}
	(void)policy_event(m->node, &ev, NULL);
}

/* ---- the end -------------------------------------------------------------------------------------------------- */

/* Ends the move and tells the requester. r->where is filled in here. */
static void finish(struct move *m, struct move_result *r)
{
	struct node *n = m->node;
	move_fn fn = m->fn;
	void *arg = m->arg;

	if (r->err.code && !r->err.reason)
		r->err.reason = REASON_INTERNAL;
	if (!r->where[0])
		(void)snprintf(r->where, sizeof(r->where), "%s", m->t ? tracked_place(n, m->t) : m->from);
	r->refusals = m->refusals ? json_incref(m->refusals) : NULL;
	log_move(m, r);
	count_end(m, !r->err.code, r->target_fault, r->err.reason);
	if (r->err.code && !m->settled && !m->dry_run)
		cancel_offer(m);
	if (!m->dry_run) {
		n->n_moves += !r->err.code;
		n->n_failed_moves += !!r->err.code;
		if (m->t && !r->err.code)
			m->t->moves++;
	}
	if (m->at_once) {
		*m->at_once = r->err;
		*m->ended_at_once = true;
	}
	move_free(m);
	if (fn)
		fn(n, arg, r);
	json_decref(r->refusals);
}

static void fail(struct move *m, bool target_fault, const struct err *e)
{
	struct move_result r = {.err = *e, .target_fault = target_fault};

	finish(m, &r);
}

static void note_refusal(struct move *m, unsigned reason, const char *sentence)
{
	if (!m->refusals)
		m->refusals = json_array();
	(void)json_array_append_new(m->refusals, json_refusal(reason, sentence));
}

static void late(void *arg)
{
	struct move *m = arg;
	struct err e = {0};

	m->deadline = NULL;
	m->settled = m->state == MOVE_ORDERED; /* what the shepherd has come to is not known */
	(void)err_reason(&e, REASON_TIMEOUT, -ETIMEDOUT, "%s did not answer in time (step %s)",
			 m->state == MOVE_OFFER    ? m->to
			 : m->state == MOVE_LAUNCH ? "the launcher"
						   : "the shepherd",
			 state_names[m->state]);
	fail(m, m->state == MOVE_OFFER, &e);
}

static void enter(struct move *m, enum move_state state)
{
	m->state = state;
	loop_remove(m->deadline);
	m->deadline = loop_add_timer(m->node->loop, clock_mono_ns() + state_ns[state], late, m);
}

/* ---- ORDERED -------------------------------------------------------------------------------------------------- */

static void order(struct move *m)
{
	struct node *n = m->node;
	const struct peer *p = m->home || m->look ? NULL : peer_find(n, m->to);
	struct wire_helper_move o = {.mig = m->mig,
				     .home = wire_str(n->name),
				     .host = wire_str(p ? m->to : ""),
				     .address = wire_str(p ? p->address : ""),
				     .port = p ? p->port : 0,
				     .link_id = m->link_id,
				     .psk = {m->psk, m->psk_len},
				     .deadline_ms = ORDER_MS,
				     .dry_run = m->dry_run,
				     .cpu_us = m->t->away_cpu_us,
				     .cpu_sys_us = m->t->away_cpu_sys_us};
	struct err e = {0};
	int r;

	enter(m, MOVE_ORDERED);
	r = fault_point(FAULT_SHEPHERD_ORDER);
	if (r == 0)
		r = helper_send(m->t->shepherd, NODE_FRAME(n, helper_move, &o), -1);
	if (r == 0 && fault_point(FAULT_SHEPHERD_ORDERED) < 0)
		return; /* as if its answer were lost: the deadline ends it */
	if (r == 0)
		return;
	(void)err_reason(&e, r == -EIO ? REASON_FAULT : REASON_INTERNAL, r, "the shepherd of process %d takes no order",
			 m->pid);
	fail(m, false, &e);
}

static bool fail_moved(struct move *m, const struct wire_helper_moved *w, struct move_result *r)
{
	if (!w->error)
		return false;
	(void)err_reason(&r->err, w->reason ? w->reason : REASON_INTERNAL, w->error < 0 ? (int)w->error : -EIO,
			 "it failed");
	if (w->sentence.len)
		wire_str_copy(r->err.text, sizeof(r->err.text), w->sentence);
	r->target_fault = reason_kind(r->err.reason) == REASON_KIND_node || r->err.reason == REASON_LINK_LOST;
	return true;
}

void moves_helper_moved(struct helper *h, const struct wire_helper_moved *w)
{
	struct node *n = h->node;
	struct tracked *t = tracked_find(n, (pid_t)h->pid);
	struct move *m = find(n, w->mig);
	struct move_result r = {.freeze_us = w->freeze_us, .total_us = w->total_us, .bytes = w->bytes};
	struct wire_list list = w->refusals;
	struct wire_refusal one;
	char sentence[ERR_TEXT_MAX];

	if (fault_point(FAULT_MOVED_REPORTED) < 0)
		return;
	if (t && t->shepherd == h && !(m && m->dry_run))
		moves_place(t, w->host); /* also when nobody waits for it any more */
	if (!m || m->state != MOVE_ORDERED || m->t != t)
		return;
	if (m->dry_run) {
		while (wire_refusal_next(&list, &one)) {
			wire_str_copy(sentence, sizeof(sentence), one.sentence);
			note_refusal(m, one.reason, sentence);
		}
	}
	/* A dry run's error only repeats its refusals. */
	if (fail_moved(m, w, &r) && m->dry_run && m->refusals)
		r.err.code = 0;
	if (m->dry_run)
		(void)snprintf(r.where, sizeof(r.where), "%s", m->to);
	m->state = r.err.code ? MOVE_ORDERED : MOVE_DONE;
	finish(m, &r);
}

/* ---- LAUNCH --------------------------------------------------------------------------------------------------- */

static void launched(struct node *n, void *arg, pid_t pid, const struct err *e)
{
	struct move *m = arg;

	m->launch = NULL;
	if (e->code)
		fail(m, false, e);
	/* else its HELPER_HELLO goes on, or has done so */
}

/* The shepherd is ordered, or first started. */
static void shepherd(struct move *m)
{
	struct err e = {0};

	if (m->t->shepherd) {
		order(m);
		return;
	}
	enter(m, MOVE_LAUNCH);
	if (fault_point(FAULT_SHEPHERD_LAUNCH) < 0)
		(void)err_reason(&e, REASON_FAULT, -EIO, "fault point shepherd-launch");
	else
		m->launch = launch_shepherd(m->node, m->pid, launched, m, &e);
	if (!m->launch)
		fail(m, false, &e);
}

void moves_helper_hello(struct helper *h)
{
	struct tracked *t = tracked_find(h->node, (pid_t)h->pid);

	if (t && t->move && t->move->state == MOVE_LAUNCH)
		order(t->move);
}

/* ---- OFFER ---------------------------------------------------------------------------------------------------- */

void moves_accept(struct node *n, struct peer *p, const struct wire_peer_accept *a)
{
	struct move *m = find(n, a->mig);
	struct wire_peer_cancel c = {.mig = a->mig};

	if (fault_point(FAULT_ACCEPT_RECEIVED) < 0)
		return;
	if (!m || m->state != MOVE_OFFER || strcmp(m->to, p->name) != 0) {
		(void)!peer_send(p, NODE_FRAME(n, peer_cancel, &c), NULL); /* too late: nobody will come */
		return;
	}
	if (a->psk.len > sizeof(m->psk) || (!m->dry_run && a->psk.len < LINK_PSK_MIN)) {
		struct err e = {0};

		(void)err_reason(&e, REASON_PROTOCOL, -EPROTO, "%s accepted without a key", m->to);
		fail(m, true, &e);
		return;
	}
	m->link_id = a->link_id;
	m->psk_len = a->psk.len;
	if (a->psk.len)
		memcpy(m->psk, a->psk.data, a->psk.len);
	shepherd(m);
}

void moves_refuse(struct node *n, struct peer *p, const struct wire_peer_refuse *w)
{
	struct move *m = find(n, w->mig);
	struct err e = {0};

	if (!m || m->state != MOVE_OFFER || strcmp(m->to, p->name) != 0)
		return;
	(void)err_reason(&e, w->reason ? w->reason : REASON_INTERNAL, -ECONNREFUSED, "%s refuses it", m->to);
	if (w->sentence.len)
		wire_str_copy(e.text, sizeof(e.text), w->sentence);
	if (m->dry_run) { /* what the process itself has against it is wanted too */
		note_refusal(m, e.reason, e.text);
		m->look = true;
		shepherd(m);
		return;
	}
	m->settled = true;
	fail(m, true, &e);
}

static int send_offer(struct move *m, struct peer *p, struct err *e)
{
	struct node *n = m->node;
	uint64_t rss = resident(n, m->t);
	const struct passwd *pw = getpwuid(m->t->ruid);
	uint8_t cpu[CPU_FEATURES_MAX];
	struct wire_peer_offer o = {.mig = m->mig,
				    .home = wire_str(n->name),
				    .pid = m->pid,
				    .uid = m->t->ruid,
				    .user = wire_str(pw ? pw->pw_name : ""),
				    .comm = wire_str(m->comm),
				    .bytes = rss,
				    .rss = rss,
				    .cpu_features = {cpu, cpu_features(cpu, sizeof(cpu))},
				    .dry_run = m->dry_run,
				    .automatic = m->cause == MOVE_BALANCE || m->cause == MOVE_PLACED,
				    .demand_milli = demand(n, m->t),
				    .from = wire_str(m->from),
				    .from_load_milli = m->t->host[0] ? 0 : policy_self(n->policy)->export_milli,
				    .home_mono_ns = clock_mono_ns()};

	if (fault_point(FAULT_OFFER_SEND) < 0)
		return err_reason(e, REASON_FAULT, -EIO, "fault point offer-send");
	if (peer_send(p, NODE_FRAME(n, peer_offer, &o), e) < 0)
		return e->code;
	return fault_point(FAULT_OFFER_SENT) < 0 ? err_reason(e, REASON_FAULT, -EIO, "fault point offer-sent") : 0;
}

void moves_peer_lost(struct node *n, struct peer *p, const struct err *e)
{
	struct move *m, *next;
	struct err why = *e;

	if (!why.reason)
		why.reason = REASON_NODE_UNREACHABLE;
	for (m = n->moves; m; m = next) {
		next = m->next;
		if (m->state == MOVE_OFFER && !strcmp(m->to, p->name)) {
			fail(m, true, &why);
			next = n->moves; /* the requester may have ended others */
		}
	}
}

/* ---- from outside --------------------------------------------------------------------------------------------- */

/* What can be said before anything is done. */
static int refuse_at_once(struct node *n, const struct tracked *t, const char *to, bool look, bool dry_run,
			  struct err *e)
{
	const struct sample_proc *s = sampler_find(&n->sampler, t->pid);
	struct policy_node_view v;

	if (t->pid == 1 || (s && s->godwit))
		return err_reason(e, REASON_INIT, -EPERM, "process %d is init or a part of Godwit", t->pid);
	if (s && s->kernel)
		return err_reason(e, REASON_KERNEL_THREAD, -EPERM, "process %d is a kernel thread", t->pid);
	if (t->move)
		return err_reason(e, REASON_BUSY, -EBUSY, "process %d is being moved", t->pid);
	if (look && dry_run)
		return 0;
	if (!strcmp(tracked_place(n, t), to))
		return err_reason(e, REASON_ALREADY_THERE, -EALREADY, "process %d is on %s already", t->pid, to);
	if (!strcmp(to, n->name))
		return t->shepherd ? 0 : err_reason(e, REASON_INTERNAL, -ESRCH, "process %d has no shepherd", t->pid);
	if (!n->keys)
		return err_reason(e, REASON_NO_CLUSTER, -ENOTCONN, "this node belongs to no cluster");
	if (policy_node_find(n->policy, to, &v) ? v.left : !peer_find(n, to))
		return err_reason(e, REASON_NO_SUCH_NODE, -ENOENT, "no node named %s is known", to);
	if (n->leaving)
		return err_reason(e, REASON_LEAVING, -EBUSY, "this node leaves the cluster");
	return 0;
}

/* The connection to the target, known by gossip at least. */
static struct peer *target(struct node *n, const char *to, struct err *e)
{
	struct policy_node_view v;
	struct peer *p = policy_node_find(n->policy, to, &v) ? peer_get(n, to, v.node->address, v.node->port)
							     : peer_find(n, to);

	if (!p)
		(void)err_set(e, -ENOMEM, "out of memory");
	else if (p->trouble == PEER_VERSION || p->trouble == PEER_KEY)
		(void)err_reason(e, p->trouble == PEER_VERSION ? REASON_NODE_VERSION : REASON_NODE_KEY, -EPROTO, "%s",
				 p->sentence);
	else
		return p;
	return NULL;
}

struct move *move_start(struct node *n, struct tracked *t, const char *to, bool dry_run, enum move_cause cause,
			move_fn fn, void *arg, struct err *e)
{
	bool home = !*to || !strcmp(to, n->name), look = dry_run && home && !t->host[0];
	struct err why = {0}, unused;
	struct peer *p = NULL;
	bool ended = false;
	struct move *m;

	e = e ? e : &unused;
	to = home ? n->name : to;
	if (refuse_at_once(n, t, to, look, dry_run, e) < 0)
		return NULL;
	if (!home) {
		p = target(n, to, e);
		if (!p)
			return NULL;
		/* A person's order does not wait for the pause after a failed connection: the node may be back. */
		if (cause == MOVE_BY_HAND)
			p->not_before_ns = 0;
	}
	m = calloc(1, sizeof(*m));
	if (!m) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	*m = (struct move){.next = n->moves,
			   .node = n,
			   .t = t,
			   .pid = t->pid,
			   .start_time = t->start_time,
			   .mig = random_id(),
			   .home = home,
			   .look = look,
			   .dry_run = dry_run,
			   .cause = cause};
	(void)snprintf(m->comm, sizeof(m->comm), "%s", t->comm);
	(void)snprintf(m->from, sizeof(m->from), "%s", tracked_place(n, t));
	(void)snprintf(m->to, sizeof(m->to), "%s", to);
	n->moves = m;
	t->move = m;
	m->at_once = e;
	m->ended_at_once = &ended;
	count_begin(m);
	if (!p) {
		shepherd(m);
	} else {
		enter(m, MOVE_OFFER);
		if (send_offer(m, p, &why) < 0)
			fail(m, true, &why);
	}
	if (ended)
		return NULL;
	m->at_once = NULL;
	m->fn = fn;
	m->arg = arg;
	return m;
}

void move_forget(struct move *m)
{
	m->fn = NULL;
}

void moves_helper_lost(struct helper *h)
{
	struct tracked *t = tracked_find(h->node, (pid_t)h->pid);
	struct err e = {0};
	bool away;

	if (!t || t->shepherd != h)
		return;
	away = t->host[0] && !h->let_go;
	t->shepherd = NULL;
	moves_place(t, wire_str(""));
	if (!t->move || t->move->state != MOVE_ORDERED)
		return;
	/* The kernel ends the deputy with its tracer. */
	(void)err_reason(&e, away ? REASON_LINK_LOST : REASON_INTERNAL, -ECONNRESET,
			 "the shepherd of process %d has ended%s", t->pid, away ? ", and the process with it" : "");
	fail(t->move, false, &e);
}

void moves_process_gone(struct tracked *t)
{
	struct move *m = t->move;
	struct err e = {0};

	if (!m)
		return;
	m->t = NULL;
	t->move = NULL;
	(void)err_reason(&e, REASON_NO_SUCH_PROCESS, -ESRCH, "process %d has ended", t->pid);
	fail(m, false, &e);
}

void moves_free(struct node *n)
{
	while (n->moves) {
		count_end(n->moves, false, false, REASON_NONE);
		move_free(n->moves);
	}
}
