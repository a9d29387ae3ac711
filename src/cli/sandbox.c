/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the verbs of the sandbox have in common: names, the record of `up`, the lock, processes. See sandbox.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "client.h"
#include "out.h"
#include "reason.h"
#include "sandbox.h"

#define LOCK_SECONDS 20
#define STATE_MAX 65536

int sandbox_need_root(struct err *e)
{
	if (geteuid() != 0)
		return err_set(e, -EPERM, "the sandbox needs root; try: sudo godwit sandbox ...");
	return 0;
}

int sandbox_named(struct sandbox *s, const char *name, struct err *e)
{
	*s = (struct sandbox){.lock = -1};
	if (!name || !*name)
		name = getenv("GODWIT_SANDBOX");
	if (!name || !*name)
		name = "default";
	if (strlen(name) > 12 || strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789") != strlen(name))
		return err_set(e, -EINVAL, "\"%.40s\" cannot name a sandbox; 1 to 12 of a-z and 0-9 can", name);
	(void)snprintf(s->name, sizeof(s->name), "%s", name);
	(void)snprintf(s->dir, sizeof(s->dir), SANDBOX_ROOT "/%s", name);
	return 0;
}

void sandbox_release(struct sandbox *s)
{
	for (unsigned i = 0; i < s->n; i++) {
		if (s->nodes[i].ready_fd >= 0)
			(void)close(s->nodes[i].ready_fd);
	}
	free(s->nodes);
	s->nodes = NULL;
	s->n = 0;
	if (s->lock >= 0)
		(void)close(s->lock);
	s->lock = -1;
}

int sandbox_set_nodes(struct sandbox *s, unsigned n, struct err *e)
{
	s->nodes = calloc(n, sizeof(*s->nodes));
	if (!s->nodes)
		return err_set(e, -ENOMEM, "out of memory");
	s->n = n;
	for (unsigned i = 0; i < n; i++) {
		struct sandbox_node *node = &s->nodes[i];

		node->number = i + 1;
		node->ready_fd = -1;
		(void)snprintf(node->name, sizeof(node->name), "n%u", (i + 1) & 0xfff);
		(void)snprintf(node->address, sizeof(node->address), "10.77.%u.%u", (i / 250) & 0xff, i % 250 + 1);
	}
	return 0;
}

void sandbox_node_path(const struct sandbox *s, const struct sandbox_node *node, const char *file, char *buf,
		       size_t cap)
{
	(void)snprintf(buf, cap, "%s/%s%s%s", s->dir, node->name, file ? "/" : "", file ? file : "");
}

int sandbox_lock(struct sandbox *s, bool make, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + LOCK_SECONDS * NSEC_PER_SEC;

	for (;;) {
		_cleanup_close_ int fd = -1;
		struct stat mine, there;

		if (make && file_mkdir_p(s->dir, 0755) < 0)
			return err_set(e, -errno, "cannot make %s: %s", s->dir, strerror(errno));
		fd = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (fd < 0 && errno == ENOENT && !make)
			return -ENOENT;
		/* `down` of another may have removed the directory between open and lock; then this lock is worth
		 * nothing */
		if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &mine) == 0 &&
		    stat(s->dir, &there) == 0 && mine.st_ino == there.st_ino) {
			s->lock = take_fd(&fd);
			return 0;
		}
		if (clock_mono_ns() > deadline)
			return err_set(e, -EEXIST, "another godwit sandbox command has been at work on \"%s\" for %d s",
				       s->name, LOCK_SECONDS);
		(void)poll(NULL, 0, 20);
	}
}

