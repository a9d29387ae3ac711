/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two ends of a link in one process, stepped in turn.
 * Promise: no step waits for longer than TEST_NS. Must not: be used outside the tests.
 */
#ifndef GODWIT_TEST_LINK_PAIR_H
#define GODWIT_TEST_LINK_PAIR_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <cmocka.h>

#include "../../../src/base/clock.h"
#include "../../../src/link/keys.h"
#include "../../../src/link/link.h"

#define TEST_NS (30 * NSEC_PER_SEC)

struct pair {
	struct link *client, *server;
	struct err client_err, server_err;
	int client_result, server_result;
};

extern const uint8_t test_psk[LINK_PSK_SIZE];

void socket_pair(int ret[2]);
/* Links with the given keys, not yet shaken hands. */
void pair_psk(struct pair *p, const uint8_t *client_psk, const char *client_identity);
void pair_cert(struct pair *p, const struct link_identity *client, const struct link_identity *server);
/* Steps both until both are done or have failed; when one fails, the other must notice. */
void pair_handshake(struct pair *p);
/* pair_psk() with equal keys and pair_handshake(), both successful; either may send what the other side of a move may.
 */
void pair_open(struct pair *p);
void pair_close(struct pair *p);

/* A new node of the cluster; for link_identity_free(). */
struct link_identity *make_identity(const struct keys_pair *ca, const char *name);

#endif
