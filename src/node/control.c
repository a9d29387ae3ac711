/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control socket: see control.h.
 * Promise: within one connection, a request is begun only when the one before it has been answered.
 * Must not: block, or trust anything in a request but the kernel's word about who sent it.
 */
#include "control.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/sock.h"
#include "wire/reasons.h"
#include "json.h"

struct control_client {
	struct control *control;
	struct control_client *next;
	struct loop_watch *watch, *deadline;
	struct request *busy; /* the one that is being done */
	struct buf in, out;
	int fd;
	pid_t pid;
	uid_t uid;
	bool serving; /* client_serve() is on the stack: freeing waits for it */
	bool ended; /* nothing more will come, but answers may still go */
	bool closed;
};

struct control {
	struct loop *loop;
	struct loop_watch *watch;
	const struct control_method *methods;
	void *data;
	const char *interface;
	struct control_client *clients;
	unsigned n_clients;
	uid_t admin;
	int fd;
};

static void client_free(struct control_client *c)
{
	struct control_client **p;

	for (p = &c->control->clients; *p && *p != c; p = &(*p)->next)
		;
	assert(*p == c);
	*p = c->next;
	c->control->n_clients--;
	loop_remove(c->watch);
	loop_remove(c->deadline);
	(void)close(c->fd);
	buf_release(&c->in);
	buf_release(&c->out);
	free(c);
}

/* Ends the connection; the request that is being done lives on without a client. */
static void client_close(struct control_client *c)
{
	struct request *req = take_ptr(c->busy);

	c->closed = true;
	if (req) {
		req->client = NULL;
		if (req->gone)
			req->gone(req, req->gone_arg);
	}
	if (!c->serving)
		client_free(c);
}

/* Sends what the socket takes. Returns 0, or -errno when the connection is of no use any more. */
static int client_flush(struct control_client *c)
{
	ssize_t n;

	while (c->out.len > 0) {
		n = send(c->fd, buf_head(&c->out), c->out.len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			return -errno;
		buf_consume(&c->out, (size_t)n);
	}
	/* While a request is being done no more input is read: the client's socket buffer is its bound. */
	if (c->ended && !c->busy && !c->out.len)
		return -ECONNRESET;
	return loop_set_events(c->watch, (c->out.len ? EPOLLOUT : 0) | (c->busy || c->ended ? 0 : EPOLLIN));
}

/* Appends one message. A client that does not read is cut when its replies exceed the bound. */
static void client_send(struct control_client *c, json_t *msg)
{
	_cleanup_free_ char *text = msg ? json_dumps(msg, JSON_COMPACT) : NULL;

	json_decref(msg);
	if (c->closed)
		return;
	if (!text || buf_append(&c->out, text, strlen(text) + 1) < 0 || client_flush(c) < 0)
		client_close(c);
}

static void client_serve(struct control_client *c);

/* Sends the last answer of a request and goes on with the next one of its client. */
static void req_finish(struct request *req, json_t *msg)
{
	struct control_client *c = req->client;
	bool oneway = req->oneway;

	json_decref(req->params);
	free(req);
	if (!c) {
		json_decref(msg);
		return;
	}
	c->busy = NULL;
	if (c->serving) { /* answered at once: client_serve() goes on itself */
		if (oneway)
			json_decref(msg);
		else
			client_send(c, msg);
		return;
	}
	c->serving = true;
	if (oneway)
		json_decref(msg);
	else
		client_send(c, msg);
	c->serving = false;
	if (c->closed)
		client_free(c);
	else
		client_serve(c);
}

static json_t *params_message(json_t *reply)
{
	return json_pack("{s:o}", "parameters", reply ? reply : json_object());
}

void req_reply(struct request *req, json_t *reply)
{
	req_finish(req, params_message(reply));
}

void req_continue(struct request *req, json_t *reply)
{
	json_t *msg = params_message(reply);

	if (!req->client || !msg || json_object_set_new(msg, "continues", json_true()) < 0) {
		json_decref(msg);
		return;
	}
	client_send(req->client, msg);
}

static void req_error(struct request *req, const char *error, json_t *params)
{
	req_finish(req, json_pack("{s:s, s:o}", "error", error, "parameters", params ? params : json_object()));
}

void req_refuse(struct request *req, unsigned reason, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	req_error(req, "org.godwit.Refused",
		  json_pack("{s:s, s:i, s:o}", "reason", reason_word(reason), "number", (int)reason, "sentence",
			    json_text(text)));
}

void req_refuse_err(struct request *req, const struct err *e)
{
	req_refuse(req, e->reason ? e->reason : REASON_INTERNAL, "%s", e->text[0] ? e->text : "it failed");
}

void req_invalid(struct request *req, const char *parameter)
{
	req_error(req, "org.varlink.service.InvalidParameter", json_pack("{s:s}", "parameter", parameter));
}

bool req_may_kill(const struct request *req, uid_t real, uid_t saved)
{
	return req->uid == 0 || req->uid == real || req->uid == saved;
}

static json_t *param(const struct request *req, const char *name)
{
	json_t *v = json_object_get(req->params, name);

	return json_is_null(v) ? NULL : v;
}

int req_string(struct request *req, const char *name, bool needed, size_t max, const char **ret)
{
	json_t *v = param(req, name);

	if (!v && !needed)
		return 0;
	if (!json_is_string(v) || json_string_length(v) > max ||
	    strlen(json_string_value(v)) != json_string_length(v)) {
		req_invalid(req, name);
		return -EINVAL;
	}
	*ret = json_string_value(v);
	return 0;
}

int req_int(struct request *req, const char *name, bool needed, int64_t min, int64_t max, int64_t *ret)
{
	json_t *v = param(req, name);

	if (!v && !needed)
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < min || json_integer_value(v) > max) {
		req_invalid(req, name);
		return -EINVAL;
	}
	*ret = json_integer_value(v);
	return 0;
}

