/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A move, seen from the host: from the home's PEER_OFFER until the guest runs.
 * Promise: an offer ends with a guest that runs or with an agent that has been ended, in time, whatever the home does.
 * Must not: take a guest that the policy or the CPU objects to.
 *
 *   LAUNCH    the launcher starts an agent; waits for its HELPER_HELLO
 *   PREPARE   HELPER_GUEST is given; waits for HELPER_PREPARED
 *   LINK      PEER_ACCEPT is sent; waits for the connection of the shepherd
 *   BUILD     the link was passed; waits for the agent to say that its guest runs
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"
#include "node.h"

#define OFFERS_MAX 64

enum offer_state { OFFER_LAUNCH, OFFER_PREPARE, OFFER_LINK, OFFER_BUILD, OFFER__MAX };

static const char *const state_names[] = {"launch", "prepare", "link", "build"};
static const uint64_t state_ns[] = {4 * NSEC_PER_SEC, 4 * NSEC_PER_SEC, 15 * NSEC_PER_SEC, 60 * NSEC_PER_SEC};

static_assert(ARRAY_SIZE(state_names) == OFFER__MAX && ARRAY_SIZE(state_ns) == OFFER__MAX,
	      "each state has a name and a deadline");

struct offer {
	struct offer *next;
	struct node *node;
	uint64_t mig, link_id;
	enum offer_state state;
	char home[NODE_NAME_MAX + 1], user[65], comm[65];
	int64_t pid;
	uint64_t bytes;
	int64_t mono_ahead_ns; /* home's clock, of ours; the offer's way makes it seem less */
	uint8_t psk[LINK_PSK_SIZE];
	pid_t agent; /* process id, 0: not known yet */
	struct launch *launch;
	struct loop_watch *deadline;
};

static struct offer *find(const struct node *n, uint64_t mig)
{
	struct offer *o;

	for (o = n->offers; o && o->mig != mig; o = o->next)
		;
	return o;
}

static void guest_done(struct node *n, uint64_t mig, bool ok)
{
	struct policy_event ev = {.type = POLICY_EV_GUEST_DONE, .now_ns = clock_mono_ns()};

	ev.guest.mig = mig;
	ev.guest.ok = ok;
	(void)policy_event(n, &ev, NULL);
}

static void offer_free(struct offer *o)
{
	struct offer **p;

	for (p = &o->node->offers; *p != o; p = &(*p)->next)
		;
	*p = o->next;
	launch_forget(o->launch);
	loop_remove(o->deadline);
	explicit_bzero(o->psk, sizeof(o->psk));
	free(o);
}

static void refuse(struct node *n, const char *home, uint64_t mig, unsigned reason, const char *sentence)
{
	struct wire_peer_refuse w = {.mig = mig, .reason = reason, .sentence = wire_str(sentence)};
	struct peer *p = peer_find(n, home);

	if (p)
		(void)!peer_send(p, NODE_FRAME(n, peer_refuse, &w), NULL);
}

/* Gives the offer up: the home is told while it still waits for an answer, and the agent is ended. */
static void drop(struct offer *o, unsigned reason, const char *sentence)
{
	struct node *n = o->node;

	log_info("%s: process %lld (%s) does not come: %s (in step %s)", o->home, (long long)o->pid, o->comm, sentence,
		 state_names[o->state]);
	if (o->state < OFFER_LINK)
		refuse(n, o->home, o->mig, reason, sentence);
	if (o->agent)
		launch_kill(n, o->agent);
	guest_done(n, o->mig, false);
	offer_free(o);
}

static void late(void *arg)
{
	struct offer *o = arg;

	o->deadline = NULL;
	drop(o, REASON_TIMEOUT, "a step took too long");
}

static void enter(struct offer *o, enum offer_state state)
{
	o->state = state;
	loop_remove(o->deadline);
	o->deadline = loop_add_timer(o->node->loop, clock_mono_ns() + state_ns[state], late, o);
}

/* ---- steps ---------------------------------------------------------------------------------------------------- */

static void order_agent(struct offer *o, struct helper *h)
{
	struct node *n = o->node;
	struct wire_helper_guest g = {.mig = o->mig,
				      .link_id = o->link_id,
				      .psk = {o->psk, sizeof(o->psk)},
				      .home = wire_str(o->home),
				      .host = wire_str(n->name),
				      .pid = o->pid,
				      .bytes = o->bytes,
				      .user = wire_str(o->user),
				      .comm = wire_str(o->comm),
				      .mono_ahead_ns = o->mono_ahead_ns};

	o->agent = h->os_pid;
	if (fault_point(FAULT_AGENT_SPAWNED) < 0) {
		drop(o, REASON_FAULT, "fault point agent-spawned");
		return;
	}
	/* Until the agent has its guest it says little of it; the tables show what the offer said. */
	(void)snprintf(h->home, sizeof(h->home), "%s", o->home);
	(void)snprintf(h->comm, sizeof(h->comm), "%.15s", o->comm);
	(void)snprintf(h->user, sizeof(h->user), "%s", o->user);
	h->pid = o->pid;
	enter(o, OFFER_PREPARE);
	if (helper_send(h, NODE_FRAME(n, helper_guest, &g), -1) < 0)
		drop(o, REASON_INTERNAL, "the agent takes no order");
	else if (fault_point(FAULT_AGENT_ORDERED) < 0)
		drop(o, REASON_FAULT, "fault point agent-ordered");
}

