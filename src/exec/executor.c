/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit-executor: executes the commands that come over one link, as one user.
 * Promise: it is that user, in every respect, before it reads a byte that came over the network; when the link is lost,
 * and however it ends itself, all its commands end. Must not: serve a second link, or be a user of another number than
 * on the caller's node.
 *
 * Started by godwit-launcher as root. A command is what it would be if the user had started it here: there is no fence
 * around it, as there is around a guest.
 */
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/file.h"
#include "../base/log.h"
#include "../base/sock.h"
#include "../wire/reasons.h"
#include "executor.h"
#include "keeper.h"

#define MESSAGE_MAX 4096
#define KEY_NS (5 * NSEC_PER_SEC)
#define LINK_NS (15 * NSEC_PER_SEC)
#define HANDSHAKE_NS (5 * NSEC_PER_SEC)

struct orders {
	const char *run, *user;
	uint64_t session;
	uid_t uid;
};

/* ---- the link -------------------------------------------------------------------------------------------------------
 */

static void end(const char *why)
{
	log_info("ends: %s", why);
	_exit(0); /* each keeper sees the end of its socket */
}

void executor_flush(struct executor *x)
{
	struct buf *out = link_out(x->link);
	struct err e = {0};
	bool full;

	if (out->len)
		x->said_ns = clock_mono_ns();
	(void)!link_flush(x->link, &e);
	(void)!loop_set_events(x->watch, link_events(x->link) | EPOLLIN);
	full = out->len >= EXEC_BACKLOG;
	if (full != x->full) {
		x->full = full;
		commands_wake(x);
	}
}

#define ON(NAME, name, call)                                                             \
	case WIRE_##NAME: {                                                              \
		struct wire_##name m;                                                    \
                                                                                         \
		return wire_##name##_decode(&m, body, h->length) < 0 ? -EPROTO : (call); \
	}

static int frame(struct executor *x, const struct wire_header *h, const uint8_t *body)
{
	switch (h->type) {
		ON(EXEC_START, exec_start, command_start(x, &m))
		ON(CLIENT_START, client_start, command_client(x, &m))
		ON(EXEC_DATA, exec_data, command_data(x, &m))
		ON(EXEC_EOF, exec_eof, command_eof(x, &m))
		ON(EXEC_WINDOW, exec_window, command_window(x, &m))
		ON(EXEC_SIGNAL, exec_signal, command_signal(x, &m))
		ON(EXEC_WINSIZE, exec_winsize, command_winsize(x, &m))
		ON(EXEC_CANCEL, exec_cancel, command_cancel(x, &m))
	case WIRE_EXEC_PING:
		return 0;
	default:
		return -EPROTO;
	}
}

static void link_event(void *arg, int fd, uint32_t events)
{
	struct executor *x = arg;
	const uint8_t *body;
	struct wire_header h;
	struct err e = {0};
	int r;

	while ((r = link_recv(x->link, &h, &body, &e)) > 0) {
		x->heard_ns = clock_mono_ns();
		x->paused = false;
		r = frame(x, &h, body);
		if (r < 0) {
			log_warn("%s came out of place", wire_type_name(h.type));
			end(strerror(-r));
		}
	}
	if (r < 0)
		end(e.text);
	executor_flush(x);
}

static void pulse(void *arg)
{
	struct executor *x = arg;
	struct wire_exec_ping m = {.id = 0};
	uint64_t now = clock_mono_ns();

	x->pulse = loop_add_timer(x->loop, now + EXEC_PING_NS, pulse, x);
	if (!x->paused && now > x->heard_ns + EXEC_SILENT_NS)
		end("the caller's node has fallen silent");
	if (now >= x->said_ns + EXEC_PING_NS && wire_exec_ping_encode(&m, link_out(x->link)) == 0)
		executor_flush(x);
}

/* The daemon says nothing more: its end means that no more commands are taken, because it was blocked, or for the
 * next daemon does not know us. */
