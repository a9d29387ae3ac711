/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What init and join have in common. */
#ifndef GODWIT_CLI_MEMBERSHIP_H
#define GODWIT_CLI_MEMBERSHIP_H

#include <jansson.h>
#include "cli.h"

/* The parameters of --name, --address and --port as far as they were given; owned by the caller. NULL: -EINVAL in e. */
json_t *membership_params(struct cli *cx, struct err *e);

#endif
