/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What survives a restart: the keys, node.json (name, address, port, settings), peers.json (who was there).
 * Promise: a crash leaves the old or the new content; what the command line says comes before what a file says. Must
 * not: fail over a damaged node.json or peers.json, which can be made anew.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/file.h"
#include "base/log.h"
#include "json.h"
#include "node.h"

#define FILE_MAX (4U << 20)

void random_bytes(void *p, size_t n)
{
	/* getrandom(2): up to 256 bytes come whole and uninterrupted. */
	if (n > 256 || getrandom(p, n, 0) != (ssize_t)n)
		abort();
}

uint64_t random_id(void)
{
	uint64_t v = 0;

	while (!v)
		random_bytes(&v, sizeof(v));
	return v;
}

static json_t *load_json(const struct node *n, const char *name)
{
	_cleanup_free_ char *text = NULL;
	char path[300];

	(void)snprintf(path, sizeof(path), "%s/%s", n->cfg.state_dir, name);
	return file_read_all(path, FILE_MAX, &text, NULL) < 0 ? NULL : json_loads(text, 0, NULL);
}

static int save_json(const struct node *n, const char *name, json_t *doc)
{
	_cleanup_free_ char *text = doc ? json_dumps(doc, JSON_INDENT(1)) : NULL;
	char path[300];

	json_decref(doc);
	if (!text)
		return -ENOMEM;
	(void)snprintf(path, sizeof(path), "%s/%s", n->cfg.state_dir, name);
	return file_write_atomic(path, text, strlen(text), 0600);
}

void state_guess_address(char *buf, size_t cap)
{
	/* Connecting a datagram socket sends nothing; it only chooses the address that the default route uses. */
	struct sockaddr_in far = {.sin_family = AF_INET, .sin_port = htons(9)}, own;
	_cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(own);

	(void)snprintf(buf, cap, "127.0.0.1");
	(void)inet_pton(AF_INET, "192.0.2.1", &far.sin_addr); /* RFC 5737: nobody's */
	if (fd >= 0 && connect(fd, (struct sockaddr *)&far, sizeof(far)) == 0 &&
	    getsockname(fd, (struct sockaddr *)&own, &len) == 0)
		(void)inet_ntop(AF_INET, &own.sin_addr, buf, (socklen_t)cap);
}

/* Host names may have characters that node names do not. */
static void host_name(char *buf, size_t cap)
{
	size_t i;

	if (gethostname(buf, cap) < 0)
		buf[0] = '\0';
	buf[cap - 1] = '\0';
	buf[strcspn(buf, ".")] = '\0';
	for (i = 0; buf[i]; i++)
		if (!((buf[i] >= 'a' && buf[i] <= 'z') || (buf[i] >= 'A' && buf[i] <= 'Z') ||
		      (buf[i] >= '0' && buf[i] <= '9') || buf[i] == '-'))
			buf[i] = '-';
	if (!config_name_ok(buf))
		(void)snprintf(buf, cap, "node");
}

/* A speed that was measured once stays, so that a restart under load changes nothing; another processor is another
 * machine. */
static void load_speed(struct node *n, const json_t *doc)
{
	char model[sizeof(n->cpu_model)] = "";
	int64_t speed = json_get_int(doc, "speed", 0);

	json_get_text(doc, "cpu_model", model, sizeof(model));
	if (!strcmp(model, n->cpu_model) && speed > 0 && speed <= INT32_MAX)
		n->speed = (uint32_t)speed;
}

int state_load(struct node *n, struct err *e)
{
	const struct node_config *c = &n->cfg;
	json_t *doc = load_json(n, "node.json");
	int r;

	host_name(n->name, sizeof(n->name) - 1);
	state_guess_address(n->address, sizeof(n->address));
	if (*c->listen && strcmp(c->listen, "*") != 0 && strcmp(c->listen, "0.0.0.0") != 0 &&
	    strcmp(c->listen, "::") != 0)
		(void)snprintf(n->address, sizeof(n->address), "%s", c->listen);
	n->port = NODE_PORT;
	speed_cpu_model(n->cpu_model, sizeof(n->cpu_model));
	if (doc) {
		json_get_text(doc, "name", n->name, sizeof(n->name) - 1);
		json_get_text(doc, "address", n->address, sizeof(n->address));
		n->port = (uint16_t)json_get_int(doc, "port", n->port);
		n->stay = json_is_true(json_object_get(doc, "stay"));
		n->blocked = json_is_true(json_object_get(doc, "blocked"));
		load_speed(n, doc);
		json_decref(doc);
	}
	r = keys_load(&n->keys, c->state_dir, e);
	if (r < 0 && r != -ENOENT)
		return r;
	e->code = 0;
	/* In a cluster the name is that of the certificate. */
	if (*c->name && n->keys && strcmp(c->name, n->name) != 0)
		return err_set(e, -EINVAL, "this node is %s in its cluster; it cannot be started as %s", n->name,
			       c->name);
	if (*c->name)
		(void)snprintf(n->name, sizeof(n->name), "%s", c->name);
	if (*c->advertise)
		(void)snprintf(n->address, sizeof(n->address), "%s", c->advertise);
	if (c->port)
		n->port = c->port;
	return 0;
}

int state_save(const struct node *n, struct err *e)
{
	int r = save_json(n, "node.json",
			  json_pack("{s:s, s:s, s:i, s:b, s:b, s:i, s:o}", "name", n->name, "address", n->address,
				    "port", n->port, "stay", n->stay, "blocked", n->blocked, "speed", (int)n->speed,
				    "cpu_model", json_text(n->cpu_model)));

	return r < 0 ? err_set(e, r, "the settings cannot be written to %s: %s", n->cfg.state_dir, strerror(-r)) : 0;
}

void state_save_peers(const struct node *n)
{
	struct policy_node_view v;
	json_t *list = json_array();
	unsigned cursor = 0;

	while (policy_node_next(n->policy, &cursor, &v))
		if (v.health != POLICY_SELF && !v.left)
			(void)json_array_append_new(list, json_pack("{s:s, s:o, s:i}", "name", v.node->name, "address",
								    json_text(v.node->address), "port", v.node->port));
	if (save_json(n, "peers.json", json_pack("{s:o}", "nodes", list)) < 0)
		log_warn("peers.json cannot be written to %s", n->cfg.state_dir);
}

/* Nodes of the last run: each is greeted, and what it answers makes it known to the policy. */
void state_load_peers(struct node *n)
{
	json_t *doc = load_json(n, "peers.json"), *v;
	char name[NODE_NAME_MAX + 1], address[NODE_NAME_MAX + 1];
	struct peer *p;
	size_t i;

	json_array_foreach(json_object_get(doc, "nodes"), i, v)
	{
		name[0] = address[0] = '\0';
		json_get_text(v, "name", name, sizeof(name));
		json_get_text(v, "address", address, sizeof(address));
		p = peer_get(n, name, address, (uint16_t)json_get_int(v, "port", 0));
		if (p)
			peer_ping(p);
	}
	json_decref(doc);
}
