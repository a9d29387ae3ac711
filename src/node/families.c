/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The processes of this home that Godwit cares for: registered roots, their descendants, and what was moved by hand.
 * Promise: a process is known by pid and start time, so that a pid that is used again is another process; membership of
 * a family outlives its root and a restart of the daemon. Must not: start a move by itself but the first of a new
 * family.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "base/log.h"
#include "json.h"
#include "node.h"

#define SAVE_EVERY_NS (5 * NSEC_PER_SEC)
#define WISH_EVERY_NS (20 * NSEC_PER_MSEC)
#define WISH_TRIES 250 /* 5 s for a program to come to its execve */

static struct tracked **bucket(struct node *n, pid_t pid)
{
	return &n->tracked[(unsigned)pid % ARRAY_SIZE(n->tracked)];
}

struct tracked *tracked_find(const struct node *n, pid_t pid)
{
	struct tracked *t;

	for (t = n->tracked[(unsigned)pid % ARRAY_SIZE(n->tracked)]; t && t->pid != pid; t = t->next)
		;
	return t;
}

static struct tracked *tracked_new(struct node *n, pid_t pid, uint64_t start_time, const char *comm)
{
	struct tracked *t = calloc(1, sizeof(*t)), **b = bucket(n, pid);
	uid_t uids[4] = {(uid_t)-1, (uid_t)-1, (uid_t)-1, (uid_t)-1};
	gid_t gids[4];

	if (!t)
		return NULL;
	(void)!proc_read_uids(pid, uids, gids); /* gone: the next sample says so */
	*t = (struct tracked){.next = *b,
			      .pid = pid,
			      .start_time = start_time,
			      .ruid = uids[0],
			      .suid = uids[2],
			      .node = n,
			      .arrived_ns = clock_mono_ns()};
	(void)snprintf(t->comm, sizeof(t->comm), "%.15s", comm);
	*b = t;
	return t;
}

static void tracked_free(struct tracked *t)
{
	struct tracked **p;

	for (p = bucket(t->node, t->pid); *p != t; p = &(*p)->next)
		;
	*p = t->next;
	loop_remove(t->wish_timer);
	if (t->shepherd)
		t->shepherd->pid = 0; /* it says HELPER_ENDED by itself */
	free(t);
}

struct tracked *tracked_get(struct node *n, pid_t pid, struct err *e)
{
	struct tracked *t = tracked_find(n, pid);
	struct proc_stat st;

	if (pid <= 0 || proc_read_stat(pid, &st) < 0 || st.pid != pid) {
		(void)err_reason(e, REASON_NO_SUCH_PROCESS, -ESRCH, "there is no process %d on this node", pid);
		return NULL;
	}
	if (t && t->start_time == st.start_time)
		return t;
	if (t) {
		moves_process_gone(t);
		tracked_free(t);
	}
	t = tracked_new(n, pid, st.start_time, st.comm);
	if (!t)
		(void)err_set(e, -ENOMEM, "out of memory");
	return t;
}

void tracked_each(struct node *n, void (*fn)(struct node *n, struct tracked *t, void *arg), void *arg)
{
	struct tracked *t, *next;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(n->tracked); i++) {
		for (t = n->tracked[i]; t; t = next) {
			next = t->next;
			fn(n, t, arg);
		}
	}
}

const char *tracked_place(const struct node *n, const struct tracked *t)
{
	return t->host[0] ? t->host : n->name;
}

/* ---- how they want to be treated ----------------------------------------------------------------------------- */

static const char *const treat_words[] = {"auto", "cpu", "io", "alone"};

static_assert(ARRAY_SIZE(treat_words) == TREAT__MAX, "each way has a word");

const char *treat_word(enum process_treat treat)
{
	return treat < TREAT__MAX ? treat_words[treat] : "?";
}

int treat_find(const char *word, enum process_treat *ret)
{
	for (unsigned i = 0; i < TREAT__MAX; i++) {
		if (!strcmp(treat_words[i], word)) {
			*ret = (enum process_treat)i;
			return 0;
		}
	}
	return -ENOENT;
}

enum process_treat tracked_treat(const struct tracked *t)
{
	return t->family ? t->treat : TREAT_ALONE;
}

/* The shepherd says it to the host, and once more to each host that comes after. */
static void tell_treat(struct tracked *t)
{
	struct helper *h = t->shepherd;
	struct wire_helper_treat m = {.treat = (uint8_t)tracked_treat(t)};

	if (h && h->treat != m.treat && helper_send(h, NODE_FRAME(t->node, helper_treat, &m), -1) == 0)
		h->treat = m.treat;
}

/* ---- once a second ------------------------------------------------------------------------------------------ */

/* Takes over the family of its parent, when that is in one, and how it wants to be treated. True when something
 * changed. */
