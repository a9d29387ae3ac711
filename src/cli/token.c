/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit token: one line on stdout that lets one node join. Must not: print it anywhere else. */
#include <time.h>
#include "cli.h"
#include "client.h"
#include "out.h"

int verb_token(struct cli *cx)
{
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};
	char text[64] = "";
	struct tm tm = {0};
	time_t expires;

	if (client_ask(cx->at, "Token", NULL, 5, &reply, &e) < 0)
		return cli_fail(&e);
	if (cli_given(cx, "json")) {
		out_json(reply);
		return CLI_OK;
	}
	(void)printf("%s\n", out_str(reply, "token"));
	expires = (time_t)out_num(reply, "expires");
	(void)localtime_r(&expires, &tm);
	if (expires && strftime(text, sizeof(text), "%H:%M", &tm))
		(void)fprintf(stderr, "It serves one node, once, until %s.\n", text);
	return CLI_OK;
}
