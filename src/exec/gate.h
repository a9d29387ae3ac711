/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What an executor makes of the command of a client outside of the cluster. Must not: be used for others.
 */
#ifndef GODWIT_EXEC_GATE_H
#define GODWIT_EXEC_GATE_H

#include <limits.h>
#include "../base/err.h"
#include "../wire/wire.h"
#include "place.h"

struct gate {
	char **argv, **env; /* point into the message and into this */
	char socket[300], node[65];
	char home[PATH_MAX], user[80], logname[80], shell[PATH_MAX];
};

/* Enters the directory of the client's command and makes the words and variables of the `godwit exec` that carries it.
 * run: the directory of the daemon. The message must live as long as g, which is released in any case. -errno with e.
 */
int gate_start(struct gate *g, const struct wire_client_start *m, const char *run, struct place *place,
	       struct err *e) _must_check_;
void gate_release(struct gate *g);

#endif