void offers_helper_hello(struct helper *h)
{
	struct offer *o = find(h->node, h->mig);

	room_agent(h);
	if (o && o->state == OFFER_LAUNCH)
		order_agent(o, h);
	else if (!o && h->state == HELPER_PREPARING)
		launch_kill(h->node, h->os_pid); /* its offer was given back, or belonged to the daemon before us */
}

static void launched(struct node *n, void *arg, pid_t pid, const struct err *e)
{
	struct offer *o = arg;

	o->launch = NULL;
	if (e->code)
		drop(o, e->reason, e->text);
	else
		o->agent = pid;
}

static void accept_offer(struct node *n, const char *home, uint64_t mig, uint64_t link_id, const uint8_t *psk,
			 size_t psk_len)
{
	struct wire_peer_accept a = {.mig = mig, .link_id = link_id, .psk = {psk, psk_len}};
	struct peer *p = peer_find(n, home);

	if (p)
		(void)!peer_send(p, NODE_FRAME(n, peer_accept, &a), NULL);
}

void offers_helper_prepared(struct helper *h, const struct wire_helper_prepared *w)
{
	struct offer *o = find(h->node, w->mig);
	char sentence[ERR_TEXT_MAX];

	if (!o || o->state != OFFER_PREPARE || o->agent != h->os_pid)
		return;
	if (w->error) {
		wire_str_copy(sentence, sizeof(sentence), w->sentence);
		drop(o, w->reason ? w->reason : REASON_INTERNAL, sentence);
		return;
	}
	if (fault_point(FAULT_AGENT_PREPARED) < 0) {
		drop(o, REASON_FAULT, "fault point agent-prepared");
		return;
	}
	enter(o, OFFER_LINK);
	accept_offer(o->node, o->home, o->mig, o->link_id, o->psk, sizeof(o->psk));
	if (fault_point(FAULT_ACCEPT_SENT) < 0)
		drop(o, REASON_FAULT, "fault point accept-sent");
}

void offers_link(struct node *n, int fd, uint64_t link_id)
{
	struct wire_helper_link w = {.link_id = link_id};
	struct helper *h = NULL;
	struct offer *o;

	for (o = n->offers; o && !(o->state == OFFER_LINK && o->link_id == link_id); o = o->next)
		;
	if (o)
		h = helper_find_pid(n, HELPER_AGENT, o->agent);
	if (h && fault_point(FAULT_LINK_PASS) < 0)
		h = NULL;
	if (h && helper_send(h, NODE_FRAME(n, helper_link, &w), fd) == 0)
		enter(o, OFFER_BUILD);
	else if (!o && (h = helper_find_forked(n, link_id)) && helper_send(h, NODE_FRAME(n, helper_link, &w), fd) == 0)
		h->forked = false;
	else
		log_debug("a link came that nobody waits for");
	(void)close(fd);
}

void offers_helper_status(struct helper *h)
{
	struct offer *o = find(h->node, h->mig);
	bool first = !h->arrived_ns;

	if (h->state != HELPER_AWAY)
		return;
	if (first) {
		h->arrived_ns = clock_mono_ns();
		log_info("guest %lld (%s) of %s has come", (long long)h->pid, h->comm, h->home);
	}
	if (o) {
		guest_done(h->node, o->mig, true);
		offer_free(o);
	}
}

void offers_helper_lost(struct helper *h)
{
	struct offer *o = find(h->node, h->mig);

	if (!o || o->agent != h->os_pid)
		return;
	o->agent = 0;
	drop(o, REASON_INTERNAL, "the agent has ended");
}

/* ---- the home's messages --------------------------------------------------------------------------------------- */

