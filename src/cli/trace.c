/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit trace: the forwarded system calls of one process as they are made.
 * Promise: each line is written at once; an interrupt ends it. Must not: slow the process down when stdout is slow
 * (the daemon then disconnects this client).
 */
#include <time.h>
#include "base/clock.h"
#include "cli.h"
#include "client.h"
#include "out.h"
#include "reason.h"

static void print_line(const json_t *reply)
{
	uint64_t ns = (uint64_t)json_integer_value(json_object_get(reply, "time_ns"));
	time_t s = (time_t)(ns / NSEC_PER_SEC);
	_cleanup_free_ char *line = out_safe(out_str(reply, "line"));
	char us[24];
	struct tm tm = {0};

	(void)localtime_r(&s, &tm);
	(void)printf("%02d:%02d:%02d.%06u  %s  <%s>\n", tm.tm_hour, tm.tm_min, tm.tm_sec,
		     (unsigned)(ns % NSEC_PER_SEC / NSEC_PER_USEC), line,
		     out_duration(us, sizeof(us), out_num(reply, "us")));
}

int verb_trace(struct cli *cx)
{
	_cleanup_(client_close) struct client c = CLIENT_INIT;
	struct err e = {0};
	bool more = true, any = false;
	int64_t pid;

	if (cli_pid(cx->argv[0], &pid, &e) < 0 || client_open(&c, cx->at, &e) < 0 ||
	    client_send(&c, "Trace", json_pack("{s:I}", "pid", (json_int_t)pid), true, &e) < 0)
		return cli_fail(&e);
	while (more) {
		_cleanup_json_ json_t *reply = NULL;

		/* a process may make no call for days; the daemon tells when it ends, and an interrupt ends the wait */
		if (client_receive(&c, UINT64_MAX, &reply, &more, &e) < 0) {
			if (any && e.reason == CLI_REASON_NO_SUCH_PROCESS)
				return CLI_OK;
			return cli_fail(&e);
		}
		any = true;
		if (cli_given(cx, "json")) {
			(void)json_dumpf(reply, stdout, JSON_COMPACT);
			(void)printf("\n");
		} else {
			print_line(reply);
		}
		if (fflush(stdout) != 0)
			return CLI_FAILED;
	}
	return CLI_OK;
}
