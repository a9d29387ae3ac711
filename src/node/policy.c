/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The daemon's side of src/policy: what is measured goes in as events, what is decided comes out as actions.
 * Promise: every action is carried out or its failure given back as an event. Must not: decide.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "node.h"

#define POLICY_NODES 1024 /* known at a time; the policy takes its memory at the start */
#define POLICY_PROCESSES 2048

static void text_copy(char *dst, size_t cap, const char *src)
{
	(void)snprintf(dst, cap, "%s", src);
}

static void config_fill(const struct node *n, struct policy_config *c)
{
	*c = (struct policy_config){.port = n->port,
				    .incarnation = n->incarnation,
				    .seed = random_id(),
				    .cpus_milli = n->sampler.cpus_milli ? n->sampler.cpus_milli : 1000,
				    .speed = n->speed ? n->speed : POLICY_SPEED_STANDARD,
				    .mem_total = n->sampler.mem_total,
				    .mem_free = n->sampler.mem_free};
	c->params = n->settings.policy;
	text_copy(c->name, sizeof(c->name), n->name);
	text_copy(c->address, sizeof(c->address), n->address);
	text_copy(c->version, sizeof(c->version), GODWIT_VERSION);
}

static void admin(struct node *n, enum policy_admin_op op)
{
	struct policy_event ev = {.type = POLICY_EV_ADMIN, .now_ns = clock_mono_ns()};

	ev.admin.op = op;
	(void)policy_event(n, &ev, NULL);
}

int policy_open(struct node *n, struct err *e)
{
	struct policy_limits limits = {.nodes = POLICY_NODES, .processes = POLICY_PROCESSES};
	uint64_t now = clock_mono_ns();
	struct policy_config c;
	int r;

	policy_free(take_ptr(n->policy));
	config_fill(n, &c);
	r = policy_new(&limits, &c, now, &n->policy);
	if (r < 0)
		return err_set(e, r, "the policy could not be set up");
	record_start(n, &limits, &c, now);
	if (n->stay)
		admin(n, POLICY_ADMIN_STAY);
	n->closed = false;
	owner_tell(n);
	return 0;
}

void policy_reconfigure(struct node *n)
{
	struct policy_event ev = {.type = POLICY_EV_CONFIG, .now_ns = clock_mono_ns()};

	config_fill(n, &ev.config);
	(void)policy_event(n, &ev, NULL);
}

void policy_to_wire(const struct policy_node *from, struct wire_node_entry *to)
{
	*to = (struct wire_node_entry){.port = from->port,
				       .incarnation = from->incarnation,
				       .seq = from->seq,
				       .age_us = from->age_us,
				       .state = from->state,
				       .cpus_milli = from->cpus_milli,
				       .speed = from->speed,
				       .load_milli = from->load_milli,
				       .export_milli = from->export_milli,
				       .mem_total = from->mem_total,
				       .mem_free = from->mem_free,
				       .guests = from->guests,
				       .name = wire_str(from->name),
				       .address = wire_str(from->address),
				       .version = wire_str(from->version)};
}

void policy_entry(struct node *n, const struct wire_node_entry *e, const char *from)
{
	struct policy_event ev = {.type = POLICY_EV_ENTRY, .now_ns = clock_mono_ns()};

	ev.entry = (struct policy_node){.port = e->port,
					.incarnation = e->incarnation,
					.seq = e->seq,
					.age_us = e->age_us,
					.state = e->state,
					.cpus_milli = e->cpus_milli,
					.speed = e->speed,
					.load_milli = e->load_milli,
					.export_milli = e->export_milli,
					.mem_total = e->mem_total,
					.mem_free = e->mem_free,
					.guests = e->guests};
	wire_str_copy(ev.entry.name, sizeof(ev.entry.name), e->name);
	wire_str_copy(ev.entry.address, sizeof(ev.entry.address), e->address);
	wire_str_copy(ev.entry.version, sizeof(ev.entry.version), e->version);
	ev.direct = from && !strcmp(ev.entry.name, from);
	if (config_name_ok(ev.entry.name))
		(void)policy_event(n, &ev, NULL);
}

