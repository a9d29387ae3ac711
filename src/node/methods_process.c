/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Methods about processes that move nothing: Processes, Where, Register, Pin, Treat.
 * Promise: the command line of a process is shown only as far as /proc shows it to everybody. Must not: start a move.
 */
#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include "base/file.h"
#include "json.h"
#include "methods.h"
#include "node.h"

#define COMMAND_MAX 256

/* argv with spaces between, or [comm] for one that has none. */
static json_t *command_of(pid_t pid, const char *comm)
{
	char path[40], text[COMMAND_MAX];
	ssize_t n, i;

	(void)snprintf(path, sizeof(path), "/proc/%d/cmdline", pid);
	n = file_read_small(path, text, sizeof(text));
	if (n <= 0) {
		(void)snprintf(text, sizeof(text), "[%s]", comm);
		return json_text(text);
	}
	for (i = 0; i < n; i++)
		if (!text[i])
			text[i] = ' ';
	while (n > 0 && text[n - 1] == ' ')
		text[--n] = '\0';
	return json_text(text);
}

static json_t *user_of(uid_t uid)
{
	const struct passwd *pw = uid == (uid_t)-1 ? NULL : getpwuid(uid);
	char text[16];

	if (pw)
		return json_text(pw->pw_name);
	(void)snprintf(text, sizeof(text), "%u", uid);
	return json_string(text);
}

/* The one thing to say about a process at home: why it does not move, or why it came home. */
static unsigned reason_of(const struct node *n, const struct tracked *t)
{
	if (t->treat == TREAT_ALONE)
		return REASON_PINNED;
	if (t->treat == TREAT_IO)
		return REASON_IO_BOUND;
	if (t->confined)
		return t->confined;
	if (t->host[0])
		return REASON_NONE;
	if (owner_keeps(n, t->comm))
		return REASON_PROGRAM;
	return t->last_home_reason ? t->last_home_reason : t->family ? REASON_NONE : REASON_NOT_FAMILY;
}

json_t *method_usage(const struct node *n, const struct tracked *t)
{
	const struct usage *u = &t->usage;

	/* All its I/O is made at home. */
	return json_pack("{s:f, s:f, s:[{s:s, s:f, s:f}]}", "cpu", usage_rate(u, u->cpu_us) / 1e6, "calls_per_s",
			 usage_rate(u, u->calls), "io", "node", n->name, "sent_per_s", usage_rate(u, u->sent),
			 "received_per_s", usage_rate(u, u->received));
}

/* Of a process that is away, /proc shows how its deputy is held. */
static const char *state_of(const struct tracked *t, const struct sample_proc *p)
{
	bool away = t->host[0];

	if (t->move)
		return "moving";
	if (away ? t->shepherd && t->shepherd->stopped : p && p->state == 'T')
		return "stopped";
	return away ? "away" : "home";
}

static json_t *tracked_json(const struct node *n, const struct tracked *t)
{
	const struct sample_proc *p = sampler_find(&n->sampler, t->pid);
	const struct helper *h = t->shepherd;
	unsigned reason = reason_of(n, t);
	bool away = t->host[0];
	char comm[sizeof(t->comm)];
	struct proc_stat st;

	/* As it is now: since the last sample it may have executed something. */
	(void)snprintf(comm, sizeof(comm), "%.15s", proc_read_stat(t->pid, &st) == 0 ? st.comm : t->comm);
	return json_pack(
	    "{s:i, s:I, s:o, s:s, s:s, s:s, s:i, s:b, s:s, s:f, s:I, s:I, s:i, s:f, s:s, s:s, s:o, s:o, s:o}", "pid",
	    t->pid, "uid", (json_int_t)t->ruid, "user", user_of(t->ruid), "home", n->name, "node", tracked_place(n, t),
	    "state", state_of(t, p), "family", t->family, "pinned", t->treat == TREAT_ALONE, "treat",
	    treat_word(t->treat), "cpu",
	    (away && h ? h->cpu_milli
	     : p       ? p->cpu_milli
		       : 0) /
		1000.0,
	    "cpu_us", (json_int_t)(p ? p->cpu_us : 0) + (json_int_t)t->away_cpu_us, "memory",
	    (json_int_t)(away && h ? h->rss
			 : p       ? p->rss
				   : 0),
	    "moves", (int)t->moves, "calls_per_s", (double)(away && h ? h->calls_per_s : 0), "reason",
	    reason_word(reason), "why", reason ? reason_sentence(reason) : "", "comm", json_text(comm), "command",
	    command_of(t->pid, comm), "usage", method_usage(n, t));
}

