/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit sandbox net, cpu, memory, stall, kill: what may go wrong in a cluster, on demand.
 * Promise: in force when the command returns. Must not: reach beyond the named node.
 */
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include "base/clock.h"
#include "base/file.h"
#include "cgroup.h"
#include "sandbox.h"

#define KILL_SECONDS 10

/* Opens the sandbox and finds the node. NULL: *e is set. */
static struct sandbox_node *open_node(struct sandbox *s, struct cli *cx, const char *name, struct err *e)
{
	return sandbox_open(s, cx, e) < 0 ? NULL : sandbox_find(s, name, e);
}

static int loss(struct cli *cx, const struct sandbox *s, const struct sandbox_node *node, struct err *e)
{
	double percent;

	if (cx->argc != 3)
		return err_set(e, -EINVAL, "net loss needs NODE PERCENT");
	if (cli_number(cx->argv[2], "percentage", 0, 100, &percent, e) < 0)
		return e->code;
	return net_loss(s, node, percent, e);
}

int verb_sandbox_net(struct cli *cx)
{
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	const char *what = cx->argv[0];
	const struct sandbox_node *node;
	struct err e = {0};
	int r;

	if (strcmp(what, "loss") != 0 && strcmp(what, "cut") != 0 && strcmp(what, "heal") != 0)
		(void)err_set(&e, -EINVAL, "net: \"%.40s\" is none of loss, cut, heal", what);
	else if (cx->argc == 3 && *what != 'l')
		(void)err_set(&e, -EINVAL, "net %s: \"%.40s\" is too much", what, cx->argv[2]);
	node = e.code ? NULL : open_node(&s, cx, cx->argv[1], &e);
	if (!node)
		return cli_fail(&e);
	if (*what == 'l') {
		r = loss(cx, &s, node, &e);
	} else if (*what == 'c') {
		r = net_cable(&s, node, false, &e);
	} else {
		r = net_cable(&s, node, true, &e);
		/* without nft there can have been no loss either */
		if (r == 0 && (r = net_loss(&s, node, 0, &e)) == -ENOTSUP)
			r = 0;
	}
	return r < 0 ? cli_fail(&e) : CLI_OK;
}

int verb_sandbox_cpu(struct cli *cx)
{
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	const struct sandbox_node *node;
	struct cgroups cg;
	struct err e = {0};
	double cpus;

	if (cli_number(cx->argv[1], "number of processors", 0.01, 4096, &cpus, &e) < 0)
		return cli_fail(&e);
	node = open_node(&s, cx, cx->argv[0], &e);
	if (!node)
		return cli_fail(&e);
	cgroup_probe(&cg);
	if (!cgroup_has(&cg, CGROUP_CPU))
		(void)err_set(&e, -ENOTSUP, "there is no cgroup controller for processor time");
	else
		may_fail(cgroup_set_cpus(&cg, s.name, node->name, NULL, cpus, &e)); /* e tells */
	return e.code ? cli_fail(&e) : CLI_OK;
}

int verb_sandbox_memory(struct cli *cx)
{
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	const struct sandbox_node *node;
	struct cgroups cg;
	struct err e = {0};
	uint64_t bytes;

	if (cli_size(cx->argv[1], &bytes, &e) < 0)
		return cli_fail(&e);
	node = open_node(&s, cx, cx->argv[0], &e);
	if (!node)
		return cli_fail(&e);
	cgroup_probe(&cg);
	return cgroup_set_memory(&cg, s.name, node->name, bytes, &e) < 0 ? cli_fail(&e) : CLI_OK;
}

int verb_sandbox_stall(struct cli *cx)
{
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	bool on = strcmp(cx->argv[1], "on") == 0;
	const struct sandbox_node *node;
	struct cgroups cg;
	struct err e = {0};

	if (!on && strcmp(cx->argv[1], "off") != 0) {
		(void)err_set(&e, -EINVAL, "stall: \"%.40s\" is neither on nor off", cx->argv[1]);
		return cli_fail(&e);
	}
	node = open_node(&s, cx, cx->argv[0], &e);
	if (!node)
		return cli_fail(&e);
	cgroup_probe(&cg);
	return cgroup_freeze(&cg, s.name, node->name, on, &e) < 0 ? cli_fail(&e) : CLI_OK;
}

/* The child of the node's init with that name; 0 if it is not running just now. */
static pid_t find_child(const struct sandbox_node *node, const char *comm)
{
	_cleanup_closedir_ DIR *d = opendir("/proc");
	const struct dirent *entry;

	while (d && (entry = readdir(d))) {
		pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10);
		struct proc_stat stat;

		if (pid > 1 && proc_read_stat(pid, &stat) == 0 && stat.ppid == node->init && stat.state != 'Z' &&
		    strcmp(stat.comm, comm) == 0)
			return pid;
	}
	return 0;
}

static int kill_node(const struct sandbox *s, const struct sandbox_node *node, struct err *e)
{
	struct cgroups cg;

	cgroup_probe(&cg);
	/* first the kill, then the thaw: a stalled node does not run again */
	if (kill(node->init, SIGKILL) < 0 && errno != ESRCH)
		return err_set(e, -errno, "cannot kill %s: %s", node->name, strerror(errno));
	if (cgroup_has(&cg, CGROUP_FREEZER))
		may_fail(cgroup_freeze(&cg, s->name, node->name, false, NULL));
	return sandbox_kill_processes(s, node->name, clock_mono_ns() + KILL_SECONDS * NSEC_PER_SEC, e);
}

int verb_sandbox_kill(struct cli *cx)
{
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	const char *what = cx->argv[1];
	const struct sandbox_node *node;
	struct err e = {0};
	pid_t pid;

	if (strcmp(what, "daemon") != 0 && strcmp(what, "launcher") != 0 && strcmp(what, "all") != 0) {
		(void)err_set(&e, -EINVAL, "kill: \"%.40s\" is none of daemon, launcher, all", what);
		return cli_fail(&e);
	}
	node = open_node(&s, cx, cx->argv[0], &e);
	if (node && !node->init)
		(void)err_set(&e, -ENOENT, "%s is dead already", node->name);
	if (!node || e.code)
		return cli_fail(&e);
	if (*what == 'a')
		return kill_node(&s, node, &e) < 0 ? cli_fail(&e) : CLI_OK;
	pid = find_child(node, *what == 'd' ? "godwitd" : "godwit-launcher");
	if (!pid || kill(pid, SIGKILL) < 0) {
		(void)err_set(&e, -ESRCH, "the %s of %s is not running", what, node->name);
		return cli_fail(&e);
	}
	return CLI_OK;
}
