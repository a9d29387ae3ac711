/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit sandbox up and start. Promise: when it says that the cluster is ready, every node has heard of every other;
 * when it fails or is interrupted, nothing is left (unless --keep). Must not: change a sandbox that is there.
 */
#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "cgroup.h"
#include "client.h"
#include "out.h"
#include "reason.h"
#include "sandbox.h"

#define UP_SECONDS 15

static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	interrupted = signo;
}

static void catch_signals(void)
{
	struct sigaction sa = {.sa_handler = on_signal}; /* no SA_RESTART: waits end */

	(void)sigaction(SIGINT, &sa, NULL);
	(void)sigaction(SIGTERM, &sa, NULL);
	(void)sigaction(SIGHUP, &sa, NULL);
}

static void step(const char *fmt, ...) _printf_(1, 2);
static void step(const char *fmt, ...)
{
	va_list ap;

	(void)fprintf(stderr, "%s ", out_tick());
	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fprintf(stderr, "\n");
}

/* Where the programs are: the given directory only, or beside this program, or where they are installed. */
static int find_programs(struct sandbox *s, struct err *e)
{
	const char *libexec = getenv("GODWIT_LIBEXEC");
	char self[SANDBOX_PATH_MAX], path[512];

	if (libexec && *libexec)
		(void)snprintf(s->programs, sizeof(s->programs), "%s", libexec);
	else if (file_self_dir(self, 160) < 0)
		return err_set(e, -EIO, "cannot find out where this program is");
	else
		(void)snprintf(s->programs, sizeof(s->programs), "%s:%s/../libexec/godwit:%s/../sbin", self, self,
			       self);
	if (sandbox_program(s->programs, "godwitd", path, sizeof(path)) < 0)
		return err_set(e, -EIO, "there is no godwitd in %s", s->programs);
	if (sandbox_program(s->programs, "godwit-launcher", path, sizeof(path)) < 0)
		(void)fprintf(stderr, "godwit: there is no godwit-launcher in %s, so no process will move\n",
			      s->programs);
	return 0;
}

/* How many nodes, and what each of them gets. */
static int plan(struct cli *cx, struct sandbox *s, struct err *e)
{
	const char *cpus = cli_value(cx, "cpus-per-node"), *memory = cli_value(cx, "memory");
	double nodes = 3, count;
	struct cgroups cg;
	cpu_set_t set;

	cgroup_probe(&cg);
	count = sched_getaffinity(0, sizeof(set), &set) == 0 ? CPU_COUNT(&set) : 1;
	if (cx->argc &&
	    (cli_number(cx->argv[0], "number of nodes", 1, SANDBOX_NODES_MAX, &nodes, e) < 0 || nodes != floor(nodes)))
		return err_set(e, -EINVAL, "\"%.40s\" is no number of nodes; 1 to %d can be made", cx->argv[0],
			       SANDBOX_NODES_MAX);
	s->cpus = nodes <= count ? 1 : floor(count / nodes * 100) / 100;
	if (s->cpus < 0.01)
		s->cpus = 0.01;
	if (cpus && cli_number(cpus, "number of processors", 0.01, count, &s->cpus, e) < 0)
		return e->code;
	if (s->cpus == floor(s->cpus) && nodes * s->cpus <= count && cgroup_has(&cg, CGROUP_CPUSET))
		s->pinned = (unsigned)s->cpus;
	s->memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE) / (uint64_t)nodes >> 20 << 20;
	if (memory && cli_size(memory, &s->memory, e) < 0)
		return e->code;
	if (s->memory < 32U << 20)
		return err_set(e, -EINVAL, "a node needs at least 32M of memory");
	return sandbox_set_nodes(s, (unsigned)nodes, e);
}

/* The processors that belong to a node alone, as a list for cpuset; the affinity of the caller may have holes. */
static void own_cpus(const struct sandbox *s, unsigned number, char *list, size_t cap)
{
	unsigned first = (number - 1) * s->pinned, seen = 0;
	cpu_set_t set;
	size_t n = 0;

	*list = '\0';
	(void)sched_getaffinity(0, sizeof(set), &set);
	for (int cpu = 0; cpu < CPU_SETSIZE && seen < first + s->pinned; cpu++) {
		if (!CPU_ISSET(cpu, &set))
			continue;
		if (seen++ >= first && n < cap)
			n += (size_t)snprintf(list + n, cap - n, "%s%d", n ? "," : "", cpu);
	}
}

