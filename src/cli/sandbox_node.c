/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting one node of the sandbox. Promise: the node holds no descriptor of the caller, and its control groups and
 * namespaces are in place before its first instruction. Must not: wait for the daemon (sandbox_wait_ready does).
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "cgroup.h"
#include "sandbox.h"

static int make_dirs(const struct sandbox *s, const struct sandbox_node *node, struct err *e)
{
	char path[SANDBOX_PATH_MAX];

	sandbox_node_path(s, node, "state", path, sizeof(path));
	if (file_mkdir_p(path, 0755) < 0)
		return err_set(e, -EIO, "cannot make %s", path);
	return 0;
}

/* Descriptors of the new init: 0 nothing, 1 and 2 the log, 3 the caller's pipe; no other. */
static int set_descriptors(const struct sandbox *s, const struct sandbox_node *node, int up_fd, struct err *e)
{
	char path[SANDBOX_PATH_MAX];
	int null, log;

	sandbox_node_path(s, node, "log", path, sizeof(path));
	up_fd = fcntl(up_fd, F_DUPFD, 10); /* out of the way of the numbers that are set here */
	null = open("/dev/null", O_RDONLY); /* may be 0 already, and must then stay */
	log = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
	if (up_fd < 0 || null < 0 || log < 0)
		return err_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
	log = fcntl(log, F_DUPFD, 10);
	if (dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0 || dup2(up_fd, 3) < 0 ||
	    close_range(4, ~0U, 0) < 0)
		return err_set(e, -errno, "cannot arrange descriptors: %s", strerror(errno));
	return 0;
}

static void exec_init(const struct sandbox *s, const struct sandbox_node *node)
{
	char dir[SANDBOX_PATH_MAX], cpus[32], bytes[32], *argv[16];
	struct cgroups cg;
	int n = 0;

	cgroup_probe(&cg);
	sandbox_node_path(s, node, NULL, dir, sizeof(dir));
	argv[n++] = (char *)"godwit";
	argv[n++] = (char *)"sandbox-init";
	argv[n++] = (char *)"--node";
	argv[n++] = (char *)node->name;
	argv[n++] = (char *)"--address";
	argv[n++] = (char *)node->address;
	argv[n++] = (char *)"--dir";
	argv[n++] = dir;
	argv[n++] = (char *)"--programs";
	argv[n++] = (char *)s->programs;
	/* the daemon finds limits that the kernel sets by itself, and follows their changes; tell it of no others */
	if (!cgroup_has(&cg, CGROUP_CPU)) {
		(void)snprintf(cpus, sizeof(cpus), "--cpus=%.2f", s->cpus);
		argv[n++] = cpus;
	}
	if (!cgroup_has(&cg, CGROUP_MEMORY)) {
		(void)snprintf(bytes, sizeof(bytes), "--bytes=%llu", (unsigned long long)s->memory);
		argv[n++] = bytes;
	}
	argv[n] = NULL;
	(void)unsetenv("GODWIT_SOCKET");
	(void)unsetenv("GODWIT_RUN");
	(void)execv("/proc/self/exe", argv);
}

/* Between `up` and the init: takes on everything that a child inherits, then makes the child. Never returns. */
static void between(const struct sandbox *s, const struct sandbox_node *node, int pid_fd, int up_fd)
{
	char netns[SANDBOX_PATH_MAX];
	struct cgroups cg;
	struct err e = {0};
	sigset_t none;
	int fd, r;
	pid_t pid;

	cgroup_probe(&cg);
	sandbox_netns_path(s, node->name, netns, sizeof(netns));
	fd = open(netns, O_RDONLY | O_CLOEXEC);
	if (setsid() < 0 || chdir("/") < 0 || fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
		r = err_set(&e, -errno, "cannot enter the network of %s: %s", node->name, strerror(errno));
		goto failed;
	}
	r = cgroup_enter(&cg, s->name, node->name, &e);
	if (r < 0)
		goto failed;
	if (unshare(CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC) < 0) {
		r = err_set(&e, -errno, "this kernel or container does not allow new namespaces: %s", strerror(errno));
		goto failed;
	}
	(void)sigemptyset(&none);
	pid = fork();
	if (pid == 0) {
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		(void)signal(SIGINT, SIG_DFL);
		(void)signal(SIGTERM, SIG_DFL);
		(void)signal(SIGHUP, SIG_DFL);
		if (set_descriptors(s, node, up_fd, &e) == 0) {
			up_fd = 3;
			exec_init(s, node);
		}
		(void)dprintf(up_fd, "cannot start the node: %s", *e.text ? e.text : strerror(errno));
		_exit(1);
	}
	(void)dprintf(pid_fd, "%d", pid);
	_exit(pid < 0);
failed:
	(void)dprintf(pid_fd, "-%s", e.text);
	_exit(-r & 0xff);
}

