/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit ps: the processes of this node that matter to Godwit. Must not: hide a row that the daemon gives. */
#include "cli.h"
#include "client.h"
#include "out.h"

static const struct out_column columns[] = {{"PID", true},     {"USER"},      {"HOME"},      {"NODE"},
					    {"STATE"},         {"CPU", true}, {"MEM", true}, {"MOVES", true},
					    {"CALLS/s", true}, {"REASON"},    {"COMMAND"}};

static void add_row(struct out_table *t, const json_t *p)
{
	char pid[24], cpu[24], mem[24], moves[24], calls[24];
	const char *command = out_str(p, "command"), *reason = out_str(p, "reason");

	(void)snprintf(pid, sizeof(pid), "%.0f", out_num(p, "pid"));
	(void)snprintf(cpu, sizeof(cpu), "%.2f", out_num(p, "cpu"));
	(void)snprintf(moves, sizeof(moves), "%.0f", out_num(p, "moves"));
	(void)snprintf(calls, sizeof(calls), "%.0f", out_num(p, "calls_per_s"));
	out_row(t, (const char *const[]){pid, out_str(p, "user"), out_str(p, "home"), out_str(p, "node"),
					 out_str(p, "state"), cpu, out_size(mem, sizeof(mem), out_num(p, "memory")),
					 moves, calls, out_bool(p, "pinned") ? "pinned" : reason,
					 *command ? command : out_str(p, "comm")});
}

int verb_ps(struct cli *cx)
{
	_cleanup_(out_table_release) struct out_table t = {.columns = columns, .n = ARRAY_SIZE(columns)};
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};
	const json_t *p;
	size_t i;

	if (client_ask(cx->at, "Processes", json_pack("{s:b}", "all", (int)cli_given(cx, "all")), 5, &reply, &e) < 0)
		return cli_fail(&e);
	if (cli_given(cx, "json")) {
		out_json(reply);
		return CLI_OK;
	}
	json_array_foreach(json_object_get(reply, "processes"), i, p) add_row(&t, p);
	out_table_print(&t, stdout);
	if (t.rows == 0)
		(void)fprintf(
		    stderr,
		    "nothing was started with godwit run here; godwit ps --all lists what could be moved by hand\n");
	return CLI_OK;
}
