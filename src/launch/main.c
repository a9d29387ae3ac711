/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit-launcher: the one program of Godwit that stays root. It starts shepherds, agents and executors for
 * godwitd, and ends them. Promise: only the daemon's user may connect; a request that is not in the table, or whose
 * check fails, does nothing; helpers live on when the launcher ends. Must not: read a byte that came over the network,
 * nor grow another kind of request lightly.
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/sock.h"
#include "wire/wire.h"
#include "spawn.h"
#include "check.h"
#include "group.h"
#include "patience.h"

#define CHILDREN_MAX 4096
#define CLIENTS_MAX 8
#define REQUEST_MAX 512 /* bytes; the longest request is far shorter */
#define SWEEP_NS (100 * NSEC_PER_MSEC)
#define SWEEPS 50
#define TERM_NS (2 * NSEC_PER_SEC) /* from SIGTERM to SIGKILL */

struct child {
	struct child *next;
	struct launcher *launcher;
	struct loop_watch *killer;
	pid_t pid;
};

struct client {
	struct launcher *launcher;
	struct client *next;
	struct loop_watch *watch;
	int fd;
	pid_t pid; /* of the daemon */
};

struct launcher {
	struct loop *loop;
	struct client *clients;
	struct child *children;
	unsigned n_clients, n_children;
	char run[256];
	struct group group; /* of the guests' memory */
	struct patience patience; /* with those who wait for memory in it */
	struct loop_watch *sweep; /* timer: the group is to be removed */
	unsigned sweeps; /* how often that is tried yet */
	uid_t user; /* the daemon's */
	enum exec_users who; /* may have executors */
	int fd;
};

/* What a request has in it; the other fields are 0. */
struct order {
	uint64_t id, mig, bytes, session;
	int64_t pid;
	uid_t uid;
	char user[65];
};

static void client_close(struct client *c)
{
	struct client **p;

	for (p = &c->launcher->clients; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	c->launcher->n_clients--;
	loop_remove(c->watch);
	(void)close(c->fd);
	free(c);
}

/* ---- helpers -------------------------------------------------------------------------------------------------- */

static pid_t start(struct launcher *l, char *const argv[], const char *group, struct err *e)
{
	struct child *c;
	pid_t pid;

	if (l->n_children >= CHILDREN_MAX)
		return err_set(e, -EAGAIN, "%u helpers run already", l->n_children);
	if (fault_point(FAULT_LAUNCH_FORK) < 0)
		return err_set(e, -EIO, "fault point launch-fork");
	c = calloc(1, sizeof(*c));
	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	pid = spawn_helper(argv, group, e);
	if (pid < 0) {
		free(c);
		return pid;
	}
	*c = (struct child){.next = l->children, .launcher = l, .pid = pid};
	l->children = c;
	l->n_children++;
	return pid;
}

static void kill_late(void *arg)
{
	struct child *c = arg;

	c->killer = NULL;
	(void)kill(c->pid, SIGKILL);
}

/* An agent has ended, perhaps the last. What lived with it ends a little later. */
static void sweep(void *arg)
{
	struct launcher *l = arg;

	int r = group_remove(&l->group);

	l->sweep = NULL;
	if (r == 0)
		patience_end(&l->patience);
	else if (r == -EBUSY && l->sweeps-- > 0)
		l->sweep = loop_add_timer(l->loop, clock_mono_ns() + SWEEP_NS, sweep, l);
}

static void reap(void *arg, int signo)
{
	struct launcher *l = arg;
	struct child **p, *c;
	int status;
	pid_t pid;

	if (signo != SIGCHLD) {
		loop_stop(l->loop, 0);
		return;
	}
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (p = &l->children; *p && (*p)->pid != pid; p = &(*p)->next)
			;
		c = *p;
		if (!c)
			continue;
		if (WIFSIGNALED(status))
			log_warn("helper %d was ended by signal %d", pid, WTERMSIG(status));
		*p = c->next;
		l->n_children--;
		loop_remove(c->killer);
		free(c);
	}
	l->sweeps = SWEEPS;
	if (!l->sweep)
		sweep(l);
}

/* ---- the table of permitted requests ------------------------------------------------------------------------------
 */

static int decode_shepherd(struct order *o, const uint8_t *body, size_t n)
{
	struct wire_launch_shepherd m;
	int r = wire_launch_shepherd_decode(&m, body, n);

	if (r == 0)
		*o = (struct order){.id = m.id, .pid = m.pid};
	return r;
}

