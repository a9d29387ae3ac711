/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit leave: out of the cluster, with everything brought to where it belongs. */
#include "cli.h"
#include "client.h"

/* Processes are brought home first, each within its own deadline. */
#define LEAVE_SECONDS 120

int verb_leave(struct cli *cx)
{
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};

	if (client_ask(cx->at, "Leave", NULL, LEAVE_SECONDS, &reply, &e) < 0)
		return cli_fail(&e);
	(void)fprintf(stderr, "This node belongs to no cluster any more.\n");
	return CLI_OK;
}
