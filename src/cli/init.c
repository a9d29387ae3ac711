/* SPDX-License-Identifier: GPL-2.0-or-later */
/* godwit init: the first node of a new cluster. */
#include "cli.h"
#include "client.h"
#include "membership.h"
#include "out.h"

json_t *membership_params(struct cli *cx, struct err *e)
{
	const char *name = cli_value(cx, "name"), *address = cli_value(cx, "address"), *port = cli_value(cx, "port");
	json_t *params = json_object();
	double number = 0;

	if (port && cli_number(port, "port", 1, 65535, &number, e) < 0) {
		json_decref(params);
		return NULL;
	}
	if (name)
		(void)json_object_set_new(params, "name", json_string(name));
	if (address)
		(void)json_object_set_new(params, "address", json_string(address));
	if (port)
		(void)json_object_set_new(params, "port", json_integer((json_int_t)number));
	return params;
}

int verb_init(struct cli *cx)
{
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};
	json_t *params = membership_params(cx, &e);

	if (!params || client_ask(cx->at, "Init", params, 15, &reply, &e) < 0)
		return cli_fail(&e);
	if (cli_given(cx, "json")) {
		out_json(reply);
		return CLI_OK;
	}
	(void)printf("cluster %s\nnode %s at %s port %.0f\n", out_str(reply, "fingerprint"), out_str(reply, "name"),
		     out_str(reply, "address"), out_num(reply, "port"));
	(void)fprintf(stderr, "Next, for each further node: godwit token here, godwit join TOKEN there.\n");
	return CLI_OK;
}