static int write_pid(const struct sandbox *s, const struct sandbox_node *node, struct err *e)
{
	char path[SANDBOX_PATH_MAX], text[64];
	struct proc_stat stat;
	int r = proc_read_stat(node->init, &stat);

	if (r < 0)
		return err_set(e, r, "%s has ended at once", node->name);
	(void)snprintf(text, sizeof(text), "%d %llu\n", node->init, (unsigned long long)stat.start_time);
	sandbox_node_path(s, node, "pid", path, sizeof(path));
	r = file_write_atomic(path, text, strlen(text), 0644);
	return r < 0 ? err_set(e, r, "cannot write %s: %s", path, strerror(-r)) : 0;
}

int sandbox_node_start(const struct sandbox *s, struct sandbox_node *node, struct err *e)
{
	_cleanup_close_ int pid_in = -1, up_in = -1;
	int pid_pipe[2], up_pipe[2], status;
	char text[ERR_TEXT_MAX];
	ssize_t n;
	pid_t pid;

	if (make_dirs(s, node, e) < 0)
		return e->code;
	if (pipe2(pid_pipe, O_CLOEXEC) < 0)
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	pid_in = pid_pipe[0];
	if (pipe2(up_pipe, O_CLOEXEC) < 0) {
		(void)close(pid_pipe[1]);
		return err_set(e, -errno, "pipe: %s", strerror(errno));
	}
	up_in = up_pipe[0];
	(void)fflush(NULL);
	pid = fork();
	if (pid == 0)
		between(s, node, pid_pipe[1], up_pipe[1]);
	(void)close(pid_pipe[1]);
	(void)close(up_pipe[1]);
	if (pid < 0)
		return err_set(e, -EAGAIN, "fork failed");
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	n = read(pid_in, text, sizeof(text) - 1); /* the writer has ended: no wait */
	text[n > 0 ? n : 0] = '\0';
	if (n <= 0 || text[0] == '-')
		return err_set(e, -EIO, "%s: %s", node->name, n > 1 ? text + 1 : "cannot be started");
	node->init = (pid_t)strtol(text, NULL, 10);
	node->ready = false;
	node->ready_fd = take_fd(&up_in);
	return write_pid(s, node, e);
}

/* What a node's init has to say: "ready" or a sentence; nothing when it died. */
static int read_ready(struct sandbox_node *node, struct err *e)
{
	char text[ERR_TEXT_MAX];
	ssize_t n = read(node->ready_fd, text, sizeof(text) - 1);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 0;
	text[n > 0 ? n : 0] = '\0';
	(void)close(node->ready_fd);
	node->ready_fd = -1;
	if (strcmp(text, "ready") != 0)
		return err_set(e, -EIO, "%s: %s", node->name, n > 0 ? text : "its first process has died");
	node->ready = true;
	return 0;
}

int sandbox_wait_ready(struct sandbox *s, uint64_t deadline, struct err *e)
{
	for (unsigned i = 0; i < s->n; i++) {
		struct sandbox_node *node = &s->nodes[i];

		while (node->ready_fd >= 0) {
			struct pollfd p = {.fd = node->ready_fd, .events = POLLIN};
			int r = poll(&p, 1, clock_ms_until(deadline));

			if (r < 0 && errno == EINTR)
				return err_set(e, -EINTR, "interrupted");
			if (r == 0)
				return err_set(e, -ETIMEDOUT, "%s: godwitd is not ready in time; see %s/%s/log",
					       node->name, s->dir, node->name);
			r = read_ready(node, e);
			if (r < 0)
				return r;
		}
	}
	return 0;
}