static int check_shepherd(struct client *c, const struct order *o, struct err *e)
{
	return check_target(o->pid, c->pid, e);
}

static pid_t do_shepherd(struct client *c, const struct order *o, struct err *e)
{
	char path[320], pid[24], arg_run[] = "--run", arg_pid[] = "--pid";
	char *argv[] = {path, arg_run, c->launcher->run, arg_pid, pid, NULL};

	(void)snprintf(pid, sizeof(pid), "%" PRId64, o->pid);
	return spawn_find("godwit-shepherd", path, sizeof(path), e) < 0 ? e->code : start(c->launcher, argv, NULL, e);
}

static int decode_agent(struct order *o, const uint8_t *body, size_t n)
{
	struct wire_launch_agent m;
	int r = wire_launch_agent_decode(&m, body, n);

	if (r == 0)
		*o = (struct order){.id = m.id, .mig = m.mig, .bytes = m.bytes};
	return r;
}

static int check_agent(struct client *c, const struct order *o, struct err *e)
{
	return o->mig ? 0 : err_set(e, -EINVAL, "an agent needs the number of its move");
}

/* The file by which an agent enters the group, NULL: there is none. A guest without a bound is better than no guest:
 * the daemon watches its memory all the same, and godwit doctor says that there is no bound. */
static const char *guests_group(struct launcher *l, uint64_t bytes, char *procs, size_t cap)
{
	struct err e = {0};

	if (!l->group.dir[0])
		return NULL;
	if (group_make(&l->group, bytes, l->user, procs, cap, &e) == 0) {
		patience_begin(&l->patience, l->loop, &l->group);
		return procs;
	}
	log_warn("the memory of guests has no bound: %s", e.text);
	return NULL;
}

static pid_t do_agent(struct client *c, const struct order *o, struct err *e)
{
	char path[320], mig[24], procs[600], arg_run[] = "--run", arg_mig[] = "--mig";
	char *argv[] = {path, arg_run, c->launcher->run, arg_mig, mig, NULL};

	(void)snprintf(mig, sizeof(mig), "%" PRIu64, o->mig);
	if (spawn_find("godwit-agent", path, sizeof(path), e) < 0)
		return e->code;
	return start(c->launcher, argv, guests_group(c->launcher, o->bytes, procs, sizeof(procs)), e);
}

static int decode_executor(struct order *o, const uint8_t *body, size_t n)
{
	struct wire_launch_executor m;
	int r = wire_launch_executor_decode(&m, body, n);

	if (r == 0)
		*o = (struct order){.id = m.id, .session = m.session, .uid = m.uid};
	return r < 0 ? r : wire_str_copy(o->user, sizeof(o->user), m.user);
}

static int check_executor(struct client *c, const struct order *o, struct err *e)
{
	return check_user(o->user, o->uid, c->launcher->user, c->launcher->who, e);
}

/* It becomes that user by itself, before it hears anything of the network: asking who that is may take long. */
static pid_t do_executor(struct client *c, const struct order *o, struct err *e)
{
	char path[320], session[24], uid[16], user[65], arg_run[] = "--run", arg_session[] = "--session";
	char arg_uid[] = "--uid", arg_user[] = "--user";
	char *argv[] = {path, arg_run, c->launcher->run, arg_session, session, arg_uid, uid, arg_user, user, NULL};

	(void)snprintf(session, sizeof(session), "%" PRIu64, o->session);
	(void)snprintf(uid, sizeof(uid), "%u", o->uid);
	memcpy(user, o->user, sizeof(user));
	return spawn_find("godwit-executor", path, sizeof(path), e) < 0 ? e->code : start(c->launcher, argv, NULL, e);
}

static int decode_kill(struct order *o, const uint8_t *body, size_t n)
{
	struct wire_launch_kill m;
	int r = wire_launch_kill_decode(&m, body, n);

	if (r == 0)
		*o = (struct order){.id = m.id, .pid = m.pid};
	return r;
}

static struct child *child_find(struct launcher *l, int64_t pid)
{
	struct child *c;

	for (c = l->children; c && c->pid != pid; c = c->next)
		;
	return c;
}

static int check_kill(struct client *c, const struct order *o, struct err *e)
{
	return child_find(c->launcher, o->pid)
		   ? 0
		   : err_set(e, -ESRCH, "%lld is no helper of this launcher", (long long)o->pid);
}