static bool inherit(struct node *n, struct sample_proc *p)
{
	const struct tracked *above;
	struct sample_proc *parent;
	struct tracked *t;

	if (p->family || p->kernel || p->godwit || p->ppid <= 1)
		return false;
	parent = sampler_find(&n->sampler, p->ppid);
	if (!parent || !parent->family)
		return false;
	t = tracked_find(n, p->pid);
	if (!t)
		t = tracked_new(n, p->pid, p->start_time, p->comm);
	if (!t)
		return false;
	t->family = p->family = parent->family;
	above = tracked_find(n, parent->pid);
	if (above)
		t->treat = above->treat;
	n->families_dirty = true;
	return true;
}

/* Another name is another program, unless the process has only given itself a name. At home nobody counts its calls. */
static void note_usage(struct node *n, struct tracked *t, const struct sample_proc *p)
{
	struct usage_totals now = {.cpu_us = p->cpu_us + t->away_cpu_us};

	if (t->shepherd) {
		now.calls = t->shepherd->calls;
		now.sent = t->shepherd->bytes_in;
		now.received = t->shepherd->bytes_out;
	}
	usage_add(&t->usage, &now, n->sampler.last_ns);
	if (strcmp(t->comm, p->comm) != 0)
		usage_clear(&t->usage);
}

/* Ends the record of a process that has gone, and refreshes those that are there. */
static void refresh(struct node *n, struct tracked *t, void *arg)
{
	struct sample_proc *p = sampler_find(&n->sampler, t->pid);
	struct policy_event ev = {.type = POLICY_EV_PROCESS_GONE, .now_ns = clock_mono_ns()};

	/* Somebody has asked about it, and no more. */
	if (!t->family && !t->shepherd && !t->move && !t->moves && t->treat == TREAT_AUTO &&
	    clock_mono_ns() > t->arrived_ns + NSEC_PER_SEC) {
		tracked_free(t);
		return;
	}
	if (p && p->start_time == t->start_time && p->state != 'Z' && p->state != 'X') {
		p->family = t->family;
		note_usage(n, t, p);
		tell_treat(t);
		(void)snprintf(t->comm, sizeof(t->comm), "%s", p->comm);
		return;
	}
	/* A process that was registered since the sample is not in it yet. */
	if (!p && kill(t->pid, 0) == 0 && t->arrived_ns > n->sampler.last_ns)
		return;
	policy_process_id(n, t, &ev.id);
	(void)policy_event(n, &ev, NULL);
	moves_process_gone(t);
	n->families_dirty |= t->family != 0;
	tracked_free(t);
}

void families_step(struct node *n)
{
	bool changed;
	size_t i;

	tracked_each(n, refresh, NULL);
	/* Pids mostly ascend from parent to child, so that one walk finds nearly all; after a wrap it takes another. */
	do {
		changed = false;
		for (i = 0; i < n->sampler.n_procs; i++)
			changed |= inherit(n, &n->sampler.procs[i]);
	} while (changed);
	families_save(n);
}

/* ---- registration and first placement ------------------------------------------------------------------------- */

static void wish_done(struct node *n, void *arg, const struct move_result *r)
{
	struct tracked *t = tracked_find(n, (pid_t)(intptr_t)arg);

	if (t && r->err.code && t->wish[0])
		log_info("%d (%s) starts at home: %s", t->pid, t->comm, r->err.text);
	if (t)
		t->wish[0] = '\0';
}

/* The node that the wish means; "" when it is this one. */
static void wish_resolve(struct node *n, struct tracked *t, char to[static NODE_NAME_MAX + 1])
{
	struct policy_event ev = {.type = POLICY_EV_PLACE, .now_ns = clock_mono_ns()};
	struct policy_verdict v = {0};

	(void)snprintf(to, NODE_NAME_MAX + 1, "%s", t->wish);
	if (strcmp(to, "best") != 0)
		return;
	ev.place.bytes = NODE_BEGUN_BYTES;
	to[0] = '\0';
	if (policy_event(n, &ev, &v) == 0 && strcmp(v.to, n->name) != 0)
		(void)snprintf(to, NODE_NAME_MAX + 1, "%s", v.to);
}

