/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit migrate: moves a process now, or says what would happen.
 * Promise: the exit code tells refused, unreachable, timed out and lost apart. Must not: decide anything itself.
 */
#include "cli.h"
#include "client.h"
#include "out.h"

/* The daemon answers within 60 s; a little more, so that its own sentence arrives. */
#define MIGRATE_SECONDS 65

static void print_cost(const json_t *reply)
{
	char freeze[32], total[32], bytes[32];

	(void)printf("freeze %s, total %s, %s\n", out_duration(freeze, sizeof(freeze), out_num(reply, "freeze_us")),
		     out_duration(total, sizeof(total), out_num(reply, "total_us")),
		     out_size(bytes, sizeof(bytes), out_num(reply, "bytes")));
}

static int print_dry_run(const json_t *reply, int64_t pid)
{
	const json_t *refusals = json_object_get(reply, "refusals"), *refusal;
	_cleanup_free_ char *comm = out_safe(out_str(reply, "comm"));
	size_t i;

	if (out_bool(reply, "possible")) {
		(void)printf("%lld (%s) could move %s -> %s: expected ", (long long)pid, comm, out_str(reply, "from"),
			     out_str(reply, "where"));
		print_cost(reply);
		return CLI_OK;
	}
	(void)printf("%lld (%s) cannot move from %s:\n", (long long)pid, comm, out_str(reply, "from"));
	json_array_foreach(refusals, i, refusal)
	{
		_cleanup_free_ char *sentence = out_safe(out_str(refusal, "sentence"));

		(void)printf("  %-14s %s\n", out_str(refusal, "reason"), sentence);
	}
	return CLI_REFUSED;
}

int verb_migrate(struct cli *cx)
{
	_cleanup_json_ json_t *reply = NULL;
	bool dry = cli_given(cx, "dry-run");
	struct err e = {0};
	int64_t pid;

	if (cli_pid(cx->argv[0], &pid, &e) < 0 ||
	    client_ask(cx->at, "Migrate",
		       json_pack("{s:I,s:s,s:b}", "pid", (json_int_t)pid, "to", cx->argv[1], "dry_run", dry),
		       MIGRATE_SECONDS, &reply, &e) < 0)
		return cli_fail(&e);
	if (cli_given(cx, "json")) {
		out_json(reply);
		return dry && !out_bool(reply, "possible") ? CLI_REFUSED : CLI_OK;
	}
	if (dry)
		return print_dry_run(reply, pid);
	_cleanup_free_ char *comm = out_safe(out_str(reply, "comm"));

	(void)printf("moved %lld (%s) %s -> %s: ", (long long)pid, comm, out_str(reply, "from"),
		     out_str(reply, "where"));
	print_cost(reply);
	return CLI_OK;
}
