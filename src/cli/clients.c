/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit client: who outside of the cluster may have commands executed through this node, and as whom.
 * Must not: print a key but once, on standard output.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "cli.h"
#include "client.h"
#include "out.h"

#define SECONDS 5

/* "30d" in seconds. -EINVAL */
static int seconds_of(const char *text, json_int_t *ret)
{
	static const struct {
		char unit;
		unsigned seconds;
	} units[] = {{'s', 1}, {'m', 60}, {'h', 3600}, {'d', 86400}};
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(units); i++) {
		if (end == text || n == 0 || n > 1000000 || *end != units[i].unit || end[1])
			continue;
		*ret = (json_int_t)n * units[i].seconds;
		return 0;
	}
	return -EINVAL;
}

static void day(char *buf, size_t cap, double seconds)
{
	time_t t = (time_t)seconds;
	struct tm tm;

	buf[0] = '\0';
	if (t && localtime_r(&t, &tm))
		(void)strftime(buf, cap, "%Y-%m-%d %H:%M", &tm);
}

static int add(struct cli *cx, struct err *e)
{
	_cleanup_json_ json_t *reply = NULL;
	json_int_t seconds = 0;
	char until[32];

	if (!cli_given(cx, "user"))
		return err_set(e, -EINVAL, "client add: say by --user as whom the client's commands are executed");
	if (cli_given(cx, "expires") && seconds_of(cli_value(cx, "expires"), &seconds) < 0)
		return err_set(e, -EINVAL, "client add: --expires needs a time as 12h or 30d");
	if (client_ask(cx->at, "ClientAdd",
		       json_pack("{s:s, s:s*, s:I}", "user", cli_value(cx, "user"), "name", cli_value(cx, "name"),
				 "seconds", seconds),
		       SECONDS, &reply, e) < 0)
		return e->code;
	if (cli_given(cx, "json")) {
		out_json(reply);
		return 0;
	}
	(void)printf("%s\n", out_str(reply, "line"));
	day(until, sizeof(until), out_num(json_object_get(reply, "client"), "expires"));
	(void)fprintf(stderr,
		      "Whoever has this line can execute commands as %s%s%s. Keep it in a file of the mode 0600.\n",
		      cli_value(cx, "user"), *until ? " until " : "", until);
	return 0;
}

static int list(struct cli *cx, struct err *e)
{
	_cleanup_json_ json_t *reply = NULL;
	const json_t *c;
	char until[32];
	size_t i;

	if (client_ask(cx->at, "Clients", NULL, SECONDS, &reply, e) < 0)
		return e->code;
	if (cli_given(cx, "json")) {
		out_json(reply);
		return 0;
	}
	(void)printf("%-16s  %-16s  %-16s  %s\n", "CLIENT", "USER", "UNTIL", "NAME");
	for (i = 0; i < json_array_size(json_object_get(reply, "clients")); i++) {
		c = json_array_get(json_object_get(reply, "clients"), i);
		day(until, sizeof(until), out_num(c, "expires"));
		(void)printf("%-16s  %-16s  %-16s  %s\n", out_str(c, "id"), out_str(c, "user"),
			     out_num(c, "revoked") > 0 ? "revoked"
			     : !*until                 ? "-"
						       : until,
			     out_str(c, "name"));
	}
	return 0;
}

static int remove_one(struct cli *cx, struct err *e)
{
	_cleanup_json_ json_t *reply = NULL;

	if (cx->argc < 2)
		return err_set(e, -EINVAL, "client remove: which one? godwit client list shows them");
	return client_ask(cx->at, "ClientRemove", json_pack("{s:s}", "id", cx->argv[1]), SECONDS, &reply, e);
}

int verb_client(struct cli *cx)
{
	static const struct {
		const char *word;
		int (*run)(struct cli *cx, struct err *e);
	} actions[] = {{"add", add}, {"list", list}, {"remove", remove_one}};
	struct err e = {0};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(actions); i++)
		if (!strcmp(actions[i].word, cx->argv[0]))
			return actions[i].run(cx, &e) < 0 ? cli_fail(&e) : CLI_OK;
	(void)err_set(&e, -EINVAL, "\"%.60s\" is none of add, list, remove", cx->argv[0]);
	return cli_fail(&e);
}