static void daemon_gone(void *arg, int fd, uint32_t events)
{
	struct executor *x = arg;
	struct wire_exec_going m = {.id = 0};

	loop_remove(take_ptr(x->daemon_watch));
	(void)close(take_fd(&x->daemon));
	(void)!wire_exec_going_encode(&m, link_out(x->link));
	executor_flush(x);
}

/* ---- keepers --------------------------------------------------------------------------------------------------------
 */

int executor_keeper(struct executor *x, pid_t pid)
{
	size_t cap = x->cap_keepers ? 2 * x->cap_keepers : 64;
	pid_t *p;

	if (x->n_keepers == x->cap_keepers) {
		p = realloc(x->keepers, cap * sizeof(*p));
		if (!p)
			return -ENOMEM;
		x->keepers = p;
		x->cap_keepers = cap;
	}
	x->keepers[x->n_keepers++] = pid;
	return 0;
}

static void on_signal(void *arg, int signo)
{
	struct executor *x = arg;
	bool strays = false;
	int status;
	size_t i;
	pid_t pid;

	if (signo == SIGTERM)
		end("told to");
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (i = 0; i < x->n_keepers && x->keepers[i] != pid; i++)
			;
		/* Who killed a keeper has left us its children; when those end, theirs. */
		strays |= i == x->n_keepers || WIFSIGNALED(status);
		if (i < x->n_keepers)
			x->keepers[i] = x->keepers[--x->n_keepers];
	}
	if (strays)
		keeper_kill_strays(x->keepers, x->n_keepers);
}

/* ---- start ----------------------------------------------------------------------------------------------------------
 */

/* From root to the user, for good. */
static int become_user(const struct orders *o, struct err *e)
{
	const struct passwd *pw = getpwnam(o->user);

	if (!pw)
		return err_reason(e, REASON_USER, -ENOENT, "there is no user %s", o->user);
	if (pw->pw_uid != o->uid)
		return err_reason(e, REASON_USER, -EPERM,
				  "user %s has the number %u here, and %u there, so files would be another's", o->user,
				  pw->pw_uid, o->uid);
	if (geteuid() != 0)
		return geteuid() == o->uid ? 0 : err_reason(e, REASON_USER, -EPERM, "only root can become %s", o->user);
	if (initgroups(o->user, pw->pw_gid) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	    setresuid(o->uid, o->uid, o->uid) < 0)
		return err_reason(e, REASON_INTERNAL, -errno, "cannot become the user %s: %s", o->user,
				  strerror(errno));
	return 0;
}

static int say_hello(int fd, const struct orders *o, const struct err *e)
{
	struct wire_executor_hello m = {
	    .session = o->session, .error = e->code, .reason = e->reason, .sentence = wire_str(e->text)};
	_cleanup_(buf_release) struct buf b;

	buf_init(&b, MESSAGE_MAX);
	return wire_executor_hello_encode(&m, &b) == 0 && sock_send_fd(fd, buf_head(&b), b.len, -1) > 0 ? 0 : -EIO;
}

/* One order of the daemon: its body in msg. -errno */
static int order(int fd, unsigned type, uint64_t deadline, uint8_t msg[static MESSAGE_MAX], struct wire_header *h,
		 int *ret_fd)
{
	int r = sock_wait(fd, POLLIN, deadline);
	ssize_t n = r < 0 ? r : sock_recv_fd(fd, msg, MESSAGE_MAX, ret_fd);

	if (n < 0)
		return (int)n;
	if (n < WIRE_HEADER_SIZE || wire_header_decode(msg, h) < 0 || h->type != type ||
	    h->length != (size_t)n - WIRE_HEADER_SIZE)
		return -EPROTO;
	return 0;
}

