/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Two ends of a link in one process; see pair.h. */
#include "pair.h"

#include <sys/socket.h>

const uint8_t test_psk[LINK_PSK_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};

void socket_pair(int ret[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ret), 0);
}

void pair_psk(struct pair *p, const uint8_t *client_psk, const char *client_identity)
{
	struct err e = {0};
	int fds[2];

	*p = (struct pair){0};
	socket_pair(fds);
	assert_int_equal(link_new_psk(&p->client, fds[0], false, client_identity, client_psk, LINK_PSK_SIZE, &e), 0);
	assert_int_equal(link_new_psk(&p->server, fds[1], true, "a move", test_psk, LINK_PSK_SIZE, &e), 0);
}

void pair_cert(struct pair *p, const struct link_identity *client, const struct link_identity *server)
{
	struct err e = {0};
	int fds[2];

	*p = (struct pair){0};
	socket_pair(fds);
	assert_int_equal(link_new_cert(&p->client, fds[0], false, client, &e), 0);
	assert_int_equal(link_new_cert(&p->server, fds[1], true, server, &e), 0);
}

void pair_handshake(struct pair *p)
{
	p->client_result = p->server_result = -EAGAIN;
	/* A handshake is a handful of flights; a hundred rounds without an end are a hang. */
	for (int i = 0; i < 100; i++) {
		if (p->client_result == -EAGAIN)
			p->client_result = link_handshake(p->client, &p->client_err);
		if (p->server_result == -EAGAIN)
			p->server_result = link_handshake(p->server, &p->server_err);
		if (p->client_result != -EAGAIN && p->server_result != -EAGAIN)
			return;
	}
	fail_msg("the handshake does not end: client %d, server %d", p->client_result, p->server_result);
}

void pair_open(struct pair *p)
{
	pair_psk(p, test_psk, "a move");
	pair_handshake(p);
	if (p->client_result || p->server_result)
		fail_msg("client: %s; server: %s", p->client_err.text, p->server_err.text);
	link_set_accept(p->client, WIRE_FROM_AGENT);
	link_set_accept(p->server, WIRE_FROM_SHEPHERD);
}

void pair_close(struct pair *p)
{
	link_free(p->client);
	link_free(p->server);
	*p = (struct pair){0};
}

struct link_identity *make_identity(const struct keys_pair *ca, const char *name)
{
	_cleanup_(keys_pair_release) struct keys_pair node = {0};
	struct link_identity *id = NULL;
	struct err e = {0};

	assert_int_equal(keys_make_node(&node, ca, name, &e), 0);
	assert_int_equal(link_identity_new(&id, ca->cert, node.cert, node.key, &e), 0);
	return id;
}
