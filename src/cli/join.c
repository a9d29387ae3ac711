/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit join: into the cluster that made the token. Must not: show the token. */
#include <errno.h>
#include <string.h>
#include "cli.h"
#include "client.h"
#include "membership.h"
#include "out.h"

/* The daemon takes up to 10 s for it. */
#define JOIN_SECONDS 15

static int read_token(char *buf, size_t cap, struct err *e)
{
	if (!fgets(buf, (int)cap, stdin) || !*buf || *buf == '\n')
		return err_set(e, -EINVAL, "join: there is no token on standard input");
	buf[strcspn(buf, "\r\n")] = '\0';
	return 0;
}

int verb_join(struct cli *cx)
{
	_cleanup_json_ json_t *reply = NULL;
	const char *token = cx->argv[0];
	struct err e = {0};
	char line[4096];
	json_t *params;

	if (strcmp(token, "-") == 0) {
		if (read_token(line, sizeof(line), &e) < 0)
			return cli_fail(&e);
		token = line;
	}
	params = membership_params(cx, &e);
	if (params)
		(void)json_object_set_new(params, "token", json_string(token));
	if (!params || client_ask(cx->at, "Join", params, JOIN_SECONDS, &reply, &e) < 0)
		return cli_fail(&e);
	if (cli_given(cx, "json")) {
		out_json(reply);
		return CLI_OK;
	}
	(void)printf("node %s at %s port %.0f\ncluster %s, %zu nodes\n", out_str(reply, "name"),
		     out_str(reply, "address"), out_num(reply, "port"), out_str(reply, "fingerprint"),
		     json_array_size(json_object_get(reply, "nodes")));
	return CLI_OK;
}
