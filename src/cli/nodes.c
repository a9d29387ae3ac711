/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit nodes: the cluster as this node's daemon knows it. Must not: make old figures look new (AGE). */
#include <string.h>
#include "cli.h"
#include "client.h"
#include "out.h"

static const struct out_column columns[] = {{"NODE"},       {"STATE"},     {"CPUS", true}, {"SPEED", true},
					    {"LOAD", true}, {"MEM", true}, {"FREE", true}, {"GUESTS", true},
					    {"AGE", true},  {"VERSION"}};

static void add_row(struct out_table *t, const json_t *n)
{
	char state[64], cpus[24], speed[24], load[24], mem[24], spare[24], guests[24], age[24];

	(void)snprintf(state, sizeof(state), "%s%s%s", out_str(n, "state"), out_bool(n, "stay") ? ",stay" : "",
		       out_bool(n, "blocked") ? ",blocked" : "");
	(void)snprintf(cpus, sizeof(cpus), "%.4g", out_num(n, "cpus"));
	(void)snprintf(speed, sizeof(speed), "%.0f", out_num(n, "speed"));
	(void)snprintf(load, sizeof(load), "%.2f", out_num(n, "load"));
	(void)snprintf(guests, sizeof(guests), "%.0f", out_num(n, "guests"));
	out_row(t, (const char *const[]){
		       out_str(n, "name"), state, cpus, speed, load, out_size(mem, sizeof(mem), out_num(n, "memory")),
		       out_size(spare, sizeof(spare), out_num(n, "free")), guests,
		       out_duration(age, sizeof(age), out_num(n, "age_ms") * 1000), out_str(n, "version")});
}

int verb_nodes(struct cli *cx)
{
	_cleanup_(out_table_release) struct out_table t = {.columns = columns, .n = ARRAY_SIZE(columns)};
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};
	const json_t *n;
	size_t i;

	if (client_ask(cx->at, "Nodes", NULL, 5, &reply, &e) < 0)
		return cli_fail(&e);
	if (cli_given(cx, "json")) {
		out_json(reply);
		return CLI_OK;
	}
	json_array_foreach(json_object_get(reply, "nodes"), i, n) add_row(&t, n);
	out_table_print(&t, stdout);
	json_array_foreach(json_object_get(reply, "nodes"), i, n)
	{
		_cleanup_free_ char *why = out_safe(out_str(n, "why"));

		if (why && strcmp(why, "-") != 0 && *why)
			(void)fprintf(stderr, "%s: %s\n", out_str(n, "name"), why);
	}
	return CLI_OK;
}
