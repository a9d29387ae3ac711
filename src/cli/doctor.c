/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit doctor: every check with its mending command.
 * Promise: useful also when nothing runs: the missing daemon is then the first finding. Must not: mend anything.
 */
#include <string.h>
#include "cli.h"
#include "client.h"
#include "out.h"
#include "reason.h"

#define DOCTOR_SECONDS 10

static void print_check(const json_t *c)
{
	_cleanup_free_ char *text = out_safe(out_str(c, "text"));
	_cleanup_free_ char *mend = out_safe(out_str(c, "mend"));
	const char *state = out_str(c, "state"), *colour = "32";

	if (strcmp(state, "warn") == 0)
		colour = "33";
	else if (strcmp(state, "ok") != 0)
		colour = "31";
	if (out_colour(stdout))
		(void)printf("\033[%sm%-4s\033[0m  ", colour, state);
	else
		(void)printf("%-4s  ", state);
	(void)printf("%-22s %s\n", out_str(c, "name"), text);
	if (mend && *mend && strcmp(mend, "-") != 0)
		(void)printf("      mend: %s\n", mend);
}

int verb_doctor(struct cli *cx)
{
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};
	const json_t *c;
	int code = CLI_OK;
	size_t i;

	if (client_ask(cx->at, "Doctor", NULL, DOCTOR_SECONDS, &reply, &e) < 0) {
		if (e.reason != CLI_REASON_NO_DAEMON)
			return cli_fail(&e);
		reply = json_pack("{s:[{s:s,s:s,s:s,s:s}]}", "checks", "name", "daemon", "state", "fail", "text",
				  e.text, "mend", "systemctl start godwitd");
		code = CLI_UNREACHABLE;
	}
	json_array_foreach(json_object_get(reply, "checks"), i, c)
	{
		if (code == CLI_OK && strcmp(out_str(c, "state"), "fail") == 0)
			code = CLI_FAILED;
		if (!cli_given(cx, "json"))
			print_check(c);
	}
	if (cli_given(cx, "json"))
		out_json(reply);
	return code;
}
