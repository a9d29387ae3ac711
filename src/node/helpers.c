/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections of shepherds and agents, and the figures that they report.
 * Promise: what they say rebuilds the daemon's tables after a restart; a helper that says something else than
 * messages.def allows is cut off. Must not: take the word of a process that is neither root's nor was started by the
 * launcher.
 *
 * A helper that was started before this daemon has dropped to its user, and reconnects as that. It is believed because
 * the state directory has its pid and start time (helpers.json), written when the launcher told them.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sock.h"
#include "json.h"
#include "node.h"

#define HELLO_NS (3 * NSEC_PER_SEC)
#define HELPERS_MAX 8192
#define MESSAGE_MAX (64 * 1024)

struct trace {
	struct trace *next;
	struct helper *helper;
	struct request *req;
};

static void trace_end(struct trace *t, unsigned reason, const char *sentence);

static void helper_free(struct helper *h)
{
	struct helper **p;

	for (p = &h->node->helpers; *p != h; p = &(*p)->next)
		;
	*p = h->next;
	loop_remove(h->watch);
	loop_remove(h->deadline);
	(void)close(h->fd);
	free(h->counts);
	free(h);
}

/* The connection has ended: with it the helper, as far as anybody can tell. */
static void helper_lost(struct helper *h)
{
	struct policy_event ev = {.type = POLICY_EV_PROCESS_GONE, .now_ns = clock_mono_ns()};

	while (h->traces)
		trace_end(h->traces, REASON_NO_SUCH_PROCESS, "the process is not shepherded any more");
	if (h->greeted && h->kind == HELPER_SHEPHERD) {
		moves_helper_lost(h);
	} else if (h->greeted) {
		/* It left before the answer to our wish came: then this is the answer. */
		if (h->evicting)
			request_done(h->node, h, true, REASON_NONE);
		if (h->arrived_ns) {
			(void)snprintf(ev.id.home, sizeof(ev.id.home), "%s", h->home);
			ev.id.pid = h->pid;
			(void)policy_event(h->node, &ev, NULL);
			log_info("guest %lld of %s has gone", (long long)h->pid, h->home);
		}
		offers_helper_lost(h);
	}
	helper_free(h);
}

struct helper *helper_find_agent(const struct node *n, const char *home, int64_t pid)
{
	struct helper *h;

	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->kind == HELPER_AGENT && h->pid == pid && !strcmp(h->home, home))
			return h;
	return NULL;
}

struct helper *helper_find_guest(const struct node *n, pid_t pid, pid_t ppid)
{
	struct helper *h;

	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->kind == HELPER_AGENT && (h->guest ? h->guest == pid : h->os_pid == ppid))
			return h;
	return NULL;
}

struct helper *helper_find_forked(const struct node *n, uint64_t link_id)
{
	struct helper *h;

	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->forked && h->kind == HELPER_AGENT && h->link_id == link_id)
			return h;
	return NULL;
}

struct helper *helper_find_mig(const struct node *n, enum helper_kind kind, uint64_t mig)
{
	struct helper *h;

	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->kind == kind && h->mig == mig)
			return h;
	return NULL;
}

struct helper *helper_find_pid(const struct node *n, enum helper_kind kind, pid_t os_pid)
{
	struct helper *h;

	for (h = n->helpers; h; h = h->next)
		if (h->greeted && h->kind == kind && h->os_pid == os_pid)
			return h;
	return NULL;
}

unsigned helpers_guests(const struct node *n)
{
	const struct helper *h;
	unsigned k = 0;

	for (h = n->helpers; h; h = h->next)
		k += h->greeted && h->kind == HELPER_AGENT && h->arrived_ns;
	return k;
}

int helper_send(struct helper *h, const struct buf *frame, int fd)
{
	ssize_t k;

	if (!frame)
		return -EMSGSIZE;
	k = sock_send_fd(h->fd, buf_head(frame), frame->len, fd);
	return k < 0 ? (int)k : 0;
}

/* ---- traces ----------------------------------------------------------------------------------------------------- */

static void trace_order(struct helper *h, bool on)
{
	struct wire_helper_trace_on m = {.on = on};

	(void)!helper_send(h, NODE_FRAME(h->node, helper_trace_on, &m), -1);
}