static json_t *guest_json(const struct node *n, const struct helper *h)
{
	return json_pack(
	    "{s:I, s:i, s:o, s:s, s:s, s:s, s:i, s:b, s:s, s:f, s:I, s:I, s:i, s:f, s:s, s:s, s:o, s:o, s:n}", "pid",
	    (json_int_t)h->pid, "uid", -1, "user", json_text(h->user), "home", h->home, "node", n->name, "state",
	    h->stopped ? "stopped" : "guest", "family", 0, "pinned", h->treat == TREAT_ALONE, "treat",
	    treat_word(h->treat), "cpu", h->cpu_milli / 1000.0, "cpu_us", (json_int_t)h->cpu_us, "memory",
	    (json_int_t)h->rss, "moves", 1, "calls_per_s", (double)h->calls_per_s, "reason", "-", "why", "", "comm",
	    json_text(h->comm), "command", json_text(h->comm), "usage");
}

static void list_tracked(struct node *n, struct tracked *t, void *arg)
{
	(void)json_array_append_new(arg, tracked_json(n, t));
}

/* Processes that may be moved by hand: everything that is neither the kernel's nor ours. */
static void list_others(struct node *n, json_t *list)
{
	struct sample_proc *p;
	struct tracked t;
	uid_t uids[4];
	gid_t gids[4];
	size_t i;

	for (i = 0; i < n->sampler.n_procs; i++) {
		p = &n->sampler.procs[i];
		if (p->kernel || p->godwit || p->pid == 1 || p->state == 'Z' || tracked_find(n, p->pid))
			continue;
		if (p->uid == (uid_t)-1 && proc_read_uids(p->pid, uids, gids) == 0)
			p->uid = uids[0];
		t = (struct tracked){.pid = p->pid, .ruid = p->uid};
		(void)snprintf(t.comm, sizeof(t.comm), "%s", p->comm);
		(void)json_array_append_new(list, tracked_json(n, &t));
	}
}

void method_processes(struct request *req)
{
	struct node *n = req->data;
	const struct helper *h;
	bool all = false;
	json_t *list;

	if (req_bool(req, "all", false, &all) < 0)
		return;
	list = json_array();
	tracked_each(n, list_tracked, list);
	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->kind == HELPER_AGENT && h->arrived_ns)
			(void)json_array_append_new(list, guest_json(n, h));
	if (all)
		list_others(n, list);
	req_reply(req, json_pack("{s:s, s:o}", "node", n->name, "processes", list));
}

void method_where(struct request *req)
{
	struct node *n = req->data;
	const struct tracked *t;
	struct proc_stat st;
	int64_t pid;

	if (req_int(req, "pid", true, 1, INT32_MAX, &pid) < 0)
		return;
	t = tracked_find(n, (pid_t)pid);
	if (proc_read_stat((pid_t)pid, &st) < 0 || st.pid != pid) {
		req_refuse(req, REASON_NO_SUCH_PROCESS, "there is no process %lld on this node", (long long)pid);
		return;
	}
	if (t && t->start_time != st.start_time)
		t = NULL;
	req_reply(req, json_pack("{s:I, s:s, s:s, s:s}", "pid", (json_int_t)pid, "home", n->name, "node",
				 t ? tracked_place(n, t) : n->name, "state",
				 t && t->move      ? "moving"
				 : t && t->host[0] ? "away"
						   : "home"));
}

