/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who gets a link and who does not: pre-shared keys, certificates, garbage, deadlines. */
#include "pair.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

static void psk_ok(void **state)
{
	struct pair p;

	pair_open(&p);
	assert_string_equal(link_peer_name(p.client), "");
	assert_int_equal(link_handshake(p.client, NULL), 0); /* again is harmless */
	pair_close(&p);
}

static void psk_refused(const uint8_t *psk, const char *identity)
{
	struct wire_header h;
	const uint8_t *body;
	struct pair p;

	pair_psk(&p, psk, identity);
	pair_handshake(&p);
	assert_int_equal(p.server_result, -EKEYREJECTED);
	assert_int_equal(p.client_result, -EKEYREJECTED);
	assert_true(p.client_err.text[0] && p.server_err.text[0]);
	/* The error stays, and nothing can be got past it. */
	assert_int_equal(link_handshake(p.server, NULL), -EKEYREJECTED);
	assert_int_equal(link_recv(p.server, &h, &body, NULL), -EKEYREJECTED);
	assert_int_equal(link_flush(p.client, NULL), -EKEYREJECTED);
	pair_close(&p);
}

static void psk_wrong(void **state)
{
	uint8_t wrong[LINK_PSK_SIZE];

	memcpy(wrong, test_psk, sizeof(wrong));
	wrong[31] ^= 1;
	psk_refused(wrong, "a move");
}

static void psk_wrong_identity(void **state)
{
	psk_refused(test_psk, "another move");
}

static void psk_impossible(void **state)
{
	struct link *l = NULL;
	char name[200];
	int fds[2];

	socket_pair(fds);
	memset(name, 'x', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(link_new_psk(&l, fds[0], true, "", test_psk, 32, NULL), -EINVAL);
	assert_int_equal(link_new_psk(&l, fds[0], true, name, test_psk, 32, NULL), -EINVAL);
	assert_int_equal(link_new_psk(&l, fds[0], true, "x", test_psk, LINK_PSK_MIN - 1, NULL), -EINVAL);
	assert_int_equal(link_new_psk(&l, fds[0], true, "x", test_psk, LINK_PSK_MAX + 1, NULL), -EINVAL);
	assert_int_equal(link_new_psk(&l, 100000, true, "x", test_psk, 32, NULL), -EBADF);
	assert_null(l);
	assert_int_equal(close(fds[0]), 0); /* still the caller's */
	assert_int_equal(close(fds[1]), 0);
}

struct clusters {
	struct keys_pair ours, theirs;
	struct link_identity *ant, *bee, *foreign;
};

static int clusters_setup(void **state)
{
	static struct clusters c;

	c = (struct clusters){0};
	if (keys_make_cluster(&c.ours, NULL) < 0 || keys_make_cluster(&c.theirs, NULL) < 0)
		return -1;
	c.ant = make_identity(&c.ours, "ant");
	c.bee = make_identity(&c.ours, "bee");
	c.foreign = make_identity(&c.theirs, "ant");
	*state = &c;
	return 0;
}

static int clusters_teardown(void **state)
{
	struct clusters *c = *state;

	link_identity_free(c->ant);
	link_identity_free(c->bee);
	link_identity_free(c->foreign);
	keys_pair_release(&c->ours);
	keys_pair_release(&c->theirs);
	return 0;
}

static void cert_ok(void **state)
{
	struct clusters *c = *state;
	struct pair p;

	pair_cert(&p, c->ant, c->bee);
	pair_handshake(&p);
	assert_int_equal(p.client_result, 0);
	assert_int_equal(p.server_result, 0);
	assert_string_equal(link_peer_name(p.client), "bee");
	assert_string_equal(link_peer_name(p.server), "ant");
	pair_close(&p);
}

static void cert_foreign_server(void **state)
{
	struct clusters *c = *state;
	struct pair p;

	pair_cert(&p, c->ant, c->foreign);
	pair_handshake(&p);
	assert_int_equal(p.client_result, -EKEYREJECTED);
	assert_int_equal(p.server_result, -EKEYREJECTED);
	assert_string_equal(link_peer_name(p.client), "");
	pair_close(&p);
}

/* A client that believes everybody, which ours never does, against our server with a certificate. */
static int credulous_client(struct clusters *c, const struct keys_pair *shows, int version, struct err *e)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	struct link *server = NULL;
	int fds[2], r = -EAGAIN;
	SSL *ssl;

	assert_non_null(ctx);
	SSL_CTX_set_max_proto_version(ctx, version);
	if (shows) {
		BIO *bx = BIO_new_mem_buf(shows->cert, -1), *bk = BIO_new_mem_buf(shows->key, -1);
		X509 *x = PEM_read_bio_X509(bx, NULL, NULL, NULL);
		EVP_PKEY *k = PEM_read_bio_PrivateKey(bk, NULL, NULL, NULL);

		assert_int_equal(SSL_CTX_use_certificate(ctx, x), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, k), 1);
		X509_free(x);
		EVP_PKEY_free(k);
		BIO_free(bx);
		BIO_free(bk);
	}
	socket_pair(fds);
	assert_int_equal(fcntl(fds[0], F_SETFL, O_NONBLOCK), 0);
	ssl = SSL_new(ctx);
	assert_int_equal(SSL_set_fd(ssl, fds[0]), 1);
	assert_int_equal(link_new_cert(&server, fds[1], true, c->ant, e), 0);
	for (int i = 0; i < 100 && r == -EAGAIN; i++) {
		(void)SSL_connect(ssl);
		r = link_handshake(server, e);
	}
	if (r == 0)
		assert_string_equal(link_peer_name(server), "bee");
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	(void)close(fds[0]);
	link_free(server);
	return r;
}

