/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit pin and unpin. Promise: every process of the list is tried; the exit code is that of the first failure. */
#include "cli.h"
#include "client.h"

static int set_pinned(struct cli *cx, bool pinned)
{
	int code = CLI_OK;

	for (int i = 0; i < cx->argc; i++) {
		_cleanup_json_ json_t *reply = NULL;
		struct err e = {0};
		int64_t pid;

		if (cli_pid(cx->argv[i], &pid, &e) == 0 &&
		    client_ask(cx->at, "Pin", json_pack("{s:I,s:b}", "pid", (json_int_t)pid, "pinned", (int)pinned), 5,
			       &reply, &e) == 0)
			continue;
		(void)err_prefix(&e, "%.30s", cx->argv[i]);
		code = code ? (void)cli_fail(&e), code : cli_fail(&e);
	}
	return code;
}

int verb_pin(struct cli *cx)
{
	return set_pinned(cx, true);
}

int verb_unpin(struct cli *cx)
{
	return set_pinned(cx, false);
}