static int make_cgroups(const struct sandbox *s, struct err *e)
{
	struct cgroups cg;
	char text[1024];

	cgroup_probe(&cg);
	cgroup_missing(&cg, text, sizeof(text));
	if (*text)
		(void)fprintf(stderr, "%s", text);
	for (unsigned i = 0; i < s->n; i++) {
		const char *node = s->nodes[i].name;
		char list[512];
		int r = cgroup_make(&cg, s->name, node, e);

		if (s->pinned)
			own_cpus(s, s->nodes[i].number, list, sizeof(list));
		if (r == 0)
			r = cgroup_set_cpus(&cg, s->name, node, s->pinned ? list : NULL, s->pinned ? 0 : s->cpus, e);
		if (r == 0 && cgroup_has(&cg, CGROUP_MEMORY))
			r = cgroup_set_memory(&cg, s->name, node, s->memory, e);
		if (r < 0)
			return r;
	}
	return 0;
}

static int connect_node(const struct sandbox_node *node, struct client *c, struct err *e)
{
	char path[64];
	int r = sandbox_node_socket(node, path, sizeof(path), e);

	return r < 0 ? r : client_open_path(c, path, e);
}

static int ask_node(const struct sandbox_node *node, struct client *c, const char *method, json_t *params,
		    uint64_t deadline, json_t **ret, struct err *e)
{
	int r = client_send(c, method, params, false, e);

	if (r == 0)
		r = client_receive(c, deadline, ret, NULL, e);
	if (r < 0)
		(void)err_prefix(e, "%s", node->name);
	return r;
}

/* n1 makes the cluster; the others join it all at the same time. */
static int make_cluster(struct sandbox *s, uint64_t deadline, struct err *e)
{
	_cleanup_(client_close) struct client first = CLIENT_INIT;
	_cleanup_free_ struct client *others = calloc(s->n, sizeof(*others));
	_cleanup_json_ json_t *made = NULL;
	unsigned asked = 0;
	int r;

	if (!others)
		return err_set(e, -ENOMEM, "out of memory");
	r = connect_node(&s->nodes[0], &first, e);
	if (r == 0)
		r = ask_node(&s->nodes[0], &first, "Init", NULL, deadline, &made, e);
	for (unsigned i = 1; r == 0 && i < s->n; i++) {
		_cleanup_json_ json_t *token = NULL;

		others[i].fd = -1;
		asked = i;
		r = ask_node(&s->nodes[0], &first, "Token", NULL, deadline, &token, e);
		if (r == 0)
			r = connect_node(&s->nodes[i], &others[i], e);
		if (r == 0)
			r = client_send(&others[i], "Join", json_pack("{s:s}", "token", out_str(token, "token")), false,
					e);
	}
	for (unsigned i = 1; i <= asked; i++) {
		_cleanup_json_ json_t *joined = NULL;

		if (r == 0) {
			r = client_receive(&others[i], deadline, &joined, NULL, e);
			if (r < 0)
				(void)err_prefix(e, "%s cannot join", s->nodes[i].name);
		}
		client_close(&others[i]);
	}
	return r;
}

/* One look at what one node knows. 0 when it sees all others, 1 with a sentence when not, -errno. */
static int sees_all(const struct sandbox *s, const struct sandbox_node *node, uint64_t deadline, struct err *e)
{
	_cleanup_(client_close) struct client c = CLIENT_INIT;
	_cleanup_json_ json_t *reply = NULL;
	const json_t *list, *other;
	size_t i;
	int r = connect_node(node, &c, e);

	if (r == 0)
		r = ask_node(node, &c, "Nodes", NULL, deadline, &reply, e);
	if (r < 0)
		return r;
	list = json_object_get(reply, "nodes");
	json_array_foreach(list, i, other)
	{
		const char *state = out_str(other, "state");

		if (!out_bool(other, "self") && strcmp(state, "up") != 0) {
			(void)err_set(e, -ETIMEDOUT, "%s does not see %s (%s)", node->name, out_str(other, "name"),
				      state);
			return 1;
		}
	}
	if (json_array_size(list) < s->n) {
		(void)err_set(e, -ETIMEDOUT, "%s knows of %zu nodes only", node->name, json_array_size(list));
		return 1;
	}
	return 0;
}

static int wait_cluster(struct sandbox *s, uint64_t deadline, struct err *e)
{
	for (unsigned i = 0; i < s->n; i++) {
		int r;

		while ((r = sees_all(s, &s->nodes[i], deadline, e)) == 1) {
			if (interrupted)
				return err_set(e, -EINTR, "interrupted");
			if (clock_mono_ns() > deadline)
				return e->code;
			(void)poll(NULL, 0, 20);
		}
		if (r < 0)
			return r;
	}
	*e = (struct err){0};
	return 0;
}

static int start_nodes(struct sandbox *s, uint64_t deadline, struct err *e)
{
	int r = 0;

	for (unsigned i = 0; r == 0 && i < s->n; i++)
		r = interrupted ? err_set(e, -EINTR, "interrupted") : sandbox_node_start(s, &s->nodes[i], e);
	return r == 0 ? sandbox_wait_ready(s, deadline, e) : r;
}