static void cert_credulous_client(void **state)
{
	_cleanup_(keys_pair_release) struct keys_pair ours = {0}, theirs = {0};
	struct clusters *c = *state;
	struct err e = {0};

	assert_int_equal(keys_make_node(&ours, &c->ours, "bee", NULL), 0);
	assert_int_equal(keys_make_node(&theirs, &c->theirs, "bee", NULL), 0);
	assert_int_equal(credulous_client(c, &ours, TLS1_3_VERSION, &e), 0);
	assert_int_equal(credulous_client(c, &theirs, TLS1_3_VERSION, &e), -EKEYREJECTED);
	assert_int_equal(credulous_client(c, &c->theirs, TLS1_3_VERSION, &e), -EKEYREJECTED);
	assert_int_equal(credulous_client(c, &c->ours, TLS1_3_VERSION, &e), -EKEYREJECTED); /* the cluster is no node */
	assert_int_equal(credulous_client(c, NULL, TLS1_3_VERSION, &e), -EKEYREJECTED);
	assert_int_equal(credulous_client(c, &ours, TLS1_2_VERSION, &e), -EPROTO);
}

static void cert_against_psk(void **state)
{
	struct clusters *c = *state;
	int fds[2];
	struct pair p = {0};

	socket_pair(fds);
	assert_int_equal(link_new_psk(&p.client, fds[0], false, "a move", test_psk, 32, NULL), 0);
	assert_int_equal(link_new_cert(&p.server, fds[1], true, c->ant, NULL), 0);
	pair_handshake(&p);
	assert_int_equal(p.client_result, -EKEYREJECTED);
	assert_true(p.server_result < 0 && p.server_result != -EAGAIN);
	pair_close(&p);

	socket_pair(fds);
	assert_int_equal(link_new_cert(&p.client, fds[0], false, c->ant, NULL), 0);
	assert_int_equal(link_new_psk(&p.server, fds[1], true, "a move", test_psk, 32, NULL), 0);
	pair_handshake(&p);
	assert_int_equal(p.server_result, -EKEYREJECTED);
	assert_int_equal(p.client_result, -EKEYREJECTED);
	pair_close(&p);
}

static void garbage(void **state)
{
	uint8_t noise[4096];
	struct pair p;
	uint32_t x = 1;

	for (size_t i = 0; i < sizeof(noise); i++) {
		x = x * 1664525 + 1013904223;
		noise[i] = (uint8_t)(x >> 24);
	}
	pair_psk(&p, test_psk, "a move");
	assert_int_equal(send(link_fd(p.client), noise, sizeof(noise), 0), sizeof(noise));
	assert_int_equal(link_handshake(p.server, &p.server_err), -EPROTO);
	assert_true(p.server_err.text[0]);
	pair_close(&p);
}

