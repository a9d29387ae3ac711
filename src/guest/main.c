/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit-agent: takes one order from godwitd, and looks after one guest until it leaves or ends.
 * Promise: ends, and the guest with it, when the link is lost; survives a godwitd that is restarted. Must not: accept a
 * second order.
 */
#include "agent.h"

#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/file.h"
#include "../base/log.h"
#include "../base/prompt.h"
#include "../base/sock.h"
#include "../wire/reasons.h"

#define ORDER_NS (30 * NSEC_PER_SEC) /* from the start of the agent to a running guest */
#define RECONNECT_NS (500 * NSEC_PER_MSEC)
#define MESSAGE_MAX 65536

static void connect_helper(void *arg);

void agent_end(struct agent *a, int status, const char *fmt, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	family_leave(a);
	if (a->helper >= 0) {
		struct wire_helper_ended m = {.pid = a->home_pid,
					      .sentence = wire_str(text),
					      .process = status ? HELPER_END_LOST : HELPER_END_HOME};
		struct buf b;

		buf_init(&b, MESSAGE_MAX);
		if (wire_helper_ended_encode(&m, &b) == 0)
			(void)!sock_send_fd(a->helper, buf_head(&b), b.len, -1);
		buf_release(&b);
	}
	log_line(status ? LOG_WARN_ : LOG_INFO_, "%s", text);
	/* The guest goes with us: PTRACE_O_EXITKILL. Its namespace's init hears that the last agent has gone. */
	_exit(status);
}

static int send_helper(struct agent *a, struct buf *b)
{
	ssize_t n = sock_send_fd(a->helper, buf_head(b), b->len, -1);

	buf_release(b);
	return n < 0 ? (int)n : 0;
}

static int say_hello(struct agent *a)
{
	struct wire_helper_hello m = {.kind = HELPER_AGENT,
				      .state = a->state >= AGENT_RUNNING || a->family.born ? HELPER_AWAY
											   : HELPER_PREPARING,
				      .pid = a->home_pid,
				      .home = wire_str(a->home),
				      .host = wire_str(a->host),
				      .mig = a->mig,
				      .link_id = a->link_id};
	struct buf b;
	int r;

	buf_init(&b, MESSAGE_MAX);
	r = wire_helper_hello_encode(&m, &b);
	return r < 0 ? r : send_helper(a, &b);
}

static int say_prepared(struct agent *a, const struct err *e)
{
	struct wire_helper_prepared m = {.mig = a->mig,
					 .error = e->code,
					 .reason = e->code && !e->reason ? REASON_NODE_NO_KERNEL : e->reason,
					 .sentence = wire_str(e->text)};
	struct buf b;
	int r;

	buf_init(&b, MESSAGE_MAX);
	r = wire_helper_prepared_encode(&m, &b);
	return r < 0 ? r : send_helper(a, &b);
}

void agent_say_status(struct agent *a)
{
	struct wire_helper_status m = {.pid = a->home_pid,
				       .host = wire_str(a->host),
				       .state = HELPER_AWAY,
				       .calls = a->seq,
				       .treat = a->treat,
				       .stopped = a->b.head.stopped};
	struct proc_stat st;
	struct buf b;

	if (a->helper < 0 || a->state < AGENT_RUNNING)
		return;
	m.cpu_us = agent_cpu_us(a);
	if (proc_read_stat(main_tracee(a)->pid, &st) == 0)
		m.rss = (uint64_t)st.rss_pages * IMAGE_PAGE;
	buf_init(&b, MESSAGE_MAX);
	if (wire_helper_status_encode(&m, &b) < 0 || send_helper(a, &b) < 0)
		log_debug("godwitd does not take the figures");
	buf_release(&b);
}

static int order(struct agent *a, const uint8_t *body, size_t n)
{
	struct wire_helper_guest m;
	struct err e = {0};
	int r = wire_helper_guest_decode(&m, body, n);

	if (r < 0 || a->state != AGENT_IDLE || m.mig != a->mig || m.psk.len > sizeof(a->psk) || m.pid <= 1)
		return -EPROTO;
	a->link_id = m.link_id;
	memcpy(a->psk, m.psk.data, m.psk.len);
	a->psk_len = m.psk.len;
	(void)!wire_str_copy(a->home, sizeof(a->home), m.home);
	(void)!wire_str_copy(a->host, sizeof(a->host), m.host);
	a->home_pid = (pid_t)m.pid;
	a->waits.ahead_ns = m.mono_ahead_ns;
	r = fault_point(FAULT_GUEST_ORDERED) < 0 ? err_reason(&e, REASON_FAULT, -EIO, "fault point guest-ordered")
						 : agent_prepare(a, &e);
	if (r == 0 && fault_point(FAULT_GUEST_PREPARED) < 0)
		r = err_reason(&e, REASON_FAULT, -EIO, "fault point guest-prepared");
	a->state = AGENT_PREPARED;
	if (r < 0 && !e.code)
		(void)err_set(&e, r, "the agent cannot prepare: %s", strerror(-r));
	if (say_prepared(a, &e) < 0 || r < 0)
		agent_end(a, 1, "%s", e.code ? e.text : "godwitd is gone");
	return 0;
}

