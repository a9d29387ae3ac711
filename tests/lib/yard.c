/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The yard: real shepherds and agents on this machine, without daemons, driven line by line.
 * Promise: it plays the daemons' part of a move and nothing else, so that a test of the mechanism does not depend on
 * membership and policy. Must not: be installed.
 *
 * yard [--bin DIR] [--dir DIR]       commands on standard input, results on standard output:
 *
 * - move PID HOST: HOST is any name, or "home" -> moved PID HOST ERRNO FREEZE_US TOTAL_US BYTES TEXT; when it has
 * failed before that -> refused PID WORD..., the words of src/wire/reasons.def
 * - trace PID on|off -> trace PID TEXT, for each call
 * - fault KIND TEXT: GODWIT_FAULT of those of the KIND (shepherd or agent) started from now on; TEXT may be "-"
 * - preload FILE: LD_PRELOAD of shepherds started from now on; "-" for none
 * - helpers PID -> helpers PID SHEPHERD_PID AGENT_PID (0: none)
 * - status PID -> status PID HOST CALLS BROUGHT_HOME NAME=F/H...
 * - ahead NS: what home's monotonic clock is said to be ahead of the host's; nothing is right
 * - at any time -> ended PID HOW TEXT: a shepherd has ended
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <netinet/in.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../../src/base/clock.h"
#include "../../src/base/file.h"
#include "../../src/base/loop.h"
#include "../../src/base/sock.h"
#include "../../src/syscalls/syscalls.h"
#include "../../src/wire/reasons.h"
#include "../../src/wire/wire.h"

#define SLOTS 4096

struct move {
	bool used, want_shepherd;
	bool ordered; /* the shepherd has it; its end without an answer is the answer */
	bool prepared;
	pid_t pid;
	uint64_t id; /* mig and link id */
	char host[65];
	pid_t agent_pid;
	int agent; /* helper connection */
	uint8_t psk[32];
};

/* The helper of a process that was forked away from home: it is at hand before anything else is known of it. */
struct forked {
	int fd; /* 0: free */
	pid_t helper;
	uint64_t link_id;
};

struct shepherd {
	bool used, hello;
	pid_t pid, own_pid, agent_pid;
	int fd;
	char host[65], status[16000];
};

static struct {
	struct loop *loop;
	const char *bin;
	char dir[200], fault_shepherd[200], fault_agent[200], preload[200];
	uint16_t port;
	int64_t ahead_ns;
	int listen_tcp;
	uint64_t next_id;
	struct move moves[SLOTS];
	struct shepherd shepherds[SLOTS];
	struct forked forked[SLOTS];
	char line[4096];
	size_t line_len;
} y;

static struct move *move_by_id(uint64_t id)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (y.moves[i].used && y.moves[i].id == id)
			return &y.moves[i];
	}
	return NULL;
}

static struct shepherd *shepherd_of(pid_t pid)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (y.shepherds[i].used && y.shepherds[i].pid == pid)
			return &y.shepherds[i];
	}
	return NULL;
}

static struct forked *forked_of(int fd)
{
	for (size_t i = 0; i < SLOTS; i++) {
		if (y.forked[i].fd == fd)
			return &y.forked[i];
	}
	return NULL;
}

static void say(const char *fmt, ...) _printf_(1, 2);
static void say(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	(void)putchar('\n');
	(void)fflush(stdout);
}

static pid_t spawn(const char *program, const char *fault, const char *option, uint64_t value)
{
	char path[300], number[24];
	pid_t pid;

	(void)snprintf(path, sizeof(path), "%s/%s", y.bin, program);
	(void)snprintf(number, sizeof(number), "%" PRIu64, value);
	pid = fork();
	if (pid)
		return pid;
	if (fault[0])
		(void)setenv("GODWIT_FAULT", fault, 1);
	if (y.preload[0] && strcmp(program, "godwit-shepherd") == 0)
		(void)setenv("LD_PRELOAD", y.preload, 1);
	(void)setsid();
	(void)execl(path, program, "--run", y.dir, option, number, (char *)NULL);
	_exit(127);
}

static void send_to(int fd, struct buf *b, int pass)
{
	if (fd < 0 || sock_send_fd(fd, buf_head(b), b->len, pass) < 0)
		(void)fprintf(stderr, "yard: a helper is gone\n");
	buf_release(b);
}

