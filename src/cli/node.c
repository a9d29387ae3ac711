/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit node: what a node gives and takes. */
#include <errno.h>
#include <string.h>
#include "cli.h"
#include "client.h"
#include "out.h"

int verb_node(struct cli *cx)
{
	static const char *const actions[] = {"stay", "nostay", "block", "unblock", "expel", "reload"};
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};
	const char *node = cx->argc > 1 ? cx->argv[1] : NULL;
	size_t i = 0;

	while (i < ARRAY_SIZE(actions) && strcmp(actions[i], cx->argv[0]) != 0)
		i++;
	if (i == ARRAY_SIZE(actions)) {
		(void)err_set(&e, -EINVAL, "\"%.60s\" is none of stay, nostay, block, unblock, expel, reload",
			      cx->argv[0]);
		return cli_fail(&e);
	}
	if (client_ask(cx->at, "NodeSet", json_pack("{s:s, s:s*}", "action", actions[i], "node", node), 10, &reply,
		       &e) < 0)
		return cli_fail(&e);
	if (cli_given(cx, "json")) {
		out_json(reply);
		return CLI_OK;
	}
	(void)printf("%s %s its own processes and %s guests\n", node ? node : "this node",
		     out_bool(reply, "stay") ? "keeps" : "gives away",
		     out_bool(reply, "blocked") ? "takes no" : "takes");
	if (out_num(reply, "expelling") > 0)
		(void)printf("%.0f guests are on their way home\n", out_num(reply, "expelling"));
	return CLI_OK;
}