/* A helper that is asked first can clean up behind itself; one that does not listen is ended. */
static pid_t do_kill(struct client *c, const struct order *o, struct err *e)
{
	struct child *k = child_find(c->launcher, o->pid);

	(void)kill(k->pid, SIGTERM);
	if (!k->killer)
		k->killer = loop_add_timer(c->launcher->loop, clock_mono_ns() + TERM_NS, kill_late, k);
	if (!k->killer)
		(void)kill(k->pid, SIGKILL);
	return k->pid;
}

static const struct request {
	unsigned type;
	int (*decode)(struct order *o, const uint8_t *body, size_t n);
	int (*check)(struct client *c, const struct order *o, struct err *e);
	pid_t (*run)(struct client *c, const struct order *o, struct err *e);
} requests[] = {
    {WIRE_LAUNCH_SHEPHERD, decode_shepherd, check_shepherd, do_shepherd},
    {WIRE_LAUNCH_AGENT, decode_agent, check_agent, do_agent},
    {WIRE_LAUNCH_EXECUTOR, decode_executor, check_executor, do_executor},
    {WIRE_LAUNCH_KILL, decode_kill, check_kill, do_kill},
};

/* ---- the daemon's connection --------------------------------------------------------------------------------------
 */

/* Does what one message asks for. -EPROTO: not a request. */
static int serve(struct client *c, const uint8_t *p, size_t n, struct order *o, pid_t *ret_pid, struct err *e)
{
	struct wire_header h;
	size_t i;
	int r;

	if (n < WIRE_HEADER_SIZE || wire_header_decode(p, &h) < 0 || h.length != n - WIRE_HEADER_SIZE)
		return -EPROTO;
	for (i = 0; i < ARRAY_SIZE(requests) && requests[i].type != h.type; i++)
		;
	if (i == ARRAY_SIZE(requests) || requests[i].decode(o, p + WIRE_HEADER_SIZE, h.length) < 0)
		return -EPROTO;
	r = fault_point(FAULT_LAUNCH_RECEIVED) < 0 ? err_set(e, -EIO, "fault point launch-received")
						   : requests[i].check(c, o, e);
	*ret_pid = r < 0 ? r : requests[i].run(c, o, e);
	if (*ret_pid > 0 && fault_point(FAULT_LAUNCH_FORKED) < 0)
		log_debug("fault point launch-forked"); /* only its kill and stall mean something here */
	return 0;
}

static void answer(struct client *c, const struct order *o, pid_t pid, const struct err *e)
{
	struct wire_launch_done m = {
	    .id = o->id, .error = e->code, .pid = pid > 0 ? pid : 0, .sentence = wire_str(e->text)};
	_cleanup_(buf_release) struct buf b;

	buf_init(&b, 0);
	if (wire_launch_done_encode(&m, &b) < 0 || send(c->fd, buf_head(&b), b.len, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
		client_close(c);
}

static void client_event(void *arg, int fd, uint32_t events)
{
	struct client *c = arg;
	uint8_t bytes[REQUEST_MAX];
	struct order o = {0};
	struct err e = {0};
	pid_t pid = 0;
	ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_close(c);
		return;
	}
	if ((size_t)n > sizeof(bytes) || serve(c, bytes, (size_t)n, &o, &pid, &e) < 0) {
		log_warn("the daemon sent something that is no request; its connection is closed");
		client_close(c);
		return;
	}
	if (e.code)
		log_info("refused: %s", e.text);
	answer(c, &o, pid, &e);
}

static void accept_client(void *arg, int fd, uint32_t events)
{
	struct launcher *l = arg;
	_cleanup_close_ int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *c;
	pid_t pid;
	uid_t uid;
	gid_t gid;

	if (s < 0 || sock_peer_cred(s, &pid, &uid, &gid) < 0)
		return;
	if (uid != l->user || l->n_clients >= CLIENTS_MAX) {
		log_warn("refused a connection of process %d, user id %u", pid, uid);
		return;
	}
	c = calloc(1, sizeof(*c));
	if (!c)
		return;
	*c = (struct client){.launcher = l, .next = l->clients, .fd = s, .pid = pid};
	c->watch = loop_add_fd(l->loop, s, EPOLLIN, client_event, c);
	if (!c->watch) {
		free(c);
		return;
	}
	(void)take_fd(&s);
	l->clients = c;
	l->n_clients++;
}

/* ---- start --------------------------------------------------------------------------------------------------------
 */

/* The user as whom godwitd runs: named, else godwit, else nobody. Without root, our own. */
static int daemon_user(const char *name, uid_t *ret_uid, struct err *e)
{
	const struct passwd *pw;

	if (geteuid() != 0) {
		*ret_uid = geteuid();
		return 0;
	}
	pw = name ? getpwnam(name) : getpwnam("godwit");
	if (!pw && !name)
		pw = getpwnam("nobody");
	if (!pw)
		return err_set(e, -ENOENT, "there is no user %s", name ? name : "nobody");
	*ret_uid = pw->pw_uid;
	return 0;
}

static int open_socket(struct launcher *l, struct err *e)
{
	char path[300];

	if (file_mkdir_p(l->run, 0755) < 0)
		return err_set(e, -errno, "the directory %s cannot be made", l->run);
	(void)snprintf(path, sizeof(path), "%s/launcher.sock", l->run);
	l->fd = sock_listen_unix(path, SOCK_SEQPACKET | SOCK_NONBLOCK, 0600, e);
	if (l->fd < 0)
		return l->fd;
	/* lchown: should the directory not be ours alone, then at least nothing else changes its owner. */
	if (geteuid() == 0 && lchown(path, l->user, (gid_t)-1) < 0)
		return err_set(e, -errno, "%s cannot be given to the daemon's user", path);
	return 0;
}

static int run(struct launcher *l, struct err *e)
{
	sigset_t set;
	int r = loop_new(&l->loop);

	if (r < 0)
		return err_set(e, r, "out of memory");
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)signal(SIGPIPE, SIG_IGN);
	r = loop_add_signals(l->loop, &set, reap, l);
	if (r < 0 || !loop_add_fd(l->loop, l->fd, EPOLLIN, accept_client, l))
		return err_set(e, r < 0 ? r : -ENOMEM, "the loop cannot be set up");
	if (geteuid() == 0 && group_find(&l->group, l->run, e) < 0)
		log_warn("the memory of guests has no bound: %s", e->text);
	e->code = 0;
	if (group_remove(&l->group) == -EBUSY) /* one that a launcher before us has left */
		patience_begin(&l->patience, l->loop, &l->group);
	log_info("ready in %s for user id %u", l->run, l->user);
	return loop_run(l->loop);
}

