/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Remote execution, seen from where a command is to run: an executor for its user, and the link to the broker of the
 * same user on another node. Where it is asked for: methods_exec.c.
 * Promise: an executor whose link does not come is ended; no command, argument or byte of a stream passes through here.
 * Must not: believe anybody but the other daemon about who asks.
 *
 *   LAUNCH  PEER_EXEC_OPEN has come: the launcher starts an executor; waits for its EXECUTOR_HELLO, by which it is that
 *           user
 *   LINK    EXECUTOR_KEY and PEER_EXEC_READY are sent; waits for the broker's connection
 *   RUN     the connection was passed on; the executor lives as long as its link
 *
 * An executor whose connection to the daemon ends takes no more commands: so a node that is blocked or leaves closes
 * them, and one that was restarted begins anew.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/log.h"
#include "base/sock.h"
#include "json.h"
#include "methods.h"
#include "node.h"

#define LAUNCH_STEP_NS (6 * NSEC_PER_SEC)
#define LINK_NS (10 * NSEC_PER_SEC)
#define HELLO_NS (3 * NSEC_PER_SEC)
#define SESSIONS_MAX 1024
#define SESSIONS_PER_USER 32
#define CLIENT_SESSIONS_PER_USER 128 /* a client has one for each command */
#define STRANGERS_MAX 64
#define MESSAGE_MAX 4096

/* ---- the executor ---------------------------------------------------------------------------------------------- */

enum session_state { SESSION_LAUNCH, SESSION_LINK, SESSION_RUN };

struct exec_session {
	struct exec_session *next;
	struct node *node;
	struct launch *launch;
	struct loop_watch *deadline, *watch;
	enum session_state state;
	int fd; /* the executor's connection, -1 before its greeting */
	pid_t pid;
	uid_t uid;
	uint64_t id, ask, link_id; /* ask: the id of PEER_EXEC_OPEN */
	uint64_t client; /* of a client outside of the cluster; 0: of a broker on the node `peer` */
	char peer[NODE_NAME_MAX + 1];
	uint8_t psk[LINK_PSK_SIZE];
};

/* A connection to exec.sock that has not said yet which executor it is. */
struct exec_stranger {
	struct exec_stranger *next;
	struct node *node;
	struct loop_watch *watch, *deadline;
	int fd;
};

static void session_free(struct exec_session *s)
{
	struct exec_session **p;

	for (p = &s->node->exec.sessions; *p != s; p = &(*p)->next)
		;
	*p = s->next;
	s->node->exec.n_sessions--;
	launch_forget(s->launch);
	loop_remove(s->deadline);
	loop_remove(s->watch);
	if (s->fd >= 0)
		(void)close(s->fd);
	explicit_bzero(s->psk, sizeof(s->psk));
	free(s);
}

/* link_id 0: none, and e says why. */
static void answer(struct node *n, const char *peer, uint64_t ask, const struct err *e, uint64_t link_id,
		   const uint8_t psk[LINK_PSK_SIZE])
{
	struct wire_peer_exec_ready w = {
	    .id = ask, .error = e->code, .reason = e->reason, .sentence = wire_str(e->text), .link_id = link_id};
	struct peer *p = *peer ? peer_find(n, peer) : NULL;

	if (!*peer)
		client_ready(n, ask, e, link_id, psk);
	if (link_id)
		w.psk = (struct wire_bytes){psk, LINK_PSK_SIZE};
	if (p)
		(void)!peer_send(p, NODE_FRAME(n, peer_exec_ready, &w), NULL);
}

/* Gives a session up whose link has not been passed on. */
static void session_drop(struct exec_session *s, const struct err *e)
{
	struct node *n = s->node;

	log_info("no executor for user id %u of %s: %s", s->uid, s->client ? "a client" : s->peer, e->text);
	if (s->state == SESSION_LAUNCH)
		answer(n, s->peer, s->ask, e, 0, NULL);
	if (s->pid)
		launch_kill(n, s->pid);
	session_free(s);
}

static void session_late(void *arg)
{
	struct exec_session *s = arg;
	struct err e = {0};

	s->deadline = NULL;
	(void)err_reason(&e, REASON_TIMEOUT, -ETIMEDOUT, "%s",
			 s->state == SESSION_LAUNCH ? "an executor does not start in time" : "its link did not come");
	session_drop(s, &e);
}

static int session_send(struct exec_session *s, const struct buf *frame, int fd)
{
	return frame && sock_send_fd(s->fd, buf_head(frame), frame->len, fd) == (ssize_t)frame->len ? 0 : -EIO;
}

