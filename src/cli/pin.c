/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit pin, unpin and treat. Promise: every process of the list is tried; the exit code is that of the first failure.
 */
#include "cli.h"
#include "client.h"

/* method is asked about each process from argv[first] on, with that one parameter besides. */
static int ask_each(struct cli *cx, int first, const char *method, const char *name, json_t *value)
{
	int code = CLI_OK;

	for (int i = first; i < cx->argc; i++) {
		_cleanup_json_ json_t *reply = NULL;
		struct err e = {0};
		int64_t pid;

		if (cli_pid(cx->argv[i], &pid, &e) == 0 &&
		    client_ask(cx->at, method, json_pack("{s:I,s:O}", "pid", (json_int_t)pid, name, value), 5, &reply,
			       &e) == 0)
			continue;
		(void)err_prefix(&e, "%.30s", cx->argv[i]);
		code = code ? (void)cli_fail(&e), code : cli_fail(&e);
	}
	json_decref(value);
	return code;
}

int verb_pin(struct cli *cx)
{
	return ask_each(cx, 0, "Pin", "pinned", json_true());
}

int verb_unpin(struct cli *cx)
{
	return ask_each(cx, 0, "Pin", "pinned", json_false());
}

int verb_treat(struct cli *cx)
{
	return ask_each(cx, 1, "Treat", "as", json_string(cx->argv[0]));
}