int sandbox_save(const struct sandbox *s, struct err *e)
{
	_cleanup_json_ json_t *j = json_pack("{s:s,s:i,s:f,s:I,s:i,s:s}", "name", s->name, "nodes", (int)s->n, "cpus",
					     s->cpus, "memory", (json_int_t)s->memory, "pinned", (int)s->pinned,
					     "programs", s->programs);
	_cleanup_free_ char *text = j ? json_dumps(j, JSON_INDENT(1)) : NULL;
	char path[SANDBOX_PATH_MAX];
	int r;

	(void)snprintf(path, sizeof(path), "%s/state.json", s->dir);
	if (!text)
		return err_set(e, -ENOMEM, "out of memory");
	r = file_write_atomic(path, text, strlen(text), 0644);
	return r < 0 ? err_set(e, r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

/* The init of a node, if it is the process that `up` started: pid and start time. */
static pid_t read_init(const struct sandbox *s, const struct sandbox_node *node)
{
	char path[SANDBOX_PATH_MAX], text[64];
	unsigned long long start;
	struct proc_stat stat;
	int pid;

	sandbox_node_path(s, node, "pid", path, sizeof(path));
	if (file_read_small(path, text, sizeof(text)) <= 0 || sscanf(text, "%d %llu", &pid, &start) != 2 || pid < 2)
		return 0;
	if (proc_read_stat(pid, &stat) < 0 || stat.start_time != start || stat.state == 'Z')
		return 0;
	return pid;
}

int sandbox_load(struct sandbox *s, struct err *e)
{
	_cleanup_json_ json_t *j = NULL;
	_cleanup_free_ char *text = NULL;
	char path[SANDBOX_PATH_MAX];
	json_int_t n;
	int r;

	(void)snprintf(path, sizeof(path), "%s/state.json", s->dir);
	r = file_read_all(path, STATE_MAX, &text, NULL);
	if (r == -ENOENT && access(s->dir, F_OK) < 0)
		return err_set(e, -ENOENT, "there is no sandbox \"%s\"; make one with: sudo godwit sandbox up",
			       s->name);
	j = r == 0 ? json_loads(text, 0, NULL) : NULL;
	n = json_integer_value(json_object_get(j, "nodes"));
	if (n < 1 || n > SANDBOX_NODES_MAX)
		return err_set(e, -EUCLEAN,
			       "the record of the sandbox \"%s\" is damaged; remove it with: sudo godwit sandbox down",
			       s->name);
	s->cpus = out_num(j, "cpus");
	s->memory = (uint64_t)out_num(j, "memory");
	s->pinned = (unsigned)out_num(j, "pinned");
	(void)snprintf(s->programs, sizeof(s->programs), "%s", out_str(j, "programs"));
	r = sandbox_set_nodes(s, (unsigned)n, e);
	for (unsigned i = 0; r == 0 && i < s->n; i++)
		s->nodes[i].init = read_init(s, &s->nodes[i]);
	return r;
}

int sandbox_open(struct sandbox *s, struct cli *cx, struct err *e)
{
	int r = sandbox_named(s, cli_value(cx, "name"), e);

	if (r == 0)
		r = sandbox_need_root(e);
	return r == 0 ? sandbox_load(s, e) : r;
}

struct sandbox_node *sandbox_find(struct sandbox *s, const char *node, struct err *e)
{
	for (unsigned i = 0; s->nodes && i < s->n; i++) {
		if (strcmp(s->nodes[i].name, node) == 0)
			return &s->nodes[i];
	}
	(void)err_reason(e, CLI_REASON_NO_SUCH_NODE, -ENOENT, "the sandbox has no node \"%.40s\"; it has n1 to n%u",
			 node, s->n);
	return NULL;
}

int sandbox_node_socket(const struct sandbox_node *node, char *buf, size_t cap, struct err *e)
{
	if (!node->init)
		return err_reason(e, CLI_REASON_NODE_DEAD, -ENOENT,
				  "%s is dead; start it with: sudo godwit sandbox start %s", node->name, node->name);
	/* the root of the node's mount namespace, which leads to its own /run */
	(void)snprintf(buf, cap, "/proc/%d/root/run/godwit/control.sock", node->init);
	return 0;
}

int sandbox_socket(const char *name, char *buf, size_t cap, struct err *e)
{
	_cleanup_(sandbox_release) struct sandbox s;
	const struct sandbox_node *node;
	int r = sandbox_named(&s, NULL, e);

	if (r < 0)
		return r;
	if (sandbox_load(&s, NULL) < 0)
		return err_reason(e, CLI_REASON_NO_SUCH_NODE, -ENOENT,
				  "\"%.40s\" is no socket, and no sandbox with such a node runs here; on another "
				  "machine, use: ssh %.40s godwit ...",
				  name, name);
	node = sandbox_find(&s, name, e);
	return node ? sandbox_node_socket(node, buf, cap, e) : -ENOENT;
}

/* Inode numbers of the sandbox's network namespaces (or of one node's), which name them on the whole machine. */
static size_t netns_inodes(const struct sandbox *s, const char *node, ino_t *inodes, size_t cap)
{
	_cleanup_closedir_ DIR *d = opendir(SANDBOX_NETNS);
	const struct dirent *entry;
	struct stat self, st;
	char prefix[40];
	size_t n = 0;

	(void)snprintf(prefix, sizeof(prefix), "godwit-%s-%s", s->name, node ? node : "");
	if (!d || stat("/proc/self/ns/net", &self) < 0)
		return 0;
	while (n < cap && (entry = readdir(d))) {
		if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0 ||
		    (node && strlen(entry->d_name) != strlen(prefix)))
			continue;
		/* a name without its mount is a plain file: its inode is of another file system and says nothing */
		if (fstatat(dirfd(d), entry->d_name, &st, 0) == 0 && st.st_dev == self.st_dev &&
		    st.st_ino != self.st_ino)
			inodes[n++] = st.st_ino;
	}
	return n;
}

static bool in_cgroup(pid_t pid, const char *part)
{
	char path[48], text[4096];
	const char *p;

	(void)snprintf(path, sizeof(path), "/proc/%d/cgroup", pid);
	if (file_read_small(path, text, sizeof(text)) <= 0)
		return false;
	p = strstr(text, part);
	return p && (p[strlen(part)] == '/' || p[strlen(part)] == '\n');
}

static bool in_netns(pid_t pid, const ino_t *inodes, size_t n)
{
	struct stat st;
	char path[48];

	(void)snprintf(path, sizeof(path), "/proc/%d/ns/net", pid);
	if (stat(path, &st) < 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (inodes[i] == st.st_ino)
			return true;
	}
	return false;
}

/* What tells the processes of a sandbox, or of one of its nodes, from all others. */
struct marks {
	ino_t inodes[SANDBOX_NODES_MAX + 1];
	size_t n;
	char part[40]; /* of the paths in /proc/PID/cgroup */
};

static void find_marks(const struct sandbox *s, const char *node, struct marks *m)
{
	m->n = netns_inodes(s, node, m->inodes, ARRAY_SIZE(m->inodes));
	(void)snprintf(m->part, sizeof(m->part), "/godwit-%s%s%s", s->name, node ? "/" : "", node ? node : "");
}

static bool belongs(pid_t pid, const struct marks *m)
{
	struct proc_stat stat;

	if (pid <= 1 || pid == getpid() || (!in_netns(pid, m->inodes, m->n) && !in_cgroup(pid, m->part)))
		return false;
	return proc_read_stat(pid, &stat) == 0 && stat.state != 'Z' && stat.state != 'X';
}

/* A node's first process ends only when all its zombies are collected. The parent of a `sandbox on` command stands
 * outside the node, and collects nothing while it is stopped. */
static void wake_parent(pid_t pid, const struct marks *m)
{
	struct proc_stat stat, parent;

	if (in_cgroup(pid, m->part) && proc_read_stat(pid, &stat) == 0 && stat.state == 'Z' &&
	    proc_read_stat(stat.ppid, &parent) == 0 && parent.state == 'T')
		(void)kill(stat.ppid, SIGCONT);
}

static size_t list_processes(const struct marks *m, bool wake, pid_t *pids, size_t cap)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	const struct dirent *entry;
	size_t n = 0;

	while (d && (entry = readdir(d))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);

		if (pid <= 1)
			continue;
		if (!belongs(pid, m)) {
			if (wake)
				wake_parent(pid, m);
			continue;
		}
		if (n < cap)
			pids[n] = pid;
		n++;
	}
	return n;
}