/* The executor says nothing after its greeting: what comes is its end. */
static void session_event(void *arg, int fd, uint32_t events)
{
	struct exec_session *s = arg;
	struct err e = {0};

	if (s->state == SESSION_RUN) {
		session_free(s);
		return;
	}
	(void)err_reason(&e, REASON_INTERNAL, -EPIPE, "the executor has ended");
	session_drop(s, &e);
}

static void session_greeted(struct exec_session *s, const struct wire_executor_hello *m)
{
	struct node *n = s->node;
	struct wire_executor_key key = {.link_id = s->link_id,
					.psk = {s->psk, sizeof(s->psk)},
					.home = wire_str(s->peer),
					.host = wire_str(n->name),
					.client = s->client != 0};
	struct err e = {0};

	if (m->error) {
		(void)err_reason(&e, m->reason, m->error < 0 ? (int)m->error : -EIO, "refused");
		wire_str_copy(e.text, sizeof(e.text), m->sentence);
	} else if (session_send(s, NODE_FRAME(n, executor_key, &key), -1) < 0) {
		(void)err_reason(&e, REASON_INTERNAL, -EIO, "the executor takes no order");
	}
	if (e.code) {
		session_drop(s, &e);
		return;
	}
	answer(n, s->peer, s->ask, &e, s->link_id, s->psk);
	s->state = SESSION_LINK;
	loop_remove(s->deadline);
	s->deadline = loop_add_timer(n->loop, clock_mono_ns() + LINK_NS, session_late, s);
}

static void launched(struct node *n, void *arg, pid_t pid, const struct err *e)
{
	struct exec_session *s = arg;
	struct err told = *e;

	s->launch = NULL;
	s->pid = pid;
	if (!e->code)
		return;
	if (e->code == -EPERM)
		told.reason = REASON_USER; /* the launcher's own decision */
	session_drop(s, &told);
}

/* What this node has against it: 0, or -errno with e. home "": a client, whom the administrator has let in. */
static int admit(const struct node *n, const char *home, const char *user, uid_t uid, struct err *e)
{
	const struct exec_session *s;
	unsigned k = 0;

	for (s = n->exec.sessions; s; s = s->next)
		k += s->uid == uid && !s->client == !!*home;
	if (n->leaving)
		return err_reason(e, REASON_LEAVING, -EBUSY, "%s leaves the cluster", n->name);
	if (*home && owner_admits(n, home, user, e) < 0)
		return e->code;
	if (!launcher_there(n))
		return err_reason(e, REASON_INTERNAL, -ENOTCONN, "the launcher of %s does not answer", n->name);
	if (k >= (*home ? SESSIONS_PER_USER : CLIENT_SESSIONS_PER_USER) || n->exec.n_sessions >= SESSIONS_MAX)
		return err_reason(e, REASON_BUSY, -EBUSY, "too many executors of the user are on %s already", n->name);
	return 0;
}

/* peer "": for the client. */
static void session_start(struct node *n, const char *peer, uint64_t client, const char *user, uid_t uid, uint64_t ask)
{
	struct exec_session *s;
	struct err e = {0};

	if (admit(n, peer, user, uid, &e) < 0) {
		answer(n, peer, ask, &e, 0, NULL);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		(void)err_reason(&e, REASON_INTERNAL, -ENOMEM, "out of memory");
		answer(n, peer, ask, &e, 0, NULL);
		return;
	}
	*s = (struct exec_session){.next = n->exec.sessions,
				   .node = n,
				   .fd = -1,
				   .uid = uid,
				   .id = random_id(),
				   .ask = ask,
				   .client = client,
				   .link_id = random_id()};
	(void)snprintf(s->peer, sizeof(s->peer), "%s", peer);
	random_bytes(s->psk, sizeof(s->psk));
	n->exec.sessions = s;
	n->exec.n_sessions++;
	s->deadline = loop_add_timer(n->loop, clock_mono_ns() + LAUNCH_STEP_NS, session_late, s);
	if (fault_point(FAULT_EXECUTOR_LAUNCH) < 0)
		(void)err_reason(&e, REASON_FAULT, -EIO, "fault point executor-launch");
	else
		s->launch = launch_executor(n, s->id, user, uid, launched, s, &e);
	if (!s->launch)
		session_drop(s, &e);
}

void exec_open(struct node *n, struct peer *p, const struct wire_peer_exec_open *w)
{
	char user[65];

	wire_str_copy(user, sizeof(user), w->user);
	session_start(n, p->name, 0, user, w->uid, w->id);
}

void exec_open_client(struct node *n, uint64_t client, const char *user, uid_t uid, uint64_t id)
{
	session_start(n, "", client, user, uid, id);
}

