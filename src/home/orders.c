/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conversation with godwitd.
 * Promise: every order is answered by HELPER_MOVED; a godwitd that is restarted finds this shepherd again. Must not:
 * depend on godwitd for anything that the process needs while it is away.
 */
#include "shepherd.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/log.h"
#include "../base/sock.h"
#include "../wire/reasons.h"

#define RECONNECT_NS (500 * NSEC_PER_MSEC)
#define MESSAGE_MAX ((size_t)128 << 10)
/* For estimates: what a link carries in a second, and what a move costs besides. Measured: docs/measurements.md. */
#define ESTIMATE_BYTES_PER_US 700
#define ESTIMATE_FIXED_US 5000

int shepherd_say(struct shepherd *s, struct buf *b)
{
	ssize_t n = s->helper >= 0 && b->len ? sock_send_fd(s->helper, buf_head(b), b->len, -1) : 0;

	buf_release(b);
	return n < 0 ? (int)n : 0;
}

void shepherd_say_moved(struct shepherd *s, const struct err *e, uint64_t freeze_ns)
{
	struct wire_refusal refusals[INSPECT_REASONS_MAX];
	struct wire_helper_moved m = {.mig = s->mig,
				      .error = e->code,
				      .reason = e->reason,
				      .sentence = wire_str(e->text),
				      .host = wire_str(s->host),
				      .freeze_us = freeze_ns / NSEC_PER_USEC,
				      .total_us = (clock_mono_ns() - s->order_ns) / NSEC_PER_USEC,
				      .bytes = s->move_bytes};
	struct buf b;

	if (!s->mig)
		return;
	for (size_t i = 0; i < s->facts.n; i++)
		refusals[i] = (struct wire_refusal){.reason = s->facts.reasons[i].reason,
						    .sentence = wire_str(s->facts.reasons[i].sentence)};
	m.refusals = (struct wire_list){.items = refusals, .count = e->code ? (uint32_t)s->facts.n : 0};
	if (!e->code)
		m.sentence.len = 0;
	buf_init(&b, MESSAGE_MAX);
	if (wire_helper_moved_encode(&m, &b) < 0 || shepherd_say(s, &b) < 0)
		log_warn("the result of a move could not be reported");
	s->mig = 0;
}

void shepherd_say_status(struct shepherd *s)
{
	struct wire_call_count counts[ARRAY_SIZE(s->counts)];
	struct wire_helper_status m = {.pid = s->pid,
				       .host = wire_str(s->host),
				       .state = s->host[0] ? HELPER_AWAY : HELPER_HOME,
				       .stopped = s->host[0] && s->head.stopped,
				       .cpu_us = s->cpu_us,
				       .cpu_sys_us = s->cpu_sys_us,
				       .rss = s->rss,
				       .calls = s->calls,
				       .brought_home = s->brought_home,
				       .bytes_in = s->bytes_in,
				       .bytes_out = s->bytes_out,
				       .last_home_reason = s->last_home_reason};
	uint32_t n = 0;
	struct buf b;

	for (size_t i = 0; i < ARRAY_SIZE(s->counts); i++) {
		if (s->counts[i].forwarded || s->counts[i].brought_home)
			counts[n++] = (struct wire_call_count){.nr = (uint16_t)i,
							       .forwarded = s->counts[i].forwarded,
							       .brought_home = s->counts[i].brought_home};
	}
	m.counts = (struct wire_list){.items = counts, .count = n};
	buf_init(&b, MESSAGE_MAX);
	if (wire_helper_status_encode(&m, &b) == 0)
		(void)!shepherd_say(s, &b);
	buf_release(&b);
	s->status_due = false;
}

void shepherd_say_trace(struct deputy *d, int64_t ret)
{
	struct shepherd *s = d->s;
	uint64_t now = clock_mono_ns();
	char line[1000];
	struct wire_helper_trace m = {.time_ns = clock_real_ns(), .us = (now - d->call.begun_ns) / NSEC_PER_USEC};
	struct buf b;

	sysc_decode(d->call.m.nr, d->call.m.args, d->call.m.segments.data, d->call.m.segments.len, ret,
		    d->answer.len ? buf_head(&d->answer) : NULL, d->answer.len, line, sizeof(line));
	m.line = wire_str(line);
	buf_init(&b, MESSAGE_MAX);
	if (wire_helper_trace_encode(&m, &b) == 0)
		(void)!shepherd_say(s, &b);
	buf_release(&b);
}

