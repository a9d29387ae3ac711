/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Clients outside of the cluster: their keys, connections of kind C, and the administrator's methods.
 * Promise: a key lets its holder have commands executed as the one user it was made for, and nothing else; before he
 * has proved that he knows it nothing is started for him; a damaged file lets nobody in. Must not: see a command.
 *
 *   kind C, TLS with the client's key; CLIENT_OPEN -> an executor is started (exec.c) -> CLIENT_READY -> the client
 *   comes again, as the executor's link
 */
#include <errno.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "conns.h"
#include "json.h"
#include "methods.h"

#define KEYS_MAX 1024
#define FILE_MAX (1U << 20)
#define OPEN_NS (10 * NSEC_PER_SEC) /* from the handshake until the client has its answer and has gone */
#define KEEP_SECONDS (30LL * 86400) /* one that is over is remembered so long, to say so to who still shows it */
#define SECONDS_MAX (100LL * 365 * 86400)
#define LABEL_MAX 64
#define SECRET_TEXT (2 * LINK_PSK_SIZE + 1)

struct client_key {
	struct client_key *next;
	uint64_t id;
	uint8_t secret[LINK_PSK_SIZE];
	char user[65], label[LABEL_MAX + 1];
	uid_t uid; /* when it was made */
	int64_t made, expires; /* seconds since 1970; expires 0: never */
	int64_t revoked; /* 0: it is not */
};

struct submission { /* a connection of kind C */
	struct conn *conn;
	uint64_t client, ask;
};

static int64_t now_seconds(void)
{
	return (int64_t)(clock_real_ns() / NSEC_PER_SEC);
}

/* ---- the keys ---------------------------------------------------------------------------------------------------- */

static void to_hex(char *out, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", p[i]);
}

static int from_hex(const char *text, uint8_t *out, size_t n)
{
	unsigned v;

	if (strlen(text) != 2 * n)
		return -EINVAL;
	for (size_t i = 0; i < n; i++) {
		if (sscanf(text + 2 * i, "%2x", &v) != 1)
			return -EINVAL;
		out[i] = (uint8_t)v;
	}
	return 0;
}

static struct client_key *find(const struct node *n, uint64_t id)
{
	struct client_key *k;

	for (k = n->clients; k && k->id != id; k = k->next)
		;
	return k;
}

static void drop(struct node *n, struct client_key *k)
{
	struct client_key **p;

	for (p = &n->clients; *p != k; p = &(*p)->next)
		;
	*p = k->next;
	explicit_bzero(k, sizeof(*k));
	free(k);
}

void clients_free(struct node *n)
{
	while (n->clients)
		drop(n, n->clients);
}

static void file_path(const struct node *n, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s/clients.json", n->cfg.state_dir);
}

static json_t *key_json(const struct client_key *k)
{
	char id[17];

	(void)snprintf(id, sizeof(id), "%016" PRIx64, k->id);
	return json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:I}", "id", id, "user", k->user, "uid", (json_int_t)k->uid,
			 "name", k->label, "made", (json_int_t)k->made, "expires", (json_int_t)k->expires, "revoked",
			 (json_int_t)k->revoked);
}

static int save(const struct node *n, struct err *e)
{
	char path[300], secret[SECRET_TEXT];
	const struct client_key *k;
	json_t *list = json_array(), *o;
	char *text;
	int r;

	for (k = n->clients; k; k = k->next) {
		o = key_json(k);
		to_hex(secret, k->secret, sizeof(k->secret));
		(void)json_object_set_new(o, "secret", json_string(secret));
		(void)json_array_append_new(list, o);
	}
	explicit_bzero(secret, sizeof(secret));
	text = json_dumps(list, JSON_INDENT(1));
	json_decref(list);
	file_path(n, path, sizeof(path));
	r = text ? file_write_atomic(path, text, strlen(text), 0600) : -ENOMEM;
	if (text)
		explicit_bzero(text, strlen(text));
	free(text);
	return r < 0 ? err_set(e, r, "%s cannot be written: %s", path, strerror(-r)) : 0;
}

static int load_one(struct node *n, const json_t *o)
{
	struct client_key *k = calloc(1, sizeof(*k));
	char id[20] = "", secret[SECRET_TEXT] = "";

	if (!k)
		return -ENOMEM;
	json_get_text(o, "id", id, sizeof(id));
	json_get_text(o, "secret", secret, sizeof(secret));
	json_get_text(o, "user", k->user, sizeof(k->user));
	json_get_text(o, "name", k->label, sizeof(k->label));
	k->id = strtoull(id, NULL, 16);
	k->uid = (uid_t)json_get_int(o, "uid", UINT32_MAX);
	k->made = json_get_int(o, "made", 0);
	k->expires = json_get_int(o, "expires", 0);
	k->revoked = json_get_int(o, "revoked", 0);
	if (!k->id || !*k->user || k->uid == (uid_t)-1 || from_hex(secret, k->secret, sizeof(k->secret)) < 0) {
		free(k);
		return -EINVAL;
	}
	explicit_bzero(secret, sizeof(secret));
	k->next = n->clients;
	n->clients = k;
	return 0;
}