static void launcher_free(struct launcher *l)
{
	struct child *c;

	patience_end(&l->patience);
	(void)!group_remove(&l->group);
	loop_remove(l->sweep);
	while (l->clients)
		client_close(l->clients);
	while ((c = l->children)) {
		l->children = c->next;
		free(c);
	}
	loop_free(l->loop);
	if (l->fd >= 0)
		(void)close(l->fd);
}

static const char help[] = "usage: godwit-launcher [--run DIR] [--user USER] [--exec nobody|users|all]\n"
			   "Starts the helpers of Godwit for godwitd; runs as root, in the foreground.\n"
			   "  --run DIR    sockets (/run/godwit, or GODWIT_RUN)\n"
			   "  --user USER  the user as whom godwitd runs (godwit, else nobody)\n"
			   "  --exec WHO   whose commands (godwit exec) other nodes may have executed here:\n"
			   "               nobody's, those of users but root (the default), or all\n"
			   "  --version, --help\n";

int main(int argc, char **argv)
{
	struct launcher l = {.fd = -1, .patience.fd = -1, .who = EXEC_USERS};
	const char *user = NULL, *dir = getenv("GODWIT_RUN");
	struct err e = {0};
	int i, r;

	log_open("godwit-launcher", LOG_INFO_);
	for (i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--help") || !strcmp(argv[i], "--version")) {
			(void)fputs(argv[i][2] == 'h' ? help : "godwit-launcher " GODWIT_VERSION "\n", stdout);
			return 0;
		}
		if (i + 1 < argc && !strcmp(argv[i], "--run")) {
			dir = argv[++i];
		} else if (i + 1 < argc && !strcmp(argv[i], "--user")) {
			user = argv[++i];
		} else if (i + 1 < argc && !strcmp(argv[i], "--exec") && exec_users_find(argv[i + 1], &l.who) == 0) {
			i++;
		} else {
			log_error("%s is not understood (see --help)", argv[i]);
			return 2;
		}
	}
	dir = dir && *dir ? dir : "/run/godwit";
	if (strlen(dir) >= sizeof(l.run)) {
		log_error("the name of the directory is too long");
		return 2;
	}
	memcpy(l.run, dir, strlen(dir) + 1);
	r = daemon_user(user, &l.user, &e);
	if (r == 0)
		r = open_socket(&l, &e);
	if (r == 0)
		r = run(&l, &e);
	if (r < 0)
		log_error("%s", e.text);
	launcher_free(&l);
	return r < 0 ? 1 : 0;
}
