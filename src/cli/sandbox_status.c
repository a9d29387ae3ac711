/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit sandbox status. Promise: what it says was looked at now, not remembered. Must not: change anything. */
#include <sched.h>
#include <string.h>
#include <unistd.h>
#include "cgroup.h"
#include "client.h"
#include "out.h"
#include "sandbox.h"

static const struct out_column columns[] = {{"NODE"},       {"STATE"},     {"PID", true},      {"ADDRESS"},
					    {"CPUS", true}, {"MEM", true}, {"PROCESSES", true}};

static bool answers(const struct sandbox_node *node)
{
	_cleanup_json_ json_t *reply = NULL;
	char path[64];

	return sandbox_node_socket(node, path, sizeof(path), NULL) == 0 &&
	       client_ask(path, "Status", NULL, 2, &reply, NULL) == 0;
}

static const char *state_of(const struct sandbox *s, const struct sandbox_node *node, const struct cgroups *cg)
{
	if (!node->init)
		return "dead";
	if (cgroup_is_frozen(cg, s->name, node->name))
		return "stalled";
	if (net_is_cut(s, node))
		return "cut";
	return answers(node) ? "up" : "starting";
}

/* Processors that the node has now: its quota, those that are its own, or all. */
static double cpus_of(const struct sandbox *s, const struct sandbox_node *node, const struct cgroups *cg)
{
	double quota = cgroup_get_cpus(cg, s->name, node->name);

	if (quota > 0)
		return quota;
	return s->pinned ? s->pinned : (double)sysconf(_SC_NPROCESSORS_ONLN);
}

static json_t *describe(const struct sandbox *s, const struct sandbox_node *node, const struct cgroups *cg)
{
	return json_pack("{s:s,s:s,s:i,s:s,s:f,s:I,s:I}", "name", node->name, "state", state_of(s, node, cg), "pid",
			 (int)node->init, "address", node->address, "cpus", cpus_of(s, node, cg), "memory",
			 (json_int_t)cgroup_get_memory(cg, s->name, node->name), "processes",
			 (json_int_t)sandbox_processes(s, node->name, NULL, 0));
}

static void add_row(struct out_table *t, const json_t *n)
{
	char pid[24], cpus[24], memory[24], processes[24];

	(void)snprintf(pid, sizeof(pid), "%.0f", out_num(n, "pid"));
	(void)snprintf(cpus, sizeof(cpus), "%.4g", out_num(n, "cpus"));
	(void)snprintf(processes, sizeof(processes), "%.0f", out_num(n, "processes"));
	out_row(t, (const char *const[]){
		       out_str(n, "name"), out_str(n, "state"), pid, out_str(n, "address"), cpus,
		       out_num(n, "memory") > 0 ? out_size(memory, sizeof(memory), out_num(n, "memory")) : "-",
		       processes});
}

int verb_sandbox_status(struct cli *cx)
{
	_cleanup_(out_table_release) struct out_table t = {.columns = columns, .n = ARRAY_SIZE(columns)};
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	_cleanup_json_ json_t *nodes = json_array(), *all = NULL;
	struct cgroups cg;
	struct err e = {0};
	int code = CLI_OK;

	if (sandbox_open(&s, cx, &e) < 0)
		return cli_fail(&e);
	cgroup_probe(&cg);
	for (unsigned i = 0; i < s.n; i++) {
		json_t *n = describe(&s, &s.nodes[i], &cg);

		if (strcmp(out_str(n, "state"), "up") != 0)
			code = CLI_REFUSED;
		add_row(&t, n);
		(void)json_array_append_new(nodes, n);
	}
	if (cli_given(cx, "json")) {
		all = json_pack("{s:s,s:O}", "name", s.name, "nodes", nodes);
		out_json(all);
	} else {
		out_table_print(&t, stdout);
	}
	return code;
}