static int open_link(struct executor *x, struct err *e)
{
	uint8_t key[MESSAGE_MAX], msg[MESSAGE_MAX];
	struct wire_executor_link passed;
	struct wire_executor_key k;
	struct wire_header h;
	char identity[20];
	int fd = -1, r;

	r = order(x->daemon, WIRE_EXECUTOR_KEY, clock_mono_ns() + KEY_NS, key, &h, NULL);
	if (r == 0)
		r = wire_executor_key_decode(&k, key + WIRE_HEADER_SIZE, h.length);
	if (r == 0)
		r = order(x->daemon, WIRE_EXECUTOR_LINK, clock_mono_ns() + LINK_NS, msg, &h, &fd);
	if (r == 0)
		r = wire_executor_link_decode(&passed, msg + WIRE_HEADER_SIZE, h.length);
	if (r < 0 || fd < 0 || passed.link_id != k.link_id)
		return err_set(e, r < 0 ? r : -EPROTO, "no link came");
	x->client = k.client;
	(void)snprintf(identity, sizeof(identity), "%016" PRIx64, k.link_id);
	r = link_new_psk(&x->link, fd, true, identity, k.psk.data, k.psk.len, e);
	explicit_bzero(key, sizeof(key));
	if (r < 0)
		return r;
	link_set_accept(x->link, WIRE_FROM_CALLER);
	return link_handshake_wait(x->link, clock_mono_ns() + HANDSHAKE_NS, e);
}

static int begin(struct executor *x)
{
	struct rlimit files;
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* for what a killed keeper leaves */
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		x->files = files.rlim_cur;
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGCHLD);
	if (loop_new(&x->loop) < 0 || loop_add_signals(x->loop, &set, on_signal, x) < 0)
		return -ENOMEM;
	x->heard_ns = x->said_ns = clock_mono_ns();
	x->watch = loop_add_fd(x->loop, link_fd(x->link), EPOLLIN, link_event, x);
	x->daemon_watch = loop_add_fd(x->loop, x->daemon, EPOLLIN, daemon_gone, x);
	x->pulse = loop_add_timer(x->loop, x->heard_ns + EXEC_PING_NS, pulse, x);
	return x->watch && x->daemon_watch && x->pulse ? 0 : -ENOMEM;
}

static int parse(struct orders *o, int argc, char **argv)
{
	static const struct option options[] = {{"run", required_argument, NULL, 'r'},
						{"session", required_argument, NULL, 's'},
						{"uid", required_argument, NULL, 'i'},
						{"user", required_argument, NULL, 'u'},
						{0}};
	int opt;

	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'r')
			o->run = optarg;
		else if (opt == 's')
			o->session = strtoull(optarg, NULL, 10);
		else if (opt == 'i')
			o->uid = (uid_t)strtoul(optarg, NULL, 10);
		else if (opt == 'u')
			o->user = optarg;
		else
			return -EINVAL;
	}
	return o->run && o->user && o->session && o->uid != (uid_t)-1 ? 0 : -EINVAL;
}

int main(int argc, char **argv)
{
	struct orders o = {.uid = (uid_t)-1};
	struct executor x = {.daemon = -1};
	char path[300];
	struct err e = {0}, hello = {0};
	int r;

	log_open("godwit-executor", LOG_INFO_);
	if (parse(&o, argc, argv) < 0) {
		(void)fprintf(stderr, "usage: godwit-executor --run DIR --session N --uid N --user NAME (started by "
				      "godwit-launcher)\n");
		return 2;
	}
	(void)snprintf(path, sizeof(path), "%s/exec.sock", o.run);
	x.daemon = sock_connect_unix(path, SOCK_SEQPACKET, &e);
	if (x.daemon < 0) {
		log_error("%s", e.text);
		return 1;
	}
	r = become_user(&o, &hello);
	if (say_hello(x.daemon, &o, &hello) < 0 || r < 0)
		return 1;
	x.run = o.run;
	if (open_link(&x, &e) < 0 || begin(&x) < 0) {
		log_info("ends: %s", e.code ? e.text : "out of memory");
		return 1;
	}
	link_event(&x, link_fd(x.link), EPOLLIN); /* what came with the end of the handshake */
	(void)loop_run(x.loop);
	return 0;
}
