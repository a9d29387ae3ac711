/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The executor's inside: one link, any number of commands. Must not: be included outside of src/exec.
 */
#ifndef GODWIT_EXEC_EXECUTOR_H
#define GODWIT_EXEC_EXECUTOR_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>
#include "../base/buf.h"
#include "../base/loop.h"
#include "../link/link.h"
#include "../wire/wire.h"
#include "exec.h"

struct command;

struct executor {
	struct loop *loop;
	struct link *link;
	struct loop_watch *watch, *daemon_watch, *pulse;
	int daemon; /* -1: gone, and no command is taken any more */
	uint64_t heard_ns, said_ns;
	struct command *commands;
	unsigned n_commands;
	pid_t *keepers; /* that have not been waited for */
	size_t n_keepers, cap_keepers;
	rlim_t files; /* RLIMIT_NOFILE as it was */
	const char *run; /* directory of the daemon */
	bool client; /* the other end is a client outside of the cluster: one CLIENT_START, no EXEC_START */
	bool served; /* its command has come */
	bool paused; /* its command has stopped, and it with that: it says nothing; TCP's keepalive finds it gone */
	bool full; /* more waits for the link than EXEC_BACKLOG: outputs are not read */
};

/* executor.c */
/* After messages were put into link_out(): sends, and stops or wakes the outputs. An error is found by the next event.
 */
void executor_flush(struct executor *x);
int executor_keeper(struct executor *x, pid_t pid) _must_check_; /* remembers it; -ENOMEM */

/* command.c. Each gives 0, or -EPROTO: the link is to be ended. */
int command_start(struct executor *x, const struct wire_exec_start *m);
int command_client(struct executor *x, const struct wire_client_start *m);
int command_data(struct executor *x, const struct wire_exec_data *m);
int command_eof(struct executor *x, const struct wire_exec_eof *m);
int command_window(struct executor *x, const struct wire_exec_window *m);
int command_signal(struct executor *x, const struct wire_exec_signal *m);
int command_winsize(struct executor *x, const struct wire_exec_winsize *m);
int command_cancel(struct executor *x, const struct wire_exec_cancel *m);
void commands_wake(struct executor *x); /* the outputs may be read again, or not */

#endif