void clients_load(struct node *n)
{
	_cleanup_free_ char *text = NULL;
	char path[300];
	json_t *doc;
	size_t i;
	int r;

	file_path(n, path, sizeof(path));
	r = file_read_all(path, FILE_MAX, &text, NULL);
	if (r == -ENOENT)
		return;
	doc = r < 0 ? NULL : json_loads(text, 0, NULL);
	for (i = json_array_size(doc); r >= 0 && i > 0; i--)
		r = load_one(n, json_array_get(doc, i - 1));
	if (r < 0 || !json_is_array(doc)) {
		log_error("%s is damaged: no client is let in", path);
		clients_free(n);
	}
	json_decref(doc);
}

void clients_forget(struct node *n)
{
	char path[300];

	clients_free(n);
	file_path(n, path, sizeof(path));
	(void)unlink(path);
}

/* ---- connections --------------------------------------------------------------------------------------------------
 */

int client_accept(struct conn *c, struct err *e)
{
	const struct client_key *k = find(c->node, c->id);
	char identity[20];
	int r;

	/* An unknown one is answered like a wrong key: by the end. */
	if (!k)
		return err_set(e, -EKEYREJECTED, "an unknown client has come");
	c->submission = calloc(1, sizeof(*c->submission));
	if (!c->submission)
		return err_set(e, -ENOMEM, "out of memory");
	*c->submission = (struct submission){.conn = c, .client = k->id};
	(void)snprintf(identity, sizeof(identity), "%016" PRIx64, k->id);
	r = link_new_psk(&c->link, c->fd, true, identity, k->secret, sizeof(k->secret), e);
	if (r < 0)
		return r;
	c->fd = -1;
	link_set_accept(c->link, WIRE_FROM_CALLER);
	c->state = CONN_TLS;
	return 0;
}

void client_conn_freed(struct conn *c)
{
	free(take_ptr(c->submission));
}

void client_ready(struct node *n, uint64_t id, const struct err *e, uint64_t link_id, const uint8_t psk[LINK_PSK_SIZE])
{
	struct wire_client_ready m = {
	    .error = e->code, .reason = e->reason, .sentence = wire_str(e->text), .link_id = link_id};
	struct conn *c;
	struct err unused;

	for (c = n->conns; c && !(c->submission && c->submission->ask == id); c = c->next)
		;
	if (!c)
		return; /* it has gone */
	c->submission->ask = 0;
	if (link_id)
		m.psk = (struct wire_bytes){psk, LINK_PSK_SIZE};
	if (wire_client_ready_encode(&m, link_out(c->link)) == 0)
		(void)!conn_flush(c, &unused); /* an error is found again by the next event */
}

/* Whether the holder of the key may have an executor: 0, or -errno with e. */
static int may_open(const struct node *n, const struct client_key *k, unsigned protocol, struct err *e)
{
	const struct passwd *pw;

	if (protocol != WIRE_PROTOCOL)
		return err_reason(e, REASON_NODE_VERSION, -EPROTONOSUPPORT, "%s speaks protocol %d, the client %u",
				  n->name, WIRE_PROTOCOL, protocol);
	if (!k || k->revoked)
		return err_reason(e, REASON_NOT_PERMITTED, -EPERM, "the key of this client was revoked on %s", n->name);
	if (k->expires && k->expires < now_seconds())
		return err_reason(e, REASON_NOT_PERMITTED, -EPERM, "the key of this client has expired");
	pw = getpwnam(k->user);
	if (!pw)
		return err_reason(e, REASON_USER, -ENOENT, "there is no user %s on %s any more", k->user, n->name);
	if (pw->pw_uid != k->uid)
		return err_reason(e, REASON_USER, -EPERM, "user %s has another number on %s than when the key was made",
				  k->user, n->name);
	return 0;
}