static void order_guest(struct move *m)
{
	struct wire_helper_guest g = {.mig = m->id,
				      .link_id = m->id,
				      .psk = {m->psk, sizeof(m->psk)},
				      .home = wire_str("yard"),
				      .host = wire_str(m->host),
				      .pid = m->pid,
				      .mono_ahead_ns = y.ahead_ns};
	struct buf b;

	buf_init(&b, 0);
	if (wire_helper_guest_encode(&g, &b) == 0)
		send_to(m->agent, &b, -1);
}

static void order_move(struct shepherd *s, uint64_t id, const char *host, const uint8_t *psk)
{
	struct wire_helper_move m = {.mig = id,
				     .home = wire_str("yard"),
				     .host = wire_str(host),
				     .address = wire_str("127.0.0.1"),
				     .port = y.port,
				     .link_id = id,
				     .psk = {psk, psk ? 32 : 0},
				     .deadline_ms = 30000};
	struct buf b;

	buf_init(&b, 0);
	if (wire_helper_move_encode(&m, &b) == 0)
		send_to(s->fd, &b, -1);
}

static void failed(struct move *m, const char *text)
{
	say("moved %d %s %d 0 0 0 %s", m->pid, m->host[0] ? m->host : "home", -EAGAIN, text);
	m->used = false;
	/* Its agent waits for a process that will not come; a daemon would tell the launcher to end it. */
	if (m->agent >= 0)
		(void)kill(m->agent_pid, SIGTERM);
}

static void ensure_shepherd(pid_t pid)
{
	if (shepherd_of(pid))
		return;
	for (size_t i = 0; i < SLOTS; i++) {
		if (y.shepherds[i].used)
			continue;
		y.shepherds[i] = (struct shepherd){.used = true, .pid = pid, .fd = -1};
		y.shepherds[i].own_pid = spawn("godwit-shepherd", y.fault_shepherd, "--pid", (uint64_t)pid);
		return;
	}
}

/* Orders that it had are answered; those that still wait for it get another. */
static void shepherd_gone(struct shepherd *s)
{
	s->used = false;
	for (size_t i = 0; i < SLOTS; i++) {
		struct move *m = &y.moves[i];

		if (!m->used || m->pid != s->pid)
			continue;
		if (m->ordered)
			failed(m, "the shepherd has ended meanwhile");
		else if (m->want_shepherd && s->hello)
			ensure_shepherd(m->pid);
		else if (m->want_shepherd)
			failed(m, "the shepherd ended at its start");
	}
}

/* The shepherd is there and the agent is prepared: go. */
static void try_go(struct move *m)
{
	struct shepherd *s = shepherd_of(m->pid);

	if (m->want_shepherd && s && s->hello) {
		m->want_shepherd = false;
		m->ordered = true;
		order_move(s, m->id, m->host, m->psk);
	}
}

static void prepared(const uint8_t *body, size_t n)
{
	struct wire_helper_prepared p;
	struct move *m;
	char text[401];

	if (wire_helper_prepared_decode(&p, body, n) < 0 || !(m = move_by_id(p.mig)))
		return;
	(void)!wire_str_copy(text, sizeof(text), p.sentence);
	if (p.error) {
		failed(m, text);
		return;
	}
	m->prepared = true;
	m->want_shepherd = true;
	ensure_shepherd(m->pid);
	try_go(m);
}

/* A process that was forked away from home has its first shepherd. */
static void add_shepherd(int fd, pid_t pid)
{
	const struct forked *f = forked_of(fd);

	for (size_t i = 0; f && !shepherd_of(pid) && i < SLOTS; i++) {
		if (y.shepherds[i].used)
			continue;
		y.shepherds[i] = (struct shepherd){.used = true, .pid = pid, .own_pid = f->helper, .fd = fd};
		return;
	}
}

static void hello(int fd, const uint8_t *body, size_t n)
{
	struct wire_helper_hello h;

	if (wire_helper_hello_decode(&h, body, n) < 0)
		return;
	if (h.kind == HELPER_AGENT) {
		struct move *m = move_by_id(h.mig);

		if (m) {
			m->agent = fd;
			order_guest(m);
		} else if (forked_of(fd) && shepherd_of((pid_t)h.pid)) {
			shepherd_of((pid_t)h.pid)->agent_pid = forked_of(fd)->helper;
		}
		return;
	}
	add_shepherd(fd, (pid_t)h.pid);
	for (size_t i = 0; i < SLOTS; i++) {
		if (y.shepherds[i].used && y.shepherds[i].pid == h.pid) {
			y.shepherds[i].fd = fd;
			y.shepherds[i].hello = true;
		}
	}
	for (size_t i = 0; i < SLOTS; i++) {
		if (y.moves[i].used && y.moves[i].pid == h.pid)
			try_go(&y.moves[i]);
	}
}