void shepherd_end(struct shepherd *s, enum helper_end how, unsigned reason, const char *fmt, ...)
{
	struct wire_helper_ended m = {.pid = s->pid, .reason = reason, .process = (uint8_t)how};
	char text[400];
	struct buf b;
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m.sentence = wire_str(text);
	/* What it did since the last figures would be told to nobody. */
	if (s->status_due)
		shepherd_say_status(s);
	if (s->mig) {
		struct err e = {0};

		(void)err_reason(&e, reason, -ESRCH, "%s", text);
		shepherd_say_moved(s, &e, 0);
	}
	buf_init(&b, MESSAGE_MAX);
	if (wire_helper_ended_encode(&m, &b) == 0)
		(void)!shepherd_say(s, &b);
	log_line(how == HELPER_END_LOST ? LOG_ERROR_ : LOG_INFO_, "%s", text);
	_exit(how == HELPER_END_LOST);
}

/* LINK_LOST is for the end of a process. What failed here was only the way to another node, before the process had gone
 * there: the process goes on. */
static void target_lost(const struct shepherd *s, const struct wire_helper_move *m, struct err *e)
{
	bool broken = (!e->reason || e->reason == REASON_INTERNAL) && (e->code == -ECONNRESET || e->code == -EPIPE);
	char to[65];

	if (e->reason != REASON_LINK_LOST && !broken)
		return;
	(void)!wire_str_copy(to, sizeof(to), m->host);
	e->reason = REASON_NODE_UNREACHABLE;
	/* What the link said is not what its user wants to know first. */
	(void)err_prefix(e, "%s was lost on the way; process %d goes on %s%s", to, s->pid,
			 s->host[0] ? "on " : "at home", s->host);
}

static int move(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_helper_move m;
	struct err e = {0};
	int r = wire_helper_move_decode(&m, body, n);

	if (r < 0)
		return r;
	s->mig = m.mig;
	s->order_ns = clock_mono_ns();
	s->move_bytes = 0;
	s->facts.n = 0;
	(void)!wire_str_copy(s->home, sizeof(s->home), m.home);
	if (!s->host[0]) {
		s->cpu_us = m.cpu_us;
		s->cpu_sys_us = m.cpu_sys_us < m.cpu_us ? m.cpu_sys_us : m.cpu_us;
	}
	if (fault_point(FAULT_SHEP_ORDERED) < 0) {
		r = err_reason(&e, REASON_FAULT, -EIO, "fault point shep-ordered");
	} else if (m.dry_run && !s->host[0]) {
		r = shepherd_leave_home(s, &m, &e);
		s->move_bytes = s->facts.dirty_bytes;
	} else if (m.dry_run) {
		s->move_bytes = s->rss;
	} else if (s->host[0] && !s->link) {
		r = err_reason(&e, REASON_BUSY, -EAGAIN, "process %d is just being born on %s", s->pid, s->host);
	} else if (s->lent || s->shares) {
		r = err_reason(&e, REASON_BUSY, -EAGAIN, "process %d shares its memory with its %s, in vfork()", s->pid,
			       s->lent ? "child" : "parent");
	} else if (wire_str_equal(m.host, s->host)) {
		r = err_reason(&e, REASON_ALREADY_THERE, -EALREADY, "process %d is there already", s->pid);
	} else if (!m.host.len) {
		shepherd_come_home(s, REASON_REQUESTED);
		return 0;
	} else if (!s->host[0]) {
		r = shepherd_leave_home(s, &m, &e);
	} else {
		r = shepherd_go_on(s, &m, &e);
	}
	if (r < 0 && !e.code)
		(void)err_set(&e, r, "the move failed: %s", strerror(-r));
	target_lost(s, &m, &e);
	/* An estimate of the whole, too, instead of the time that looking took. */
	if (m.dry_run)
		s->order_ns = clock_mono_ns() -
			      (2 * ESTIMATE_FIXED_US + s->move_bytes / ESTIMATE_BYTES_PER_US) * NSEC_PER_USEC;
	shepherd_say_moved(s, &e,
			   m.dry_run ? (ESTIMATE_FIXED_US + s->move_bytes / ESTIMATE_BYTES_PER_US) * NSEC_PER_USEC
				     : s->freeze_ns);
	if (!s->host[0])
		shepherd_end(s, HELPER_END_HOME, e.reason, "process %d stays home%s%s", s->pid, e.code ? ": " : "",
			     e.code ? e.text : "");
	shepherd_say_status(s);
	if (shepherd_home_now(s))
		shepherd_come_home(s, threads_signal_held(s) ? REASON_SIGNAL : s->home_reason);
	/* Waiting for one answer may have taken more off the socket. */
	shepherd_pump(s);
	return 0;
}