static int bring_up(struct cli *cx, struct sandbox *s, struct err *e)
{
	uint64_t began = clock_mono_ns(), deadline = began + UP_SECONDS * NSEC_PER_SEC;
	char memory[32], time[32];
	int r = make_cgroups(s, e);

	if (r < 0)
		return r;
	step("%u nodes with %.4g processor%s%s and %s each", s->n, s->cpus, s->cpus == 1 ? "" : "s",
	     s->pinned ? " of their own" : "", out_size(memory, sizeof(memory), (double)s->memory));
	r = net_make(s, e);
	if (r < 0)
		return r;
	step("network 10.77.0.0/16, apart from that of this machine");
	r = start_nodes(s, deadline, e);
	if (r < 0)
		return r;
	step("godwitd on %s%s%s", s->nodes[0].name, s->n > 1 ? " to " : "", s->n > 1 ? s->nodes[s->n - 1].name : "");
	if (!cli_given(cx, "bare")) {
		r = make_cluster(s, deadline, e);
		if (r == 0)
			step("keys and membership");
		if (r == 0)
			r = wait_cluster(s, deadline, e);
		if (r < 0)
			return r;
	}
	step("ready after %s", out_duration(time, sizeof(time), (double)(clock_mono_ns() - began) / 1000));
	return 0;
}

static void suggest(const struct sandbox *s)
{
	char option[32] = "";

	if (strcmp(s->name, "default") != 0)
		(void)snprintf(option, sizeof(option), " --name %s", s->name);
	(void)fprintf(stderr,
		      "\nTry:\n"
		      "  sudo godwit sandbox on%s n1 godwit nodes\n"
		      "  sudo godwit sandbox on%s n1 godwit run sha256sum /dev/zero &\n"
		      "  sudo godwit sandbox down%s\n",
		      option, option, option);
}

/* The lock is ours from here on. Refuses when there is a record of a sandbox; sweeps up what has none. */
static int claim(struct sandbox *s, struct err *e)
{
	char path[SANDBOX_PATH_MAX];
	int r = sandbox_lock(s, true, e);

	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "%s/state.json", s->dir);
	if (access(path, F_OK) == 0)
		return err_set(
		    e, -EEXIST,
		    "the sandbox \"%s\" is there already; nothing was changed. To end it: sudo godwit sandbox down",
		    s->name);
	r = sandbox_sweep(s, e);
	return r == 0 ? sandbox_save(s, e) : r;
}

int verb_sandbox_up(struct cli *cx)
{
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	struct err e = {0}, left = {0};
	int r = sandbox_named(&s, cli_value(cx, "name"), &e);

	if (r == 0)
		r = plan(cx, &s, &e);
	if (r == 0)
		r = sandbox_need_root(&e);
	if (r == 0)
		r = find_programs(&s, &e);
	if (r < 0)
		return cli_fail(&e);
	catch_signals();
	r = claim(&s, &e);
	if (r < 0)
		return cli_fail(&e);
	r = bring_up(cx, &s, &e);
	if (r == 0) {
		suggest(&s);
		return CLI_OK;
	}
	(void)fprintf(stderr, "%s %s\n", out_cross(), e.text);
	if (cli_given(cx, "keep"))
		(void)fprintf(stderr, "everything is left in place; the logs are in %s/n*/log\n", s.dir);
	else if (sandbox_destroy(&s, &left) < 0)
		(void)cli_fail(&left);
	e.reason = e.code == -ETIMEDOUT ? CLI_REASON_TIMEOUT : e.reason;
	return cli_exit_of(&e);
}

int verb_sandbox_start(struct cli *cx)
{
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	struct sandbox_node *node = NULL;
	struct err e = {0};
	int r = sandbox_named(&s, cli_value(cx, "name"), &e);

	if (r == 0)
		r = sandbox_need_root(&e);
	if (r == 0)
		r = sandbox_lock(&s, false, &e);
	if (r == 0 || r == -ENOENT)
		r = sandbox_load(&s, &e);
	if (r == 0)
		node = sandbox_find(&s, cx->argv[0], &e);
	if (!node)
		return cli_fail(&e);
	if (node->init) {
		(void)err_set(&e, -EEXIST, "%s is running", node->name);
		return cli_fail(&e);
	}
	r = sandbox_kill_processes(&s, node->name, clock_mono_ns() + UP_SECONDS * NSEC_PER_SEC, &e);
	if (r == 0)
		r = sandbox_node_start(&s, node, &e);
	if (r == 0)
		r = sandbox_wait_ready(&s, clock_mono_ns() + UP_SECONDS * NSEC_PER_SEC, &e);
	return r < 0 ? cli_fail(&e) : CLI_OK;
}