static void say_refusals(pid_t pid, const struct wire_helper_moved *m)
{
	struct wire_list list = m->refusals;
	struct wire_refusal one;
	char words[400] = "";
	size_t len = 0;

	while (len < sizeof(words) && wire_refusal_next(&list, &one))
		len += (size_t)snprintf(words + len, sizeof(words) - len, " %s", reason_word(one.reason));
	if (m->error)
		say("refused %d %s%s", pid, reason_word(m->reason), words);
}

static void moved(int fd, const uint8_t *body, size_t n)
{
	struct wire_helper_moved m;
	char text[401], host[65];
	struct move *mv;
	pid_t pid = 0;

	if (wire_helper_moved_decode(&m, body, n) < 0)
		return;
	(void)!wire_str_copy(text, sizeof(text), m.sentence);
	(void)!wire_str_copy(host, sizeof(host), m.host);
	for (size_t i = 0; i < SLOTS; i++) {
		if (y.shepherds[i].used && y.shepherds[i].fd == fd) {
			pid = y.shepherds[i].pid;
			(void)snprintf(y.shepherds[i].host, 65, "%s", host);
		}
	}
	say_refusals(pid, &m);
	say("moved %d %s %" PRId64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " %s", pid, host[0] ? host : "home", m.error,
	    m.freeze_us, m.total_us, m.bytes, text);
	mv = move_by_id(m.mig);
	if (!mv)
		return;
	mv->used = false;
	if (m.error && mv->agent >= 0)
		(void)kill(mv->agent_pid, SIGTERM); /* as PEER_CANCEL would */
	else if (!m.error && shepherd_of(pid))
		shepherd_of(pid)->agent_pid = mv->agent_pid;
}

static void status(const uint8_t *body, size_t n)
{
	struct wire_helper_status m;
	struct wire_call_count c;
	struct shepherd *s;
	char host[65];
	int at;

	if (wire_helper_status_decode(&m, body, n) < 0 || !(s = shepherd_of((pid_t)m.pid)))
		return;
	(void)!wire_str_copy(host, sizeof(host), m.host);
	at = snprintf(s->status, sizeof(s->status), "%s %" PRIu64 " %" PRIu64, host[0] ? host : "home", m.calls,
		      m.brought_home);
	while (wire_call_count_next(&m.counts, &c) && at > 0 && (size_t)at < sizeof(s->status) - 100)
		at += snprintf(s->status + at, sizeof(s->status) - (size_t)at, " %s=%" PRIu64 "/%" PRIu64,
			       sysc_name(c.nr), c.forwarded, c.brought_home);
}

static void ended(int fd, const uint8_t *body, size_t n)
{
	struct wire_helper_ended m;
	char text[401];

	if (wire_helper_ended_decode(&m, body, n) < 0)
		return;
	(void)!wire_str_copy(text, sizeof(text), m.sentence);
	for (size_t i = 0; i < SLOTS; i++) {
		struct shepherd *s = &y.shepherds[i];

		if (!s->used || s->fd != fd)
			continue;
		say("ended %d %s %s", s->pid,
		    m.process == HELPER_END_HOME   ? "home"
		    : m.process == HELPER_END_DONE ? "done"
						   : "lost",
		    text);
		if (s->status[0])
			say("status %d %s", s->pid, s->status);
		shepherd_gone(s);
	}
}

static void trace(int fd, const uint8_t *body, size_t n)
{
	struct wire_helper_trace m;
	char text[1001];

	if (wire_helper_trace_decode(&m, body, n) < 0)
		return;
	(void)!wire_str_copy(text, sizeof(text), m.line);
	for (size_t i = 0; i < SLOTS; i++) {
		if (y.shepherds[i].used && y.shepherds[i].fd == fd)
			say("trace %d %s", y.shepherds[i].pid, text);
	}
}

struct connection {
	struct loop_watch *watch;
};

static void on_helper(void *arg, int fd, uint32_t events);

static void forked(const uint8_t *body, size_t n, int fd)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct forked *f = forked_of(0);
	struct wire_helper_forked m;

	if (!c || !f || wire_helper_forked_decode(&m, body, n) < 0) {
		free(c);
		(void)close(fd);
		return;
	}
	*f = (struct forked){.fd = fd, .helper = (pid_t)m.helper, .link_id = m.link_id};
	c->watch = loop_add_fd(y.loop, fd, EPOLLIN, on_helper, c);
}