int req_bool(struct request *req, const char *name, bool needed, bool *ret)
{
	json_t *v = param(req, name);

	if (!v && !needed)
		return 0;
	if (!json_is_boolean(v)) {
		req_invalid(req, name);
		return -EINVAL;
	}
	*ret = json_is_true(v);
	return 0;
}

ssize_t control_frame(const char *p, size_t n, json_t **ret)
{
	const char *end = memchr(p, '\0', n);
	json_t *msg;

	if (!end)
		return 0;
	msg = json_loadb(p, (size_t)(end - p), JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(msg) || !json_is_string(json_object_get(msg, "method"))) {
		json_decref(msg);
		return -EBADMSG;
	}
	*ret = msg;
	return end - p + 1;
}

static void varlink_info(struct request *req)
{
	req_reply(req, json_pack("{s:s, s:s, s:s, s:s, s:[s,s]}", "vendor", "Godwit", "product", "godwitd", "version",
				 GODWIT_VERSION, "url", "https://godwit.org/", "interfaces", "org.varlink.service",
				 "org.godwit"));
}

static const char service_interface[] =
    "interface org.varlink.service\n"
    "method GetInfo() -> (vendor: string, product: string, version: string, url: string, interfaces: []string)\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n"
    "error InterfaceNotFound (interface: string)\n"
    "error MethodNotFound (method: string)\n"
    "error MethodNotImplemented (method: string)\n"
    "error InvalidParameter (parameter: string)\n"
    "error PermissionDenied ()\n"
    "error ExpectedMore ()\n";

static void varlink_description(struct request *req, const char *own)
{
	const char *name = NULL;

	if (req_string(req, "interface", true, 256, &name) < 0)
		return;
	if (!strcmp(name, "org.godwit"))
		req_reply(req, json_pack("{s:s}", "description", own));
	else if (!strcmp(name, "org.varlink.service"))
		req_reply(req, json_pack("{s:s}", "description", service_interface));
	else
		req_error(req, "org.varlink.service.InterfaceNotFound", json_pack("{s:s}", "interface", name));
}

/* Finds the method of the message and calls it, if this caller may. */
static void req_dispatch(struct control *c, struct request *req, const char *method)
{
	const struct control_method *m;

	if (!strcmp(method, "org.varlink.service.GetInfo")) {
		varlink_info(req);
		return;
	}
	if (!strcmp(method, "org.varlink.service.GetInterfaceDescription")) {
		varlink_description(req, c->interface);
		return;
	}
	for (m = c->methods; m->name && strcmp(m->name, method) != 0; m++)
		;
	if (!m->name)
		req_error(req, "org.varlink.service.MethodNotFound", json_pack("{s:s}", "method", method));
	else if (m->access == ACCESS_ADMIN && req->uid != 0 && req->uid != c->admin)
		req_refuse(req, REASON_NOT_PERMITTED, "only root may do this");
	else if (m->needs_more && !req->more)
		req_error(req, "org.varlink.service.ExpectedMore", NULL);
	else
		m->fn(req);
}

/* Makes a request from a message and starts it. -ENOMEM ends the connection. */
static int client_request(struct control_client *c, json_t *msg)
{
	json_t *params = json_object_get(msg, "parameters");
	struct request *req;

	if (params && !json_is_object(params) && !json_is_null(params))
		return -EBADMSG;
	req = calloc(1, sizeof(*req));
	if (!req)
		return -ENOMEM;
	*req = (struct request){.client = c,
				.data = c->control->data,
				.pid = c->pid,
				.uid = c->uid,
				.params = json_is_object(params) ? json_incref(params) : json_object(),
				.more = json_is_true(json_object_get(msg, "more")),
				.oneway = json_is_true(json_object_get(msg, "oneway"))};
	c->busy = req;
	req_dispatch(c->control, req, json_string_value(json_object_get(msg, "method")));
	return 0;
}