/* What this node has against the guest: 0, or -errno with e. */
static int admit(struct node *n, const struct peer *p, const struct wire_peer_offer *w, struct err *e)
{
	struct policy_event ev = {.type = POLICY_EV_GUEST_OFFER, .now_ns = clock_mono_ns()};
	struct policy_verdict v = {0};
	uint8_t cpu[CPU_FEATURES_MAX];
	size_t k = cpu_features(cpu, sizeof(cpu));
	char text[ERR_TEXT_MAX], home[NODE_NAME_MAX + 1], user[65];

	wire_str_copy(home, sizeof(home), w->home);
	wire_str_copy(user, sizeof(user), w->user);
	if (fault_point(FAULT_OFFER_CPU) < 0)
		memset(cpu + 4, 0, k > 4 ? k - 4 : 0); /* a machine with nothing but the first x86-64 */
	if (n->leaving)
		return err_reason(e, REASON_LEAVING, -EBUSY, "%s leaves the cluster", n->name);
	if (owner_admits(n, home, user, e) < 0)
		return e->code;
	if (!launcher_there(n))
		return err_reason(e, REASON_INTERNAL, -ENOTCONN, "the launcher of %s does not answer", n->name);
	if (offers_count(n) >= OFFERS_MAX)
		return err_reason(e, REASON_BUSY, -EBUSY, "too many guests are on their way to %s", n->name);
	ev.offer.mig = w->mig;
	wire_str_copy(ev.offer.from, sizeof(ev.offer.from), w->from);
	ev.offer.from_load_milli = w->from_load_milli;
	ev.offer.bytes = room_needed(n, w->bytes);
	ev.offer.demand_milli = w->demand_milli;
	ev.offer.automatic = w->automatic;
	ev.offer.features_ok = cpu_features_cover(cpu, k, w->cpu_features.data, w->cpu_features.len);
	if (!ev.offer.features_ok)
		return err_reason(
		    e, REASON_NODE_CPU, -ENOTSUP,
		    "the CPU of %s lacks instructions that %s has: the process may use them and cannot go there",
		    n->name, p->name);
	if (policy_event(n, &ev, &v) < 0)
		return err_reason(e, REASON_BUSY, -ENOBUFS, "%s cannot take more guests now", n->name);
	if (v.accept)
		return 0;
	policy_why_text(v.why, v.value, v.threshold, text, sizeof(text));
	return err_reason(e, policy_reason_number(v.why), -EBUSY, "%s: %s", n->name, text);
}

void offers_offer(struct node *n, struct peer *p, const struct wire_peer_offer *w)
{
	char home[NODE_NAME_MAX + 1];
	uint64_t now = clock_mono_ns();
	struct err e = {0};
	struct offer *o;

	wire_str_copy(home, sizeof(home), w->home);
	if (fault_point(FAULT_OFFER_RECEIVED) < 0)
		return;
	if (strcmp(home, p->name) != 0 || !w->mig || find(n, w->mig)) {
		refuse(n, p->name, w->mig, REASON_PROTOCOL, "the offer contradicts itself");
		return;
	}
	if (admit(n, p, w, &e) < 0) {
		refuse(n, p->name, w->mig, e.reason, e.text);
		return;
	}
	if (w->dry_run) {
		guest_done(n, w->mig, false);
		accept_offer(n, p->name, w->mig, 0, NULL, 0);
		return;
	}
	o = calloc(1, sizeof(*o));
	if (!o) {
		guest_done(n, w->mig, false);
		refuse(n, p->name, w->mig, REASON_INTERNAL, "out of memory");
		return;
	}
	*o = (struct offer){.next = n->offers,
			    .node = n,
			    .mig = w->mig,
			    .link_id = random_id(),
			    .pid = w->pid,
			    .bytes = w->bytes,
			    .mono_ahead_ns = (int64_t)(w->home_mono_ns - now)};
	memcpy(o->home, home, sizeof(o->home));
	wire_str_copy(o->user, sizeof(o->user), w->user);
	wire_str_copy(o->comm, sizeof(o->comm), w->comm);
	random_bytes(o->psk, sizeof(o->psk));
	n->offers = o;
	enter(o, OFFER_LAUNCH);
	if (fault_point(FAULT_AGENT_LAUNCH) < 0)
		(void)err_reason(&e, REASON_FAULT, -EIO, "fault point agent-launch");
	else
		o->launch = launch_agent(n, o->mig, room_bound(n), launched, o, &e);
	if (!o->launch)
		drop(o, e.reason, e.text);
}

void offers_cancel(struct node *n, struct peer *p, const struct wire_peer_cancel *w)
{
	struct offer *o = find(n, w->mig);

	/* Once the link is passed, shepherd and agent settle it between themselves. */
	if (!o || strcmp(o->home, p->name) != 0 || o->state == OFFER_BUILD || fault_point(FAULT_CANCEL_RECEIVED) < 0)
		return;
	o->state = OFFER_LINK; /* no answer is expected any more */
	drop(o, REASON_REQUESTED, "its home gave the offer back");
}

/* The home cannot be heard any more; an agent whose link stands goes on, for the link has its own deadline. */
void offers_peer_lost(struct node *n, struct peer *p)
{
	struct offer *o, *next;

	for (o = n->offers; o; o = next) {
		next = o->next;
		if (o->state != OFFER_BUILD && !strcmp(o->home, p->name)) {
			drop(o, REASON_NODE_UNREACHABLE, "its home was lost");
			next = n->offers;
		}
	}
}

unsigned offers_count(const struct node *n)
{
	const struct offer *o;
	unsigned k = 0;

	for (o = n->offers; o; o = o->next)
		k++;
	return k;
}

void offers_free(struct node *n)
{
	while (n->offers)
		offer_free(n->offers);
}