/* Takes it off its helper; the request is still to be answered. */
static struct request *trace_take(struct trace *t)
{
	struct request *req = t->req;
	struct trace **p;

	for (p = &t->helper->traces; *p != t; p = &(*p)->next)
		;
	*p = t->next;
	free(t);
	req->gone = NULL;
	return req;
}

static void trace_end(struct trace *t, unsigned reason, const char *sentence)
{
	req_refuse(trace_take(t), reason, "%s", sentence);
}

static void trace_gone(struct request *req, void *arg)
{
	struct trace *t = arg;
	struct helper *h = t->helper;

	req_reply(trace_take(t), NULL);
	if (!h->traces)
		trace_order(h, false);
}

int helper_trace(struct helper *h, struct request *req, struct err *e)
{
	struct trace *t = calloc(1, sizeof(*t));

	if (!t)
		return err_set(e, -ENOMEM, "out of memory");
	if (!h->traces)
		trace_order(h, true);
	*t = (struct trace){.next = h->traces, .helper = h, .req = req};
	h->traces = t;
	req->gone = trace_gone;
	req->gone_arg = t;
	return 0;
}

static void on_trace(struct helper *h, const struct wire_helper_trace *m)
{
	struct trace *t, *next;
	char line[1001];

	wire_str_copy(line, sizeof(line), m->line);
	for (t = h->traces; t; t = next) {
		next = t->next; /* a client that cannot be written to goes, and its trace with it */
		req_continue(t->req, json_pack("{s:I, s:I, s:o}", "time_ns", (json_int_t)m->time_ns, "us",
					       (json_int_t)m->us, "line", json_text(line)));
	}
}

/* ---- messages -----------------------------------------------------------------------------------------------------
 */

static bool noted_alive(const json_t *v)
{
	struct proc_stat st;

	return proc_read_stat((pid_t)json_integer_value(json_array_get(v, 0)), &st) == 0 &&
	       (uint64_t)json_integer_value(json_array_get(v, 1)) == st.start_time;
}

/* Remembers which programs are helpers, for a daemon that comes after this one. */
static void helper_note(const struct helper *h)
{
	struct node *n = h->node;
	_cleanup_free_ char *text = NULL;
	struct proc_stat st;
	char path[300];
	size_t i;

	for (i = json_array_size(n->noted); i-- > 0;)
		if (!noted_alive(json_array_get(n->noted, i)) ||
		    json_integer_value(json_array_get(json_array_get(n->noted, i), 0)) == h->os_pid)
			(void)json_array_remove(n->noted, i);
	if (proc_read_stat(h->os_pid, &st) == 0)
		(void)json_array_append_new(n->noted, json_pack("[i, I, o, o]", h->os_pid, (json_int_t)st.start_time,
								json_text(h->user), json_text(h->comm)));
	text = json_dumps(n->noted, JSON_COMPACT);
	(void)snprintf(path, sizeof(path), "%s/helpers.json", n->cfg.state_dir);
	if (!text || file_write_atomic(path, text, strlen(text), 0600) < 0)
		log_warn("%s could not be written: a restarted daemon will not know its helpers", path);
}

static void noted_load(struct node *n)
{
	_cleanup_free_ char *text = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/helpers.json", n->cfg.state_dir);
	json_decref(n->noted);
	n->noted = file_read_all(path, 1 << 20, &text, NULL) == 0 ? json_loads(text, 0, NULL) : NULL;
	if (!json_is_array(n->noted)) {
		json_decref(n->noted);
		n->noted = json_array();
	}
}

/* Is the process one of them? */
static bool helper_noted(const struct node *n, pid_t pid)
{
	const json_t *v;
	size_t i;

	json_array_foreach(n->noted, i, v) if (pid > 0 && json_integer_value(json_array_get(v, 0)) == pid &&
					       noted_alive(v)) return true;
	return false;
}

