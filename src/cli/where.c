/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit where: one word, the node on which a process computes. */
#include "cli.h"
#include "client.h"
#include "out.h"

int verb_where(struct cli *cx)
{
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};
	int64_t pid;

	if (cli_pid(cx->argv[0], &pid, &e) < 0 ||
	    client_ask(cx->at, "Where", json_pack("{s:I}", "pid", (json_int_t)pid), 5, &reply, &e) < 0)
		return cli_fail(&e);
	if (cli_given(cx, "json")) {
		out_json(reply);
	} else {
		_cleanup_free_ char *node = out_safe(out_str(reply, "node"));

		(void)printf("%s\n", node);
	}
	return CLI_OK;
}