size_t sandbox_processes(const struct sandbox *s, const char *node, pid_t *pids, size_t cap)
{
	struct marks m;

	find_marks(s, node, &m);
	return list_processes(&m, false, pids, cap);
}

/* Kills one and waits a little. The second look is at the process that the descriptor holds, so that a number that
 * has come to name another process in between hurts nobody. */
static void kill_one(pid_t pid, const struct marks *m)
{
	_cleanup_close_ int fd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd p = {.fd = fd, .events = POLLIN};

	if (fd < 0 || !belongs(pid, m))
		return;
	(void)syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0);
	(void)poll(&p, 1, 20);
}

int sandbox_kill_processes(const struct sandbox *s, const char *node, uint64_t deadline, struct err *e)
{
	pid_t pids[256];
	struct marks m;
	size_t n;

	find_marks(s, node, &m);
	while ((n = list_processes(&m, true, pids, ARRAY_SIZE(pids)))) {
		if (clock_mono_ns() > deadline)
			return err_set(e, -ETIMEDOUT, "%zu processes of the sandbox do not end, the first is %d", n,
				       pids[0]);
		for (size_t i = 0; i < n && i < ARRAY_SIZE(pids); i++)
			kill_one(pids[i], &m);
	}
	return 0;
}

int sandbox_program(const char *programs, const char *name, char *buf, size_t cap)
{
	for (const char *p = programs; *p;) {
		int n = (int)strcspn(p, ":");

		if (snprintf(buf, cap, "%.*s/%s", n, p, name) < (int)cap && access(buf, X_OK) == 0)
			return 0;
		p += n;
		p += *p == ':';
	}
	return -ENOENT;
}