/* Whose guest an agent has, its greeting does not say. */
static void noted_fill(struct helper *h)
{
	const char *user, *comm;
	const json_t *v;
	size_t i;

	json_array_foreach(h->node->noted, i, v)
	{
		if (json_integer_value(json_array_get(v, 0)) != h->os_pid || !noted_alive(v))
			continue;
		user = json_string_value(json_array_get(v, 2));
		comm = json_string_value(json_array_get(v, 3));
		(void)snprintf(h->user, sizeof(h->user), "%s", user ? user : "");
		(void)snprintf(h->comm, sizeof(h->comm), "%s", comm ? comm : "");
	}
}

static void greet_shepherd(struct helper *h)
{
	struct node *n = h->node;
	struct tracked *t = tracked_get(n, (pid_t)h->pid, NULL);

	if (!t || (h->start_time && t->start_time != h->start_time) || (t->shepherd && t->shepherd != h)) {
		log_warn("shepherd %d is for process %lld, which is not there or has another", h->os_pid,
			 (long long)h->pid);
		h->pid = 0;
		return;
	}
	t->shepherd = h;
	if (h->state == HELPER_AWAY)
		(void)snprintf(t->host, sizeof(t->host), "%s", h->host);
	moves_helper_hello(h);
}

static int on_hello(struct helper *h, const uint8_t *body, size_t len)
{
	struct wire_helper_hello m;

	if (h->greeted || wire_helper_hello_decode(&m, body, len) < 0 ||
	    (m.kind != HELPER_SHEPHERD && m.kind != HELPER_AGENT))
		return -EPROTO;
	h->greeted = true;
	h->kind = (enum helper_kind)m.kind;
	h->treat = h->kind == HELPER_SHEPHERD ? TREAT__MAX : TREAT_AUTO;
	h->state = m.state;
	h->pid = m.pid;
	h->start_time = m.start_time;
	h->mig = m.mig;
	h->link_id = m.link_id;
	wire_str_copy(h->home, sizeof(h->home), m.home);
	wire_str_copy(h->host, sizeof(h->host), m.host);
	loop_remove(take_ptr(h->deadline));
	noted_fill(h);
	helper_note(h);
	log_debug("%s %d greets, process %lld", h->kind == HELPER_AGENT ? "agent" : "shepherd", h->os_pid,
		  (long long)h->pid);
	if (h->kind == HELPER_SHEPHERD) {
		greet_shepherd(h);
		return h->pid ? 0 : -ESRCH;
	}
	if (h->state == HELPER_AWAY)
		h->arrived_ns = clock_mono_ns();
	offers_helper_hello(h);
	return 0;
}

static void take_counts(struct helper *h, struct wire_list list)
{
	struct helper_count *counts = list.count ? calloc(list.count, sizeof(*counts)) : NULL;
	struct wire_call_count c;
	size_t k = 0;

	if (!counts)
		return;
	while (wire_call_count_next(&list, &c)) /* counts the list down */
		counts[k++] = (struct helper_count){
		    .nr = c.nr, .forwarded = c.forwarded, .brought_home = c.brought_home};
	free(h->counts);
	h->counts = counts;
	h->n_counts = k;
}

static void on_status(struct helper *h, const struct wire_helper_status *m)
{
	uint64_t now = clock_mono_ns(), dt = now - h->figures_ns;
	struct tracked *t = h->kind == HELPER_SHEPHERD ? tracked_find(h->node, (pid_t)h->pid) : NULL;

	if (dt >= NSEC_PER_SEC / 4) {
		h->cpu_milli = h->figures_ns && m->cpu_us >= h->figures_cpu_us
				   ? (uint32_t)((m->cpu_us - h->figures_cpu_us) * 1000000 / dt)
				   : 0;
		h->calls_per_s = h->figures_ns && m->calls >= h->figures_calls
				     ? (uint32_t)((m->calls - h->figures_calls) * NSEC_PER_SEC / dt)
				     : 0;
		h->figures_ns = now;
		h->figures_cpu_us = m->cpu_us;
		h->figures_calls = m->calls;
	}
	h->cpu_us = m->cpu_us;
	h->rss = m->rss;
	h->calls = m->calls;
	h->brought_home = m->brought_home;
	h->bytes_in = m->bytes_in;
	h->bytes_out = m->bytes_out;
	h->state = m->state;
	h->stopped = m->stopped;
	if (h->kind == HELPER_AGENT)
		h->treat = m->treat < TREAT__MAX ? m->treat : TREAT_AUTO;
	take_counts(h, m->counts);
	if (t && m->last_home_reason)
		t->last_home_reason = m->last_home_reason;
	if (t) {
		t->away_cpu_us = m->cpu_us;
		t->away_cpu_sys_us = m->cpu_sys_us;
	}
	if (h->kind == HELPER_AGENT) {
		bool came = !h->arrived_ns;

		offers_helper_status(h);
		if (came && h->arrived_ns)
			helper_note(h); /* now with its guest's names */
	} else if (t && !t->move) {
		moves_place(t, m->state == HELPER_AWAY ? m->host : wire_str(""));
	}
}