static void on_helper(void *arg, int fd, uint32_t events)
{
	struct connection *c = arg;
	static uint8_t msg[131072];
	struct wire_header h;
	int passed = -1;
	ssize_t n = sock_recv_fd(fd, msg, sizeof(msg), &passed);
	const uint8_t *body = msg + WIRE_HEADER_SIZE;

	(void)events;
	/* ECONNRESET: it ended with an order unread; what it had said before is still to be had. */
	if (n == -EAGAIN || n == -ECONNRESET)
		return;
	if (n < WIRE_HEADER_SIZE || wire_header_decode(msg, &h) < 0) {
		for (size_t i = 0; i < SLOTS; i++) {
			if (y.shepherds[i].used && y.shepherds[i].fd == fd) {
				shepherd_gone(&y.shepherds[i]); /* its orders' answers go before */
				say("ended %d killed the shepherd is gone", y.shepherds[i].pid);
			}
			if (y.moves[i].used && y.moves[i].agent == fd) {
				y.moves[i].agent = -1;
				if (!y.moves[i].prepared)
					failed(&y.moves[i], "the agent has ended before it was prepared");
			}
		}
		if (forked_of(fd))
			forked_of(fd)->fd = 0;
		loop_remove(c->watch);
		free(c);
		(void)close(fd);
		return;
	}
	switch (h.type) {
	case WIRE_HELPER_HELLO:
		hello(fd, body, h.length);
		break;
	case WIRE_HELPER_PREPARED:
		prepared(body, h.length);
		break;
	case WIRE_HELPER_MOVED:
		moved(fd, body, h.length);
		break;
	case WIRE_HELPER_STATUS:
		status(body, h.length);
		break;
	case WIRE_HELPER_ENDED:
		ended(fd, body, h.length);
		break;
	case WIRE_HELPER_TRACE:
		trace(fd, body, h.length);
		break;
	case WIRE_HELPER_FORKED:
		forked(body, h.length, passed);
		break;
	default:
		break;
	}
}

static void on_accept(void *arg, int fd, uint32_t events)
{
	struct connection *c = calloc(1, sizeof(*c));
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)arg;
	(void)events;
	if (conn < 0 || !c) {
		free(c);
		return;
	}
	c->watch = loop_add_fd(y.loop, conn, EPOLLIN, on_helper, c);
}

static void on_tcp(void *arg, int fd, uint32_t events)
{
	int conn = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	uint8_t bytes[WIRE_PREAMBLE_SIZE];
	struct wire_preamble p;
	struct move *m;
	struct buf b;

	(void)arg;
	(void)events;
	if (conn < 0)
		return;
	if (recv(conn, bytes, sizeof(bytes), MSG_WAITALL) == sizeof(bytes) && wire_preamble_decode(bytes, &p) == 0) {
		struct wire_helper_link l = {.link_id = p.id};
		int agent = (m = move_by_id(p.id)) ? m->agent : -1;

		for (size_t i = 0; i < SLOTS; i++) {
			if (y.forked[i].fd > 0 && y.forked[i].link_id == p.id)
				agent = y.forked[i].fd;
		}
		buf_init(&b, 0);
		if (agent >= 0 && wire_helper_link_encode(&l, &b) == 0)
			send_to(agent, &b, conn);
	}
	(void)close(conn);
}

static void command_move(pid_t pid, const char *host)
{
	struct shepherd *s = shepherd_of(pid);
	bool home = strcmp(host, "home") == 0;

	if (home && (!s || !s->hello)) {
		say("moved %d home %d 0 0 0 it is at home", pid, -EALREADY);
		return;
	}
	for (size_t i = 0; i < SLOTS; i++) {
		struct move *m = &y.moves[i];

		if (m->used)
			continue;
		*m = (struct move){.used = true, .pid = pid, .id = ++y.next_id, .agent = -1};
		if (home) {
			m->ordered = true;
			order_move(s, m->id, "", NULL);
			return;
		}
		(void)snprintf(m->host, sizeof(m->host), "%s", host);
		for (size_t k = 0; k < sizeof(m->psk); k++)
			m->psk[k] = (uint8_t)(random() >> 3);
		m->agent_pid = spawn("godwit-agent", y.fault_agent, "--mig", m->id);
		return;
	}
	say("moved %d %s %d 0 0 0 the yard is full", pid, host, -ENOSPC);
}