static void wish_try(void *arg)
{
	struct tracked *t = arg;
	struct node *n = t->node;
	char to[NODE_NAME_MAX + 1];
	enum move_cause cause;
	struct proc_stat st;
	struct err e = {0};

	t->wish_timer = NULL;
	if (proc_read_stat(t->pid, &st) < 0 || st.start_time != t->start_time)
		return;
	/* execve gives a process another name; before it a move would be undone by it. */
	if (!strcmp(st.comm, t->wish_comm)) {
		if (++t->wish_tries < WISH_TRIES)
			t->wish_timer = loop_add_timer(n->loop, clock_mono_ns() + WISH_EVERY_NS, wish_try, t);
		return;
	}
	(void)snprintf(t->comm, sizeof(t->comm), "%.15s", st.comm);
	wish_resolve(n, t, to);
	if (!to[0] || !strcmp(to, n->name)) {
		t->wish[0] = '\0';
		return;
	}
	cause = !strcmp(t->wish, "best") ? MOVE_PLACED : MOVE_WISHED;
	if (!move_start(n, t, to, false, cause, wish_done, (void *)(intptr_t)t->pid, &e)) {
		t->wish[0] = '\0';
		log_info("%d (%s) starts at home: %s", t->pid, t->comm, e.text);
	}
}

int families_register(struct node *n, pid_t pid, enum process_treat treat, const char *wish, struct err *e)
{
	struct tracked *t = tracked_get(n, pid, e);
	struct sample_proc *p = sampler_find(&n->sampler, pid);

	if (!t)
		return e->code;
	t->family = pid;
	t->treat = treat;
	if (p && p->start_time == t->start_time)
		p->family = pid;
	n->families_dirty = true;
	loop_remove(take_ptr(t->wish_timer));
	(void)snprintf(t->wish, sizeof(t->wish), "%s", wish);
	(void)snprintf(t->wish_comm, sizeof(t->wish_comm), "%s", t->comm);
	t->wish_tries = 0;
	if (*wish)
		t->wish_timer = loop_add_timer(n->loop, clock_mono_ns() + WISH_EVERY_NS, wish_try, t);
	return 0;
}

/* ---- what a restart must not forget ---------------------------------------------------------------------------- */

static void families_path(const struct node *n, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s/families.json", n->cfg.state_dir);
}

/* Start times count from the boot: another boot makes all of them worthless. */
static void boot_id(char *buf, size_t cap)
{
	if (file_read_small("/proc/sys/kernel/random/boot_id", buf, cap) < 0)
		buf[0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
}

static void save_one(struct node *n, struct tracked *t, void *arg)
{
	if (t->family)
		(void)json_array_append_new(arg, json_pack("{s:i, s:I, s:i, s:s}", "pid", t->pid, "start",
							   (json_int_t)t->start_time, "family", t->family, "treat",
							   treat_word(t->treat)));
}

void families_save(struct node *n)
{
	char path[300], boot[64];
	_cleanup_free_ char *text = NULL;
	json_t *list, *doc;

	/* A make -j changes its family all the time; what the last seconds brought is found again by the parents. */
	if (!n->families_dirty || clock_mono_ns() < n->families_saved_ns + SAVE_EVERY_NS)
		return;
	n->families_dirty = false;
	n->families_saved_ns = clock_mono_ns();
	list = json_array();
	tracked_each(n, save_one, list);
	boot_id(boot, sizeof(boot));
	doc = json_pack("{s:s, s:o}", "boot", boot, "processes", list);
	text = doc ? json_dumps(doc, JSON_COMPACT) : NULL;
	json_decref(doc);
	families_path(n, path, sizeof(path));
	if (text && file_write_atomic(path, text, strlen(text), 0600) < 0)
		log_debug("%s could not be written", path);
}

static void load_one(struct node *n, const json_t *v)
{
	pid_t pid = (pid_t)json_get_int(v, "pid", 0);
	struct proc_stat st;
	struct tracked *t;
	char word[16] = "";

	if (pid <= 1 || proc_read_stat(pid, &st) < 0 || st.start_time != (uint64_t)json_get_int(v, "start", -1))
		return;
	t = tracked_get(n, pid, NULL);
	if (!t)
		return;
	t->family = (pid_t)json_get_int(v, "family", 0);
	json_get_text(v, "treat", word, sizeof(word));
	if (treat_find(word, &t->treat) < 0)
		t->treat = TREAT_AUTO;
}

void families_load(struct node *n)
{
	char path[300], boot[64], saved[64] = "";
	_cleanup_free_ char *text = NULL;
	json_t *doc, *v;
	size_t i;

	families_path(n, path, sizeof(path));
	if (file_read_all(path, 16 << 20, &text, NULL) < 0)
		return;
	doc = json_loads(text, 0, NULL);
	boot_id(boot, sizeof(boot));
	json_get_text(doc, "boot", saved, sizeof(saved));
	if (doc && !strcmp(boot, saved)) {
		json_array_foreach(json_object_get(doc, "processes"), i, v) load_one(n, v);
	}
	json_decref(doc);
}

static void free_one(struct node *n, struct tracked *t, void *arg)
{
	tracked_free(t);
}

void families_free(struct node *n)
{
	tracked_each(n, free_one, NULL);
}