static int take_link(struct agent *a, const uint8_t *body, size_t n, int fd)
{
	struct wire_helper_link m;
	struct err e = {0};
	int r = wire_helper_link_decode(&m, body, n);

	if (r < 0 || fd < 0 || a->state != AGENT_PREPARED || a->link || m.link_id != a->link_id) {
		if (fd >= 0)
			(void)close(fd);
		return -EPROTO;
	}
	if (agent_link_start(a, fd, &e) < 0)
		agent_end(a, 1, "the link from %s cannot be opened: %s", a->home, e.text);
	return 0;
}

static int evict(struct agent *a, const uint8_t *body, size_t n)
{
	struct wire_helper_evict m;
	int r = wire_helper_evict_decode(&m, body, n);

	return r < 0 ? r : agent_bring_home(a, NULL, m.reason, 0, reason_sentence(m.reason));
}

static void on_helper(void *arg, int fd, uint32_t events)
{
	struct agent *a = arg;
	uint8_t msg[MESSAGE_MAX];
	struct wire_header h;
	int passed = -1;
	ssize_t n = sock_recv_fd(fd, msg, sizeof(msg), &passed);
	int r;

	(void)events;
	if (n == -EAGAIN || n == -EINTR)
		return;
	if (n < WIRE_HEADER_SIZE) {
		/* godwitd is gone. A guest that runs does not need it; one that does not, never will. */
		if (a->state < AGENT_RECEIVING)
			agent_end(a, 1, "godwitd went away before the process came");
		loop_remove(a->helper_watch);
		(void)close(fd);
		a->helper = -1;
		if (!loop_add_timer(a->loop, clock_mono_ns() + RECONNECT_NS, connect_helper, a))
			agent_end(a, 1, "out of memory");
		return;
	}
	r = wire_header_decode(msg, &h);
	if (r == 0 && h.length != (size_t)n - WIRE_HEADER_SIZE)
		r = -EPROTO;
	if (r == 0 && h.type == WIRE_HELPER_GUEST) {
		r = order(a, msg + WIRE_HEADER_SIZE, h.length);
	} else if (r == 0 && h.type == WIRE_HELPER_LINK) {
		r = take_link(a, msg + WIRE_HEADER_SIZE, h.length, passed);
		passed = -1;
	} else if (r == 0 && h.type == WIRE_HELPER_EVICT && a->state == AGENT_RUNNING) {
		r = evict(a, msg + WIRE_HEADER_SIZE, h.length);
	}
	if (passed >= 0)
		(void)close(passed);
	if (r < 0)
		agent_end(a, 1, "order %s of godwitd cannot be obeyed: %s", wire_type_name(h.type), strerror(-r));
}

int agent_greet(struct agent *a, int helper)
{
	a->helper = helper;
	a->helper_watch = loop_add_fd(a->loop, helper, EPOLLIN, on_helper, a);
	return a->helper_watch ? say_hello(a) : -ENOMEM;
}

static void connect_helper(void *arg)
{
	struct agent *a = arg;
	char path[200];
	int fd;

	(void)snprintf(path, sizeof(path), "%s/helper.sock", a->run_dir);
	fd = sock_connect_unix(path, SOCK_SEQPACKET, NULL);
	a->helper = fd;
	if (fd >= 0 && agent_greet(a, fd) < 0) {
		loop_remove(a->helper_watch);
		(void)close(fd);
		a->helper = -1;
	}
	agent_say_status(a);
	if (a->helper < 0 && !loop_add_timer(a->loop, clock_mono_ns() + RECONNECT_NS, connect_helper, a))
		agent_end(a, 1, "out of memory");
}

static void on_signal(void *arg, int signo)
{
	struct agent *a = arg;

	if (signo == SIGTERM)
		agent_end(a, 0, "told to end");
	agent_on_stop(a);
}

static void on_order_deadline(void *arg)
{
	struct agent *a = arg;

	if (a->state < AGENT_RECEIVING)
		agent_end(a, 1, "the process did not come in %llu s", ORDER_NS / NSEC_PER_SEC);
}

int agent_begin(struct agent *a)
{
	sigset_t set;
	int r;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	r = loop_add_signals(a->loop, &set, on_signal, a);
	if (r == 0 && !loop_add_timer(a->loop, clock_mono_ns() + ORDER_NS, on_order_deadline, a))
		r = -ENOMEM;
	return r;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"run", required_argument, NULL, 'r'}, {"mig", required_argument, NULL, 'm'}, {0}};
	struct agent a = {.helper = -1,
			  .memfd = -1,
			  .uffd = -1,
			  .notify = -1,
			  .pagemap = -1,
			  .last_pid = -1,
			  .run_dir = "/run/godwit"};
	int opt;

	log_open("godwit-agent", LOG_INFO_);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'r') {
			a.run_dir = optarg;
		} else if (opt == 'm') {
			a.mig = strtoull(optarg, NULL, 10);
		} else {
			(void)fprintf(stderr, "usage: godwit-agent --run DIR --mig N (started by godwit-launcher)\n");
			return 2;
		}
	}
	(void)prctl(PR_SET_DUMPABLE, 0);
	buf_init(&a.segments, 0);
	buf_init(&a.deferred, 0);
	(void)signal(SIGPIPE, SIG_IGN);
	if (loop_new(&a.loop) < 0 || agent_begin(&a) < 0) {
		log_error("the agent cannot start");
		return 1;
	}
	prompt_raise(0, NULL); /* whoever waits for an answer should not wait for the guests' time slices as well */
	connect_helper(&a);
	(void)loop_run(a.loop);
	return 0;
}