void policy_process_id(const struct node *n, const struct tracked *t, struct policy_id *ret)
{
	*ret = (struct policy_id){.pid = t->pid, .start_time = t->start_time};
}

void policy_why_text(unsigned why, int64_t value, int64_t threshold, char *buf, size_t cap)
{
	const struct policy_why_info *info = policy_why_info(why);

	if (!info)
		(void)snprintf(buf, cap, "the policy is against it");
	else if (!*info->unit)
		(void)snprintf(buf, cap, "%s", info->sentence);
	else
		(void)snprintf(buf, cap, "%s (%lld %s, needed: %lld)", info->sentence, (long long)value, info->unit,
			       (long long)threshold);
}

unsigned policy_reason_number(unsigned why)
{
	const struct policy_why_info *info = policy_why_info(why);
	unsigned i;

	for (i = 0; info && i < 256; i++) /* the table is short and the question rare */
		if (reason_exists(i) && !strcmp(reason_name(i), info->reason))
			return i;
	return REASON_NONE;
}

/* ---- actions --------------------------------------------------------------------------------------------- */

static void do_gossip(struct node *n, const struct policy_action *a, const struct policy_actions *all)
{
	struct peer *p = peer_get(n, a->node.name, a->node.address, a->node.port);
	struct wire_peer_gossip m = {.reply = a->node.ask > 0};
	unsigned k = m.reply ? 1 : all->n_window, i;
	struct wire_node_entry *entries;

	if (!p || !n->keys)
		return;
	entries = calloc(k + 1, sizeof(*entries));
	if (!entries)
		return;
	for (i = 0; i < k; i++)
		policy_to_wire(all->window[i], &entries[i]);
	if (m.reply)
		policy_to_wire(all->asked[a->node.ask - 1], &entries[k++]);
	m.entries = (struct wire_list){.items = entries, .count = k};
	(void)!peer_send(p, NODE_FRAME(n, peer_gossip, &m),
			 NULL); /* a node that cannot be reached becomes known by its connection's failure */
	free(entries);
}

static void move_done_event(struct node *n, const struct policy_id *id, const char *to, const struct move_result *r,
			    unsigned reason)
{
	struct policy_event ev = {.type = POLICY_EV_MOVE_DONE, .now_ns = clock_mono_ns()};

	ev.move.id = *id;
	text_copy(ev.move.to, sizeof(ev.move.to), to);
	ev.move.ok = r && !r->err.code;
	ev.move.target_fault = r && r->target_fault;
	ev.move.reason = reason;
	(void)policy_event(n, &ev, NULL);
}

struct auto_move {
	struct policy_id id;
	char to[NODE_NAME_MAX + 1];
};

/* Failures wait 2, 4, 8 .. 512 s; a reason of the process itself is kept for the policy and looked at again after that.
 */
static void back_off(struct tracked *t, const struct err *e)
{
	unsigned shift = t->failures < 8 ? t->failures : 8;

	t->failures++;
	t->not_before_ns = clock_mono_ns() + ((2 * NSEC_PER_SEC) << shift);
	t->confined = reason_kind(e->reason) == REASON_KIND_confine ? e->reason : 0;
}

static void auto_done(struct node *n, void *arg, const struct move_result *r)
{
	struct auto_move *am = arg;
	struct tracked *t = tracked_find(n, (pid_t)am->id.pid);

	if (t && r->err.code && !r->target_fault)
		back_off(t, &r->err);
	else if (t && !r->err.code)
		t->failures = 0;
	move_done_event(n, &am->id, am->to, r, r->err.reason);
	free(am);
}