static void on_helper(void *arg, int fd, uint32_t events)
{
	struct shepherd *s = arg;
	struct wire_helper_trace_on on;
	struct wire_helper_treat treat;
	struct wire_header h;
	uint8_t msg[4096];
	ssize_t n = sock_recv_fd(fd, msg, sizeof(msg), NULL);
	int r;

	(void)events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n < WIRE_HEADER_SIZE) {
		loop_remove(s->helper_watch);
		(void)close(fd);
		s->helper = -1;
		s->mig = 0;
		if (!s->host[0])
			shepherd_end(s, HELPER_END_HOME, REASON_NO_DAEMON, "godwitd went away; process %d stays home",
				     s->pid);
		if (!loop_add_timer(s->loop, clock_mono_ns() + RECONNECT_NS, shepherd_connect_helper, s))
			log_warn("godwitd will not be looked for again: out of memory");
		return;
	}
	r = wire_header_decode(msg, &h);
	if (r == 0 && h.length != (size_t)n - WIRE_HEADER_SIZE)
		r = -EPROTO;
	if (r == 0 && h.type == WIRE_HELPER_MOVE)
		r = move(s, msg + WIRE_HEADER_SIZE, h.length);
	else if (r == 0 && h.type == WIRE_HELPER_TRACE_ON &&
		 (r = wire_helper_trace_on_decode(&on, msg + WIRE_HEADER_SIZE, h.length)) == 0)
		s->trace = on.on;
	else if (r == 0 && h.type == WIRE_HELPER_TREAT &&
		 (r = wire_helper_treat_decode(&treat, msg + WIRE_HEADER_SIZE, h.length)) == 0)
		s->treat = treat.treat;
	if (r < 0)
		log_warn("an order of godwitd is not understood: %s", strerror(-r));
}

static int say_hello(struct shepherd *s)
{
	struct wire_helper_hello m = {.kind = HELPER_SHEPHERD,
				      .state = s->host[0] ? HELPER_AWAY : HELPER_HOME,
				      .pid = s->pid,
				      .start_time = s->start_time,
				      .home = wire_str(s->home),
				      .host = wire_str(s->host)};
	struct buf b;
	int r;

	buf_init(&b, MESSAGE_MAX);
	r = wire_helper_hello_encode(&m, &b);
	return r < 0 ? r : shepherd_say(s, &b);
}

int shepherd_greet(struct shepherd *s, int helper)
{
	s->helper = helper;
	s->helper_watch = loop_add_fd(s->loop, helper, EPOLLIN, on_helper, s);
	return s->helper_watch ? say_hello(s) : -ENOMEM;
}

void shepherd_connect_helper(void *arg)
{
	struct shepherd *s = arg;
	char path[200];

	(void)snprintf(path, sizeof(path), "%s/helper.sock", s->run_dir);
	s->helper = sock_connect_unix(path, SOCK_SEQPACKET, NULL);
	if (s->helper >= 0 && shepherd_greet(s, s->helper) < 0) {
		loop_remove(s->helper_watch);
		(void)close(s->helper);
		s->helper = -1;
	}
	if (s->helper >= 0)
		return;
	if (!s->host[0])
		shepherd_end(s, HELPER_END_HOME, REASON_NO_DAEMON, "godwitd cannot be reached");
	if (!loop_add_timer(s->loop, clock_mono_ns() + RECONNECT_NS, shepherd_connect_helper, s))
		log_warn("godwitd will not be looked for again: out of memory");
}