/* The process, if the caller may move it; otherwise req has been answered. */
struct tracked *method_target(struct request *req, pid_t pid)
{
	struct node *n = req->data;
	struct err e = {0};
	uid_t uids[4];
	gid_t gids[4];

	/* Rights as they are now, not as they were when the process became known: it may have changed its user. */
	if (proc_read_uids(pid, uids, gids) < 0) {
		req_refuse(req, REASON_NO_SUCH_PROCESS, "there is no process %d on this node", pid);
		return NULL;
	}
	if (!req_may_kill(req, uids[0], uids[2])) {
		req_refuse(req, REASON_NOT_PERMITTED, "process %d belongs to another user", pid);
		return NULL;
	}
	struct tracked *t = tracked_get(n, pid, &e);

	if (!t) {
		req_refuse_err(req, &e);
		return NULL;
	}
	t->ruid = uids[0];
	t->suid = uids[2];
	return t;
}

static int req_treat(struct request *req, const char *name, bool needed, enum process_treat *ret)
{
	const char *word = NULL;
	int r = req_string(req, name, needed, NODE_NAME_MAX, &word);

	if (r < 0 || !word)
		return r;
	r = treat_find(word, ret);
	if (r < 0)
		req_invalid(req, name);
	return r;
}

/* The policy hears of it with the next sample, and the host a second later. */
static void set_treat(struct request *req, pid_t pid, enum process_treat treat, bool only_unpin)
{
	struct node *n = req->data;
	struct tracked *t = method_target(req, pid);

	if (!t)
		return;
	if (!only_unpin || t->treat == TREAT_ALONE)
		t->treat = treat;
	n->families_dirty |= t->family != 0;
	req_reply(req, NULL);
}

void method_treat(struct request *req)
{
	enum process_treat treat = TREAT_AUTO;
	int64_t pid = req->pid;

	if (req_int(req, "pid", false, 1, INT32_MAX, &pid) == 0 && req_treat(req, "as", true, &treat) == 0)
		set_treat(req, (pid_t)pid, treat, false);
}

void method_register(struct request *req)
{
	struct node *n = req->data;
	int64_t pid = req->pid;
	const char *node = NULL;
	enum process_treat treat = TREAT_AUTO;
	bool pin = false, home = false;
	struct err e = {0};
	const char *wish;

	if (req_int(req, "pid", false, 1, INT32_MAX, &pid) < 0 || req_bool(req, "pin", false, &pin) < 0 ||
	    req_bool(req, "home", false, &home) < 0 || req_string(req, "node", false, NODE_NAME_MAX, &node) < 0 ||
	    req_treat(req, "treat", false, &treat) < 0)
		return;
	if (pin)
		treat = TREAT_ALONE;
	if (node && strcmp(node, "best") != 0 && strcmp(node, "home") != 0 && strcmp(node, n->name) != 0 &&
	    !policy_node_find(n->policy, node, &(struct policy_node_view){0})) {
		req_refuse(req, REASON_NO_SUCH_NODE, "no node named %s is known", node);
		return;
	}
	if (!method_target(req, (pid_t)pid))
		return;
	wish = home ? "" : node ? node : treat == TREAT_ALONE || treat == TREAT_IO ? "" : "best";
	if (!strcmp(wish, "home") || !strcmp(wish, n->name) || !n->keys)
		wish = "";
	if (families_register(n, (pid_t)pid, treat, wish, &e) < 0)
		req_refuse_err(req, &e);
	else
		req_reply(req, json_pack("{s:I, s:s}", "pid", (json_int_t)pid, "node", *wish ? wish : n->name));
}

void method_pin(struct request *req)
{
	bool pinned = false;
	int64_t pid;

	if (req_int(req, "pid", true, 1, INT32_MAX, &pid) == 0 && req_bool(req, "pinned", true, &pinned) == 0)
		set_treat(req, (pid_t)pid, pinned ? TREAT_ALONE : TREAT_AUTO, !pinned);
}
