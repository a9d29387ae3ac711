/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit why: what keeps a process where it is, in words. Must not: shorten the list. */
#include <string.h>
#include "cli.h"
#include "client.h"
#include "out.h"

/* A shepherd may have to look at the process first. */
#define WHY_SECONDS 15

static const struct out_column call_columns[] = {{"CALL"}, {"FORWARDED", true}, {"BROUGHT HOME", true}};

static void print_calls(const json_t *calls)
{
	_cleanup_(out_table_release) struct out_table t = {.columns = call_columns, .n = ARRAY_SIZE(call_columns)};
	const json_t *c;
	size_t i;

	json_array_foreach(calls, i, c)
	{
		char forwarded[24], home[24];

		(void)snprintf(forwarded, sizeof(forwarded), "%.0f", out_num(c, "forwarded"));
		(void)snprintf(home, sizeof(home), "%.0f", out_num(c, "brought_home"));
		out_row(&t, (const char *const[]){out_str(c, "call"), forwarded, home});
	}
	if (t.rows) {
		(void)printf("\n");
		out_table_print(&t, stdout);
	}
}

static void print_usage(const json_t *usage)
{
	char sent[24], received[24];
	const json_t *io;
	size_t i;

	if (!json_is_object(usage))
		return;
	(void)printf("Lately: %.2f processors, %.0f forwarded calls/s", out_num(usage, "cpu"),
		     out_num(usage, "calls_per_s"));
	json_array_foreach(json_object_get(usage, "io"), i, io)(void)
	    printf("; to %s %s/s, from there %s/s", out_str(io, "node"),
		   out_size(sent, sizeof(sent), out_num(io, "sent_per_s")),
		   out_size(received, sizeof(received), out_num(io, "received_per_s")));
	(void)printf("\n");
}

int verb_why(struct cli *cx)
{
	_cleanup_json_ json_t *reply = NULL;
	const json_t *reasons, *reason;
	struct err e = {0};
	int64_t pid;
	size_t i;

	if (cli_pid(cx->argv[0], &pid, &e) < 0 ||
	    client_ask(cx->at, "Why", json_pack("{s:I}", "pid", (json_int_t)pid), WHY_SECONDS, &reply, &e) < 0)
		return cli_fail(&e);
	if (cli_given(cx, "json")) {
		out_json(reply);
		return CLI_OK;
	}
	_cleanup_free_ char *comm = out_safe(out_str(reply, "comm"));

	(void)printf("%lld (%s): home %s, computes on %s (%s)\n", (long long)pid, comm, out_str(reply, "home"),
		     out_str(reply, "node"), out_str(reply, "state"));
	reasons = json_object_get(reply, "reasons");
	if (json_array_size(reasons) == 0)
		(void)printf("Nothing keeps it there.\n");
	else
		(void)printf("%s:\n", !strcmp(out_str(reply, "state"), "guest") ? "This node only knows that"
				      : out_bool(reply, "movable")              ? "It could move, but"
										: "It cannot move, because");
	json_array_foreach(reasons, i, reason)
	{
		_cleanup_free_ char *sentence = out_safe(out_str(reason, "sentence"));

		(void)printf("  %-14s %s\n", out_str(reason, "reason"), sentence);
	}
	if (strcmp(out_str(reply, "last_home_reason"), "-") != 0 && *out_str(reply, "last_home_reason"))
		(void)printf("It came home last because of: %s\n", out_str(reply, "last_home_reason"));
	print_usage(json_object_get(reply, "usage"));
	print_calls(json_object_get(reply, "calls"));
	return CLI_OK;
}
