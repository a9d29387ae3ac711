/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The parts of godwit exec. Must not: be included outside of src/cli/exec*.c.
 */
#ifndef GODWIT_CLI_EXEC_H
#define GODWIT_CLI_EXEC_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <termios.h>
#include "base/err.h"
#include "exec/exec.h"
#include "exec/frames.h"

/* exec_broker.c */
/* A connection to the user's broker for the daemon at this control socket, which is started when there is none. */
int exec_broker(const char *control, struct err *e) _must_check_;

/* A command on another node, from the side of its caller. */
struct exec_session {
	const char *at, *node;
	char **argv, **env; /* of the command */
	struct frames f; /* to the broker */
	/* what the caller has */
	uint8_t open, tty; /* of the descriptors 0, 1, 2 */
	bool merged; /* 2 is the same as 1 */
	uint64_t ignored;
	struct termios termios; /* of the terminal, when tty has bit 1 */
	/* how it went */
	bool heard; /* anything at all */
	bool started;
	int status; /* of wait(2), once it has ended */
	struct exec_usage usage; /* then, too */
};

enum exec_result {
	EXEC_DONE, /* it has ended: status */
	EXEC_NOT_BEGUN, /* e says why */
	EXEC_NO_COMMAND, /* execve(2) there: e->code */
	EXEC_LOST, /* e says why */
	EXEC_RETRY, /* the broker has just gone */
	EXEC_HERE, /* the node is this one */
};

/* exec.c */
/* Describes the command and carries it through; never EXEC_RETRY. */
enum exec_result exec_attempt(struct exec_session *s, struct err *e);

/* exec_streams.c */
/* Looks at what this process has; before any other descriptor is opened. no_tty: no terminal there. */
void exec_look(struct exec_session *s, bool no_stdin, bool no_tty);
/* EXEC_START is in s->f.out: carries it through. Signals are caught only while the command runs. */
enum exec_result exec_carry(struct exec_session *s, struct err *e);

#endif