/* Each byte of the client's greeting is changed in turn. The key vouches for all of them behind the record's header. */
static void greeting_changed(void **state)
{
	uint8_t hello[2048];
	ssize_t n = 6;

	for (ssize_t at = 5; at < n; at++) {
		struct pair p;
		int fds[2];

		pair_psk(&p, test_psk, "a move");
		assert_int_equal(link_handshake(p.client, NULL), -EAGAIN);
		socket_pair(fds);
		/* The server gets a socket of its own, on which we play the client. */
		n = recv(link_fd(p.server), hello, sizeof(hello), 0);
		assert_in_range(n, 100, sizeof(hello) - 1);
		hello[at] ^= 0x10;
		link_free(p.server);
		assert_int_equal(link_new_psk(&p.server, fds[1], true, "a move", test_psk, 32, NULL), 0);
		assert_int_equal(send(fds[0], hello, (size_t)n, 0), n);
		assert_int_equal(shutdown(fds[0], SHUT_WR), 0);
		p.server_result = link_handshake(p.server, &p.server_err);
		if (p.server_result == -EAGAIN)
			p.server_result = link_handshake(p.server, &p.server_err);
		assert_true(p.server_result < 0 && p.server_result != -EAGAIN);
		assert_true(p.server_err.text[0]);
		(void)close(fds[0]);
		pair_close(&p);
	}
	assert_true(n > 100);
}

static void peer_gone(void **state)
{
	struct pair p;

	pair_psk(&p, test_psk, "a move");
	link_free(p.client);
	p.client = NULL;
	assert_int_equal(link_handshake(p.server, &p.server_err), -ECONNRESET);
	pair_close(&p);

	/* Writing to nobody: an error, not SIGPIPE, which would end this program. */
	pair_psk(&p, test_psk, "a move");
	link_free(p.server);
	p.server = NULL;
	assert_int_equal(link_handshake(p.client, &p.client_err), -ECONNRESET);
	pair_close(&p);
}

static void deadline(void **state)
{
	uint64_t before = clock_mono_ns();
	struct pair p;

	pair_psk(&p, test_psk, "a move");
	assert_int_equal(link_handshake_wait(p.client, before + 20 * NSEC_PER_MSEC, &p.client_err), -ETIMEDOUT);
	assert_true(clock_mono_ns() >= before + 20 * NSEC_PER_MSEC);
	assert_true(p.client_err.text[0]);
	/* Being late is no end: the handshake goes on. */
	pair_handshake(&p);
	assert_int_equal(p.client_result, 0);
	assert_int_equal(p.server_result, 0);
	pair_close(&p);
}

static void not_before_handshake(void **state)
{
	struct wire_header h;
	const uint8_t *body;
	struct pair p;

	pair_psk(&p, test_psk, "a move");
	assert_int_equal(link_recv(p.client, &h, &body, NULL), -ENOTCONN);
	assert_int_equal(wire_go_encode(&(struct wire_go){0}, link_out(p.client)), 0);
	assert_int_equal(link_flush(p.client, NULL), -ENOTCONN);
	pair_handshake(&p);
	assert_int_equal(link_flush(p.client, NULL), 0);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(psk_ok),
	    cmocka_unit_test(psk_wrong),
	    cmocka_unit_test(psk_wrong_identity),
	    cmocka_unit_test(psk_impossible),
	    cmocka_unit_test_setup_teardown(cert_ok, clusters_setup, clusters_teardown),
	    cmocka_unit_test_setup_teardown(cert_foreign_server, clusters_setup, clusters_teardown),
	    cmocka_unit_test_setup_teardown(cert_credulous_client, clusters_setup, clusters_teardown),
	    cmocka_unit_test_setup_teardown(cert_against_psk, clusters_setup, clusters_teardown),
	    cmocka_unit_test(garbage),
	    cmocka_unit_test(greeting_changed),
	    cmocka_unit_test(peer_gone),
	    cmocka_unit_test(deadline),
	    cmocka_unit_test(not_before_handshake),
	};

	return cmocka_run_group_tests_name("link-handshake", tests, NULL, NULL);
}
