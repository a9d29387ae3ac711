/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit run: registers this process as the root of a family and becomes the command.
 * Promise: the command is this process, with its descriptors, signals and environment untouched; no daemon is no
 * obstacle. Must not: wait for anything but the daemon's prompt answer.
 */
#include <errno.h>
#include "base/clock.h"
#include "cli.h"
#include "client.h"
#include "reason.h"

#define REGISTER_SECONDS 5

static int register_self(struct cli *cx, json_t **ret, struct err *e)
{
	const char *node = cli_value(cx, "node");
	json_t *params = json_object();

	/* no pid: the daemon takes it from the socket, where it is right also across pid namespaces */
	if (params && node)
		(void)json_object_set_new(params, "node", json_string(node));
	if (params && cli_given(cx, "home"))
		(void)json_object_set_new(params, "home", json_true());
	if (params && cli_given(cx, "pin"))
		(void)json_object_set_new(params, "pin", json_true());
	if (params && cli_given(cx, "treat"))
		(void)json_object_set_new(params, "treat", json_string(cli_value(cx, "treat")));
	return client_ask(cx->at, "Register", params, REGISTER_SECONDS, ret, e);
}

int verb_run(struct cli *cx)
{
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};
	int r;

	if (cli_given(cx, "node") && cli_given(cx, "home")) {
		(void)err_set(&e, -EINVAL, "run: --node and --home exclude each other");
		(void)cli_fail(&e);
		return CLI_SELF;
	}
	r = register_self(cx, &reply, &e);
	/* who asked for a certain node wants to know that it cannot be had; everybody else wants the program to run */
	if (r < 0 && cli_given(cx, "node") && e.reason != CLI_REASON_NO_DAEMON) {
		(void)cli_fail(&e);
		return CLI_SELF;
	}
	if (r < 0)
		(void)fprintf(stderr, "godwit: %s; the program runs here and stays here\n", e.text);
	return cli_exec(cx->argv);
}