static void do_move(struct node *n, const struct policy_action *a)
{
	bool pays = a->move.motive == POLICY_BALANCE || a->move.motive == POLICY_GO_HOME;
	struct err e = {.reason = REASON_NO_SUCH_PROCESS};
	struct auto_move *am;
	struct tracked *t;
	struct helper *h;

	if (a->move.id.home[0] && strcmp(a->move.id.home, n->name) != 0) {
		h = helper_find_agent(n, a->move.id.home, a->move.id.pid);
		if (h && a->move.motive == POLICY_MEMORY)
			log_info("guest %lld (%s) of %s is sent %s: this node soon has too little memory",
				 (long long)h->pid, h->comm, h->home, a->move.home ? "home" : a->move.to);
		if (h)
			request_home(n, h, a->move.home ? "home" : a->move.to,
				     pays                             ? REASON_BALANCED
				     : a->move.motive == POLICY_EXPEL ? REASON_LEAVING
								      : REASON_EVICTED);
		else
			move_done_event(n, &a->move.id, a->move.to, NULL, REASON_NO_SUCH_PROCESS);
		return;
	}
	t = tracked_find(n, (pid_t)a->move.id.pid);
	am = t && t->start_time == a->move.id.start_time ? calloc(1, sizeof(*am)) : NULL;
	if (!am) {
		move_done_event(n, &a->move.id, a->move.to, NULL, REASON_NO_SUCH_PROCESS);
		return;
	}
	am->id = a->move.id;
	text_copy(am->to, sizeof(am->to), a->move.to);
	log_debug("policy: %d (%s) should go to %s, %u %% faster", t->pid, t->comm, a->move.to, a->move.gain_percent);
	if (!move_start(n, t, a->move.to, false, pays ? MOVE_BALANCE : MOVE_MUST, auto_done, am, &e)) {
		back_off(t, &e);
		move_done_event(n, &am->id, am->to, NULL, e.reason);
		free(am);
	}
}

static void do_action(struct node *n, const struct policy_action *a, const struct policy_actions *all,
		      struct policy_verdict *ret)
{
	switch (a->type) {
	case POLICY_DO_GOSSIP:
		do_gossip(n, a, all);
		break;
	case POLICY_DO_MOVE:
		do_move(n, a);
		break;
	case POLICY_DO_ADMIT:
		if (ret) {
			ret->accept = a->admit.accept;
			ret->why = a->admit.why;
			ret->value = a->admit.value;
			ret->threshold = a->admit.threshold;
		}
		break;
	case POLICY_DO_PLACE:
		if (ret)
			text_copy(ret->to, sizeof(ret->to), a->place.to);
		break;
	case POLICY_DO_NODE_ALIVE:
		log_info("node %s is there", a->node.name);
		(void)peer_get(n, a->node.name, a->node.address, a->node.port);
		state_save_peers(n);
		break;
	case POLICY_DO_NODE_SUSPECT:
		log_debug("node %s has not been heard of for a while", a->node.name);
		break;
	case POLICY_DO_NODE_DEAD:
		log_info("node %s is not heard of any more", a->node.name);
		break;
	case POLICY_DO_NODE_FORGOTTEN: {
		struct peer *p = peer_find(n, a->node.name);

		if (p)
			peer_drop(p);
		state_save_peers(n);
		break;
	}
	case POLICY_DO_EXPELLED:
		n->expelling = false;
		leave_check(n);
		break;
	case POLICY_DO__MAX:
		break;
	}
}

int policy_event(struct node *n, struct policy_event *ev, struct policy_verdict *ret)
{
	/* 30 KB: too much for a stack that may be entered again from an action. */
	struct policy_actions *all;
	unsigned i;
	int r;

	if (!n->policy)
		return -ENOENT;
	all = malloc(sizeof(*all));
	if (!all)
		return -ENOMEM;
	r = policy_step(n->policy, ev, all);
	record_step(n, ev, r, all);
	/* The window belongs to the policy until its next step, which an action may cause; so gossip goes first. */
	for (i = 0; r == 0 && i < all->n; i++)
		if (all->a[i].type == POLICY_DO_GOSSIP)
			do_action(n, &all->a[i], all, ret);
	for (i = 0; r == 0 && i < all->n; i++)
		if (all->a[i].type != POLICY_DO_GOSSIP)
			do_action(n, &all->a[i], all, ret);
	free(all);
	return r;
}

/* ---- once a second ------------------------------------------------------------------------------------------- */