void exec_end_client(struct node *n, uint64_t client)
{
	struct exec_session *s, *next;
	struct err e = {0};

	(void)err_reason(&e, REASON_NOT_PERMITTED, -EPERM, "the key of the client was revoked");
	for (s = n->exec.sessions; s; s = next) {
		next = s->next;
		if (s->client == client)
			session_drop(s, &e);
	}
}

bool exec_link(struct node *n, int fd, uint64_t link_id)
{
	struct wire_executor_link w = {.link_id = link_id};
	struct exec_session *s;
	struct err e = {0};

	for (s = n->exec.sessions; s && !(s->state == SESSION_LINK && s->link_id == link_id); s = s->next)
		;
	if (!s)
		return false;
	if (fault_point(FAULT_EXECUTOR_PASS) < 0 || session_send(s, NODE_FRAME(n, executor_link, &w), fd) < 0) {
		(void)err_reason(&e, REASON_INTERNAL, -EIO, "its link cannot be passed on");
		session_drop(s, &e);
	} else {
		s->state = SESSION_RUN;
		loop_remove(take_ptr(s->deadline));
	}
	(void)close(fd);
	return true;
}

/* ---- exec.sock --------------------------------------------------------------------------------------------------- */

static int stranger_free(struct exec_stranger *k)
{
	struct exec_stranger **p;
	int fd = k->fd;

	for (p = &k->node->exec.strangers; *p != k; p = &(*p)->next)
		;
	*p = k->next;
	k->node->exec.n_strangers--;
	loop_remove(k->watch);
	loop_remove(k->deadline);
	free(k);
	return fd;
}

static void stranger_late(void *arg)
{
	struct exec_stranger *k = arg;

	k->deadline = NULL;
	(void)close(stranger_free(k));
}

static void stranger_event(void *arg, int fd, uint32_t events)
{
	struct exec_stranger *k = arg;
	struct node *n = k->node;
	struct wire_executor_hello m;
	struct exec_session *s = NULL;
	struct wire_header h;
	uint8_t bytes[MESSAGE_MAX];
	ssize_t r = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	fd = stranger_free(k);
	if (r >= WIRE_HEADER_SIZE && (size_t)r <= sizeof(bytes) && wire_header_decode(bytes, &h) == 0 &&
	    h.type == WIRE_EXECUTOR_HELLO && h.length == (size_t)r - WIRE_HEADER_SIZE &&
	    wire_executor_hello_decode(&m, bytes + WIRE_HEADER_SIZE, h.length) == 0)
		for (s = n->exec.sessions; s && !(s->id == m.session && s->fd < 0); s = s->next)
			;
	if (!s) {
		(void)close(fd);
		return;
	}
	s->fd = fd;
	s->watch = loop_add_fd(n->loop, fd, EPOLLIN, session_event, s);
	session_greeted(s, &m);
}

/* An executor connects while it still is root, so nobody else can pass for one. */
static void accept_executor(void *arg, int fd, uint32_t events)
{
	struct node *n = arg;
	_cleanup_close_ int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct exec_stranger *k;
	pid_t pid;
	uid_t uid;
	gid_t gid;

	if (s < 0 || sock_peer_cred(s, &pid, &uid, &gid) < 0)
		return;
	if ((uid != 0 && uid != n->uid) || n->exec.n_strangers >= STRANGERS_MAX)
		return;
	k = calloc(1, sizeof(*k));
	if (!k)
		return;
	*k = (struct exec_stranger){.next = n->exec.strangers, .node = n, .fd = s};
	k->watch = loop_add_fd(n->loop, s, EPOLLIN, stranger_event, k);
	k->deadline = loop_add_timer(n->loop, clock_mono_ns() + HELLO_NS, stranger_late, k);
	n->exec.strangers = k;
	n->exec.n_strangers++;
	(void)take_fd(&s);
}

int exec_open_socket(struct node *n, struct err *e)
{
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/exec.sock", n->cfg.run_dir);
	n->exec.fd = sock_listen_unix(path, SOCK_SEQPACKET | SOCK_NONBLOCK, 0600, e);
	if (n->exec.fd < 0)
		return n->exec.fd;
	n->exec.watch = loop_add_fd(n->loop, n->exec.fd, EPOLLIN, accept_executor, n);
	return n->exec.watch ? 0 : err_set(e, -ENOMEM, "out of memory");
}

void exec_close(struct node *n)
{
	struct exec_session *s, *next;

	for (s = n->exec.sessions; s; s = next) {
		next = s->next;
		if (!s->client || n->leaving) /* a client's is not about guests */
			session_free(s);
	}
}

void exec_free(struct node *n)
{
	while (n->exec.sessions)
		session_free(n->exec.sessions);
	while (n->exec.strangers)
		(void)close(stranger_free(n->exec.strangers));
}