static void command(char *line)
{
	char a[64] = "", b[200] = "";
	struct shepherd *s;
	int pid = 0;

	if (sscanf(line, "move %d %63s", &pid, a) == 2) {
		command_move(pid, a);
	} else if (sscanf(line, "trace %d %63s", &pid, a) == 2 && (s = shepherd_of(pid))) {
		struct wire_helper_trace_on m = {.on = strcmp(a, "on") == 0};
		struct buf out;

		buf_init(&out, 0);
		if (wire_helper_trace_on_encode(&m, &out) == 0)
			send_to(s->fd, &out, -1);
	} else if (sscanf(line, "fault %63s %199s", a, b) == 2) {
		(void)snprintf(strcmp(a, "agent") == 0 ? y.fault_agent : y.fault_shepherd, sizeof(y.fault_agent), "%s",
			       strcmp(b, "-") == 0 ? "" : b);
	} else if (sscanf(line, "preload %199s", b) == 1) {
		(void)snprintf(y.preload, sizeof(y.preload), "%s", strcmp(b, "-") == 0 ? "" : b);
	} else if (sscanf(line, "ahead %" SCNd64, &y.ahead_ns) == 1) {
		say("ahead %" PRId64, y.ahead_ns);
	} else if (sscanf(line, "helpers %d", &pid) == 1) {
		s = shepherd_of(pid);
		say("helpers %d %d %d", pid, s ? s->own_pid : 0, s ? s->agent_pid : 0);
	} else if (sscanf(line, "status %d", &pid) == 1) {
		s = shepherd_of(pid);
		say("status %d %s", pid, s ? s->status : "home 0 0");
	} else {
		say("? %s", line);
	}
}

static void on_input(void *arg, int fd, uint32_t events)
{
	ssize_t n = read(fd, y.line + y.line_len, sizeof(y.line) - y.line_len - 1);
	char *end;

	(void)arg;
	(void)events;
	if (n <= 0) {
		loop_stop(y.loop, 0);
		return;
	}
	y.line_len += (size_t)n;
	y.line[y.line_len] = '\0';
	while ((end = strchr(y.line, '\n'))) {
		*end = '\0';
		command(y.line);
		y.line_len -= (size_t)(end + 1 - y.line);
		memmove(y.line, end + 1, y.line_len + 1);
	}
}

static void on_signal(void *arg, int signo)
{
	pid_t pid;

	(void)arg;
	(void)signo;
	while ((pid = waitpid(-1, NULL, WNOHANG)) > 0) {
		/* One that said hello is missed by its connection; these never came so far. */
		for (size_t i = 0; i < SLOTS; i++) {
			if (y.moves[i].used && y.moves[i].agent_pid == pid && y.moves[i].agent < 0 &&
			    !y.moves[i].prepared)
				failed(&y.moves[i], "the agent ended at its start");
			if (y.shepherds[i].used && y.shepherds[i].own_pid == pid && y.shepherds[i].fd < 0)
				shepherd_gone(&y.shepherds[i]);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"bin", required_argument, NULL, 'b'}, {"dir", required_argument, NULL, 'd'}, {0}};
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	char path[300];
	struct err e;
	sigset_t set;
	int opt, helper;

	(void)snprintf(y.dir, sizeof(y.dir), "/tmp/godwit-yard-%d", getpid());
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'b')
			y.bin = optarg;
		else if (opt == 'd')
			(void)snprintf(y.dir, sizeof(y.dir), "%s", optarg);
		else
			return 2;
	}
	srandom((unsigned)clock_real_ns());
	if (file_mkdir_p(y.dir, 0755) < 0 || loop_new(&y.loop) < 0)
		return 1;
	(void)snprintf(path, sizeof(path), "%s/helper.sock", y.dir);
	helper = sock_listen_unix(path, SOCK_SEQPACKET, 0666, &e);
	y.listen_tcp = sock_listen_tcp("127.0.0.1", 0, &e);
	if (helper < 0 || y.listen_tcp < 0 || getsockname(y.listen_tcp, (struct sockaddr *)&sa, &len) < 0) {
		(void)fprintf(stderr, "yard: %s\n", e.text);
		return 1;
	}
	y.port = ntohs(sa.sin_port);
	y.next_id = (uint64_t)getpid() << 20;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)signal(SIGPIPE, SIG_IGN);
	if (loop_add_signals(y.loop, &set, on_signal, NULL) < 0 ||
	    !loop_add_fd(y.loop, helper, EPOLLIN, on_accept, NULL) ||
	    !loop_add_fd(y.loop, y.listen_tcp, EPOLLIN, on_tcp, NULL) ||
	    !loop_add_fd(y.loop, STDIN_FILENO, EPOLLIN, on_input, NULL))
		return 1;
	(void)loop_run(y.loop);
	(void)unlink(path);
	(void)rmdir(y.dir);
	return 0;
}