static uint32_t treat_flag(unsigned treat)
{
	return treat == TREAT_CPU     ? POLICY_PROC_CPU
	       : treat == TREAT_IO    ? POLICY_PROC_IO
	       : treat == TREAT_ALONE ? POLICY_PROC_PINNED
				      : 0;
}

static void process_event(struct node *n, struct tracked *t, void *arg)
{
	const struct sample_proc *p = sampler_find(&n->sampler, t->pid);
	struct policy_event ev = {.type = POLICY_EV_PROCESS, .now_ns = clock_mono_ns()};

	if (!p || !p->measured || !t->family || t->host[0])
		return; /* too new, or it computes elsewhere: that node watches it */
	policy_process_id(n, t, &ev.process.id);
	if (t->confined && ev.now_ns >= t->not_before_ns)
		t->confined = 0;
	ev.process.flags = POLICY_PROC_FAMILY | treat_flag(t->treat) |
			   (t->move || ev.now_ns < t->not_before_ns ? POLICY_PROC_BUSY : 0);
	ev.process.confined = t->confined ? t->confined : owner_keeps(n, t->comm) ? REASON_PROGRAM : REASON_NONE;
	ev.process.cpu_milli = p->cpu_milli;
	ev.process.demand_milli = p->load_milli;
	ev.process.cpu_age_us = p->cpu_us + t->away_cpu_us;
	ev.process.rss = p->rss;
	ev.process.arrived_ns = t->moves ? t->arrived_ns : 0;
	ev.process.calls = t->shepherd ? t->shepherd->calls_per_s : 0;
	(void)policy_event(n, &ev, NULL);
}

static void guest_event(struct node *n, struct helper *h)
{
	struct policy_event ev = {.type = POLICY_EV_PROCESS, .now_ns = clock_mono_ns()};

	text_copy(ev.process.id.home, sizeof(ev.process.id.home), h->home);
	ev.process.id.pid = h->pid;
	ev.process.flags = POLICY_PROC_FAMILY | treat_flag(h->treat) |
			   (h->evicting || room_relieves(h) ? POLICY_PROC_BUSY : 0);
	ev.process.cpu_milli = h->cpu_milli;
	ev.process.demand_milli = h->demand_milli > h->cpu_milli ? h->demand_milli : h->cpu_milli;
	ev.process.cpu_age_us = h->cpu_us;
	ev.process.rss = h->rss;
	ev.process.arrived_ns = h->arrived_ns;
	ev.process.calls = h->calls_per_s;
	(void)policy_event(n, &ev, NULL);
}

/* What guests want: an agent reports what its guest has got, but that it waited for a CPU only /proc tells. */
static void guest_demands(struct node *n)
{
	const struct sample_proc *p;
	struct helper *h;
	size_t i;

	for (h = n->helpers; h; h = h->next)
		h->demand_milli = 0;
	for (i = 0; i < n->sampler.n_procs; i++) {
		p = &n->sampler.procs[i];
		h = p->load_milli && !p->godwit && !p->kernel ? helper_find_guest(n, p->pid, p->ppid) : NULL;
		if (h)
			h->demand_milli += p->load_milli;
	}
}

void policy_second(struct node *n, uint64_t dt_ns)
{
	struct policy_event ev = {.type = POLICY_EV_SAMPLE, .now_ns = clock_mono_ns()};
	struct helper *h;

	guest_demands(n);

	ev.sample.dt_ns = dt_ns;
	ev.sample.runnable_milli = n->sampler.load_milli;
	ev.sample.mem_free = n->sampler.mem_free;
	ev.sample.stalled_milli = n->sampler.stalled_milli;
	ev.sample.faults = n->sampler.faults;
	(void)policy_event(n, &ev, NULL);
	tracked_each(n, process_event, NULL);
	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->kind == HELPER_AGENT && h->arrived_ns)
			guest_event(n, h);
	ev = (struct policy_event){.type = POLICY_EV_TICK, .now_ns = clock_mono_ns()};
	(void)policy_event(n, &ev, NULL);
}