static void on_ended(struct helper *h, const struct wire_helper_ended *m)
{
	struct tracked *t = h->kind == HELPER_SHEPHERD ? tracked_find(h->node, (pid_t)h->pid) : NULL;
	char sentence[ERR_TEXT_MAX];

	wire_str_copy(sentence, sizeof(sentence), m->sentence);
	if (m->process == HELPER_END_LOST)
		log_warn("process %lld was lost: %s", (long long)h->pid, sentence);
	else
		log_debug("%s of %lld ends: %s", h->kind == HELPER_AGENT ? "agent" : "shepherd", (long long)h->pid,
			  sentence);
	h->let_go = m->process == HELPER_END_HOME;
	if (t && m->process == HELPER_END_HOME) {
		if (m->reason)
			t->last_home_reason = m->reason;
		if (m->reason == REASON_EXEC)
			usage_clear(&t->usage);
		if (!t->move)
			moves_place(t, wire_str(""));
	}
}

static int on_forked(struct helper *maker, const struct wire_helper_forked *m, int fd);

/* Decodes a message and hands it on. -EPROTO: the connection is to be ended. */
static int dispatch(struct helper *h, unsigned type, const uint8_t *body, size_t len, int fd)
{
	union {
		struct wire_helper_prepared prepared;
		struct wire_helper_moved moved;
		struct wire_helper_status status;
		struct wire_helper_ended ended;
		struct wire_helper_trace trace;
		struct wire_helper_forked forked;
	} m;

	if (type == WIRE_HELPER_HELLO)
		return on_hello(h, body, len);
	if (!h->greeted || !(wire_type_from(type) & WIRE_FROM_HELPER))
		return -EPROTO;
	if (type == WIRE_HELPER_PREPARED && h->kind == HELPER_AGENT &&
	    wire_helper_prepared_decode(&m.prepared, body, len) == 0)
		offers_helper_prepared(h, &m.prepared);
	else if (type == WIRE_HELPER_MOVED && h->kind == HELPER_SHEPHERD &&
		 wire_helper_moved_decode(&m.moved, body, len) == 0)
		moves_helper_moved(h, &m.moved);
	else if (type == WIRE_HELPER_STATUS && wire_helper_status_decode(&m.status, body, len) == 0)
		on_status(h, &m.status);
	else if (type == WIRE_HELPER_ENDED && wire_helper_ended_decode(&m.ended, body, len) == 0)
		on_ended(h, &m.ended);
	else if (type == WIRE_HELPER_TRACE && wire_helper_trace_decode(&m.trace, body, len) == 0)
		on_trace(h, &m.trace);
	else if (type == WIRE_HELPER_FORKED && fd >= 0 && wire_helper_forked_decode(&m.forked, body, len) == 0)
		return on_forked(h, &m.forked, fd);
	else
		return -EPROTO;
	return 0;
}

/* ---- connections --------------------------------------------------------------------------------------------------
 */