static void client_late(void *arg)
{
	struct control_client *c = arg;

	c->deadline = NULL;
	client_close(c);
}

/* Begins requests as long as there are complete ones and none is being done. */
static void client_serve(struct control_client *c)
{
	json_t *msg = NULL;
	ssize_t n = 0;

	c->serving = true;
	while (!c->closed && !c->busy && c->in.len > 0) {
		n = control_frame((const char *)buf_head(&c->in), c->in.len, &msg);
		if (n <= 0)
			break;
		buf_consume(&c->in, (size_t)n);
		loop_remove(take_ptr(c->deadline));
		n = client_request(c, msg);
		json_decref(msg);
		if (n < 0)
			break;
	}
	c->serving = false;
	if (c->closed) {
		client_free(c);
		return;
	}
	if (n < 0 || client_flush(c) < 0) {
		client_close(c);
		return;
	}
	if (c->in.len > 0 && !c->busy && !c->deadline)
		c->deadline = loop_add_timer(c->control->loop, clock_mono_ns() + CONTROL_REQUEST_NS, client_late, c);
}

/* Reads what there is. 0, or -errno at the end of the connection. */
static int client_read(struct control_client *c)
{
	uint8_t *p = buf_reserve(&c->in, 4096);
	ssize_t n;

	if (!p)
		return -ENOBUFS;
	n = recv(c->fd, p, 4096, MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	c->ended = n == 0;
	buf_commit(&c->in, (size_t)n);
	return 0;
}

static void client_event(void *arg, int fd, uint32_t events)
{
	struct control_client *c = arg;

	if (events & (EPOLLERR | EPOLLHUP)) {
		client_close(c);
		return;
	}
	if (events & EPOLLOUT && client_flush(c) < 0) {
		client_close(c);
		return;
	}
	if (!(events & EPOLLIN) || c->busy || c->ended)
		return;
	if (client_read(c) < 0)
		client_close(c);
	else
		client_serve(c);
}

static unsigned clients_of(const struct control *c, uid_t uid)
{
	const struct control_client *k;
	unsigned n = 0;

	for (k = c->clients; k; k = k->next)
		n += k->uid == uid;
	return n;
}

static void control_accept(void *arg, int fd, uint32_t events)
{
	struct control *c = arg;
	_cleanup_close_ int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct control_client *k;
	pid_t pid;
	uid_t uid;
	gid_t gid;

	if (s < 0 || sock_peer_cred(s, &pid, &uid, &gid) < 0)
		return;
	if (c->n_clients >= CONTROL_CLIENTS_MAX || (uid != 0 && clients_of(c, uid) >= CONTROL_CLIENTS_PER_USER))
		return;
	k = calloc(1, sizeof(*k));
	if (!k)
		return;
	*k = (struct control_client){.control = c, .fd = s, .pid = pid, .uid = uid, .next = c->clients};
	buf_init(&k->in, CONTROL_REQUEST_MAX + 4096);
	buf_init(&k->out, CONTROL_REPLY_MAX);
	k->watch = loop_add_fd(c->loop, s, EPOLLIN, client_event, k);
	if (!k->watch) {
		free(k);
		return;
	}
	(void)take_fd(&s);
	c->clients = k;
	c->n_clients++;
}

int control_open(struct loop *loop, const char *path, const struct control_method *methods, void *data, uid_t admin,
		 const char *interface, struct control **ret, struct err *e)
{
	struct control *c = calloc(1, sizeof(*c));
	int fd;

	if (!c)
		return err_set(e, -ENOMEM, "out of memory");
	fd = sock_listen_unix(path, SOCK_STREAM, 0666, e);
	if (fd < 0) {
		free(c);
		return fd;
	}
	*c = (struct control){
	    .loop = loop, .methods = methods, .data = data, .interface = interface, .admin = admin, .fd = fd};
	c->watch = loop_add_fd(loop, fd, EPOLLIN, control_accept, c);
	if (!c->watch) {
		(void)close(fd);
		free(c);
		return err_set(e, -ENOMEM, "out of memory");
	}
	*ret = c;
	return 0;
}

void control_free(struct control *c)
{
	if (!c)
		return;
	while (c->clients)
		client_close(c->clients);
	loop_remove(c->watch);
	(void)close(c->fd);
	free(c);
}

unsigned control_clients(const struct control *c)
{
	return c->n_clients;
}