int client_frame(struct conn *c, const struct wire_header *h, const uint8_t *body, struct err *e)
{
	struct node *n = c->node;
	const struct client_key *k = find(n, c->submission->client);
	struct wire_client_open m;
	struct err why = {0};
	uint64_t ask = random_id();

	if (h->type != WIRE_CLIENT_OPEN || c->state == CONN_OPEN || wire_client_open_decode(&m, body, h->length) < 0)
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "%s is not expected from a client",
				  wire_type_name(h->type));
	c->state = CONN_OPEN;
	n->n_half_open--;
	loop_remove(c->deadline);
	c->deadline = loop_add_timer(n->loop, clock_mono_ns() + OPEN_NS, conn_late, c);
	c->submission->ask = ask;
	if (may_open(n, k, m.protocol, &why) < 0) {
		log_info("a client is refused: %s", why.text);
		client_ready(n, ask, &why, 0, NULL);
	} else {
		exec_open_client(n, k->id, k->user, k->uid, ask);
	}
	return 0;
}

/* ---- the administrator's methods ------------------------------------------------------------------------------------
 */

/* Forgets those that have been over for long. */
static void tidy(struct node *n)
{
	struct client_key *k, *next;
	int64_t old = now_seconds() - KEEP_SECONDS;

	for (k = n->clients; k; k = next) {
		next = k->next;
		if ((k->revoked && k->revoked < old) || (k->expires && k->expires < old))
			drop(n, k);
	}
}

static struct client_key *make(struct node *n, const struct passwd *pw, const char *label, int64_t seconds,
			       struct err *e)
{
	struct client_key *k = calloc(1, sizeof(*k));

	if (!k) {
		(void)err_set(e, -ENOMEM, "out of memory");
		return NULL;
	}
	*k = (struct client_key){.next = n->clients, .id = random_id(), .uid = pw->pw_uid, .made = now_seconds()};
	k->expires = seconds ? k->made + seconds : 0;
	(void)snprintf(k->user, sizeof(k->user), "%s", pw->pw_name);
	(void)snprintf(k->label, sizeof(k->label), "%s", label);
	random_bytes(k->secret, sizeof(k->secret));
	n->clients = k;
	if (save(n, e) == 0)
		return k;
	drop(n, k);
	return NULL;
}

void method_client_add(struct request *req)
{
	struct node *n = req->data;
	const char *user = NULL, *label = "";
	const struct client_key *k;
	const struct passwd *pw;
	char secret[SECRET_TEXT], line[400];
	int64_t seconds = 0;
	struct err e = {0};
	unsigned count = 0;

	if (req_string(req, "user", true, 64, &user) < 0 || req_string(req, "name", false, LABEL_MAX, &label) < 0 ||
	    req_int(req, "seconds", false, 0, SECONDS_MAX, &seconds) < 0)
		return;
	tidy(n);
	for (k = n->clients; k; k = k->next)
		count++;
	pw = getpwnam(user);
	if (!n->keys) {
		req_refuse(req, REASON_NO_CLUSTER, "this node belongs to no cluster, so no client can reach it");
		return;
	}
	if (!pw || pw->pw_uid == n->uid) {
		req_refuse(req, REASON_USER,
			   pw ? "%s is the daemon's own user, as whom nothing is executed"
			      : "there is no user %s on this node",
			   user);
		return;
	}
	if (count >= KEYS_MAX) {
		req_refuse(req, REASON_BUSY, "this node has the keys of %u clients already", count);
		return;
	}
	k = make(n, pw, label, seconds, &e);
	if (!k) {
		req_refuse_err(req, &e);
		return;
	}
	to_hex(secret, k->secret, sizeof(k->secret));
	(void)snprintf(line, sizeof(line), "godwit-client-1 %s %u %016" PRIx64 " %s", n->address, n->port, k->id,
		       secret);
	log_info("a client may have commands executed as %s", k->user);
	req_reply(req, json_pack("{s:s, s:o}", "line", line, "client", key_json(k)));
	explicit_bzero(secret, sizeof(secret));
	explicit_bzero(line, sizeof(line));
}

void method_clients(struct request *req)
{
	const struct node *n = req->data;
	json_t *list = json_array();
	const struct client_key *k;

	for (k = n->clients; k; k = k->next)
		(void)json_array_append_new(list, key_json(k));
	req_reply(req, json_pack("{s:o}", "clients", list));
}

void method_client_remove(struct request *req)
{
	struct node *n = req->data;
	const char *id = NULL;
	struct client_key *k;
	struct err e = {0};

	if (req_string(req, "id", true, 16, &id) < 0)
		return;
	k = find(n, strtoull(id, NULL, 16));
	if (!k) {
		req_refuse(req, REASON_NO_SUCH_PROCESS, "this node knows no client %s", id);
		return;
	}
	k->revoked = k->revoked ? k->revoked : now_seconds();
	exec_end_client(n, k->id);
	tidy(n);
	/* It counts at once; but it must be known whether it will after a restart. */
	if (save(n, &e) < 0)
		req_refuse_err(req, &e);
	else
		req_reply(req, NULL);
}