static void helper_event(void *arg, int fd, uint32_t events)
{
	static uint8_t
	    bytes[MESSAGE_MAX]; /* one thread, and no callback reads another message while one is looked at */
	struct helper *h = arg;
	_cleanup_close_ int passed = -1;
	struct wire_header head;
	ssize_t k = sock_recv_fd(fd, bytes, sizeof(bytes), &passed);

	if (k == -EAGAIN || k == -EINTR)
		return;
	/* A helper that ends with an order of ours unread: the kernel says so first, unix(7), and only then gives the
	 * helper's last words. */
	if (k == -ECONNRESET && !h->reset) {
		h->reset = true;
		return;
	}
	if (k <= 0 && k != -EMSGSIZE) {
		helper_lost(h);
		return;
	}
	if (k < WIRE_HEADER_SIZE || wire_header_decode(bytes, &head) < 0 ||
	    head.length != (size_t)k - WIRE_HEADER_SIZE ||
	    dispatch(h, head.type, bytes + WIRE_HEADER_SIZE, head.length, passed) < 0) {
		log_warn("helper %d sent something unexpected; its connection is closed", h->os_pid);
		helper_lost(h);
	}
}

static void hello_late(void *arg)
{
	struct helper *h = arg;

	h->deadline = NULL;
	helper_lost(h);
}

/* A connection that may become a helper. -errno: it stays the caller's. */
static int helper_add(struct node *n, int fd, pid_t pid, struct helper **ret)
{
	struct helper *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	*h = (struct helper){.next = n->helpers, .node = n, .fd = fd, .os_pid = pid};
	h->watch = loop_add_fd(n->loop, fd, EPOLLIN, helper_event, h);
	h->deadline = loop_add_timer(n->loop, clock_mono_ns() + HELLO_NS, hello_late, h);
	if (!h->watch || !h->deadline) {
		loop_remove(h->watch);
		loop_remove(h->deadline);
		free(h);
		return -ENOMEM;
	}
	n->helpers = h;
	*ret = h;
	return 0;
}

static bool helpers_full(const struct node *n)
{
	const struct helper *h;
	unsigned k = 0;

	for (h = n->helpers; h; h = h->next)
		k++;
	return k >= HELPERS_MAX;
}

/* The helper of a process that this one's has made away from home. Its pid is the maker's word: as trustworthy. */
static int on_forked(struct helper *maker, const struct wire_helper_forked *m, int fd)
{
	struct helper *h;
	int own;

	if (m->helper <= 1 || m->helper > INT32_MAX || m->guest < 0 || m->guest > INT32_MAX)
		return -EPROTO;
	own = helpers_full(maker->node) ? -1 : fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (own < 0 || fcntl(own, F_SETFL, O_NONBLOCK) < 0 || helper_add(maker->node, own, (pid_t)m->helper, &h) < 0) {
		log_warn("helper %lld has no connection: too many of them", (long long)m->helper);
		if (own >= 0)
			(void)close(own);
		return 0; /* it ends by itself, and its process with it */
	}
	h->forked = true;
	h->link_id = m->link_id;
	h->guest = (pid_t)m->guest;
	(void)snprintf(h->comm, sizeof(h->comm), "%s", maker->comm);
	(void)snprintf(h->user, sizeof(h->user), "%s", maker->user);
	return 0;
}

static void helper_accept(void *arg, int fd, uint32_t events)
{
	struct node *n = arg;
	_cleanup_close_ int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct helper *h;
	pid_t pid;
	uid_t uid;
	gid_t gid;

	if (s < 0 || sock_peer_cred(s, &pid, &uid, &gid) < 0)
		return;
	if (helpers_full(n) || (uid != 0 && uid != n->uid && !helper_noted(n, pid))) {
		log_warn("refused a helper's connection from process %d, user id %u", pid, uid);
		return;
	}
	if (helper_add(n, s, pid, &h) == 0)
		(void)take_fd(&s);
}

int helpers_open(struct node *n, struct err *e)
{
	noted_load(n);
	n->helper_watch = loop_add_fd(n->loop, n->helper_fd, EPOLLIN, helper_accept, n);
	return n->helper_watch ? 0 : err_set(e, -ENOMEM, "out of memory");
}

/* At the daemon's end: helpers go on without it, so nothing is reported. */
void helpers_close(struct node *n)
{
	loop_remove(take_ptr(n->helper_watch));
	while (n->helpers) {
		while (n->helpers->traces)
			trace_end(n->helpers->traces, REASON_NO_DAEMON, "the daemon ends");
		helper_free(n->helpers);
	}
	json_decref(take_ptr(n->noted));
}
