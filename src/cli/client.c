/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See client.h. */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/sock.h"
#include "client.h"
#include "reason.h"
#include "sandbox.h"

#define REPLY_MAX (8U << 20)
#define SEND_SECONDS 5

int client_path(const char *at, char *buf, size_t cap, struct err *e)
{
	const char *run = getenv("GODWIT_RUN");
	int n;

	if (!at || !*at)
		at = getenv("GODWIT_SOCKET");
	if (at && *at && !strchr(at, '/'))
		return sandbox_socket(at, buf, cap, e);
	if (at && *at)
		n = snprintf(buf, cap, "%s", at);
	else
		n = snprintf(buf, cap, "%s/control.sock", run && *run ? run : "/run/godwit");
	/* one more than the kernel's structure has room for would be cut by the caller of connect() */
	if (n < 0 || (size_t)n >= cap || (size_t)n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return err_reason(e, CLI_REASON_NO_DAEMON, -ENOENT,
				  "the path of the control socket is too long: %.80s...", buf);
	return 0;
}

int client_open_path(struct client *c, const char *path, struct err *e)
{
	int fd = sock_connect_unix(path, SOCK_STREAM | SOCK_NONBLOCK, NULL);

	buf_init(&c->in, REPLY_MAX);
	if (fd < 0)
		return err_reason(e, CLI_REASON_NO_DAEMON, fd, "no godwitd answers at %s (%s)", path, strerror(-fd));
	c->fd = fd;
	return 0;
}

int client_open(struct client *c, const char *at, struct err *e)
{
	char path[256];
	int r = client_path(at, path, sizeof(path), e);

	return r < 0 ? r : client_open_path(c, path, e);
}

void client_close(struct client *c)
{
	if (c->fd >= 0)
		(void)close(c->fd);
	c->fd = -1;
	buf_release(&c->in);
}

int client_send(struct client *c, const char *method, json_t *params, bool more, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + SEND_SECONDS * NSEC_PER_SEC;
	_cleanup_json_ json_t *request = json_pack("{s:o}", "parameters", params ? params : json_object());
	_cleanup_free_ char *text = NULL;
	char name[64];
	size_t off = 0, n;

	(void)snprintf(name, sizeof(name), "org.godwit.%s", method);
	if (!request || json_object_set_new(request, "method", json_string(name)) < 0 ||
	    (more && json_object_set_new(request, "more", json_true()) < 0) ||
	    !(text = json_dumps(request, JSON_COMPACT)))
		return err_set(e, -ENOMEM, "a request cannot be written (out of memory, or text that is no UTF-8)");
	for (n = strlen(text) + 1; off < n;) {
		ssize_t sent = send(c->fd, text + off, n - off, MSG_NOSIGNAL);

		if (sent < 0 && errno == EAGAIN) {
			int r = sock_wait(c->fd, POLLOUT, deadline);

			if (r < 0)
				return err_reason(e, CLI_REASON_TIMEOUT, r, "the daemon does not read the request");
			continue;
		}
		if (sent < 0 && errno != EINTR)
			return err_reason(e, CLI_REASON_NO_DAEMON, -errno, "the daemon has closed the connection");
		off += sent > 0 ? (size_t)sent : 0;
	}
	return 0;
}

/* An error reply becomes a number, an errno and a sentence. */
static int reply_error(const char *error, const json_t *params, struct err *e)
{
	const char *sentence = json_string_value(json_object_get(params, "sentence"));
	json_int_t number = json_integer_value(json_object_get(params, "number"));
	const char *parameter = json_string_value(json_object_get(params, "parameter"));

	if (strcmp(error, "org.godwit.Refused") == 0 && sentence)
		return err_reason(e, number > 0 && number < 10000 ? (unsigned)number : CLI_REASON_INTERNAL, -EREMOTEIO,
				  "%s", sentence);
	if (strcmp(error, "org.varlink.service.InvalidParameter") == 0)
		return err_set(e, -EINVAL, "the daemon does not accept that %s", parameter ? parameter : "parameter");
	if (strcmp(error, "org.varlink.service.MethodNotFound") == 0)
		return err_reason(e, CLI_REASON_INTERNAL, -ENOSYS,
				  "the daemon does not know this request; it may be of another version");
	return err_reason(e, CLI_REASON_INTERNAL, -EREMOTEIO, "the daemon answered with the error %.100s", error);
}

static int take_reply(struct client *c, size_t n, json_t **ret, bool *ret_continues, struct err *e)
{
	_cleanup_json_ json_t *reply = json_loadb((const char *)buf_head(&c->in), n, 0, NULL);
	const json_t *params;
	const char *error;

	buf_consume(&c->in, n + 1);
	if (!json_is_object(reply))
		return err_reason(e, CLI_REASON_PROTOCOL, -EPROTO, "the answer of the daemon cannot be read");
	params = json_object_get(reply, "parameters");
	error = json_string_value(json_object_get(reply, "error"));
	if (error)
		return reply_error(error, params, e);
	*ret = json_is_object(params) ? json_deep_copy(params) : json_object();
	if (ret_continues)
		*ret_continues = json_is_true(json_object_get(reply, "continues"));
	return *ret ? 0 : err_set(e, -ENOMEM, "out of memory");
}

int client_receive(struct client *c, uint64_t deadline, json_t **ret, bool *ret_continues, struct err *e)
{
	size_t seen = 0;

	for (;;) {
		const uint8_t *end = c->in.len > seen ? memchr(buf_head(&c->in) + seen, 0, c->in.len - seen) : NULL;
		uint8_t *p;
		ssize_t n;

		if (end)
			return take_reply(c, (size_t)(end - buf_head(&c->in)), ret, ret_continues, e);
		seen = c->in.len;
		p = buf_reserve(&c->in, 16384);
		if (!p)
			return err_reason(e, CLI_REASON_PROTOCOL, -ENOBUFS, "the answer of the daemon is too long");
		n = recv(c->fd, p, 16384, 0);
		if (n == 0)
			return err_reason(e, CLI_REASON_NO_DAEMON, -EPIPE, "the daemon has closed the connection");
		if (n > 0) {
			buf_commit(&c->in, (size_t)n);
		} else if (errno == EAGAIN) {
			int r = sock_wait(c->fd, POLLIN, deadline);

			if (r < 0 && r != -EINTR)
				return err_reason(e, CLI_REASON_TIMEOUT, r, "the daemon has not answered in time");
			if (r == -EINTR)
				return err_reason(e, CLI_REASON_INTERNAL, r, "interrupted");
		} else if (errno != EINTR) {
			return err_reason(e, CLI_REASON_NO_DAEMON, -errno, "the connection to the daemon broke: %s",
					  strerror(errno));
		}
	}
}

int client_ask(const char *at, const char *method, json_t *params, unsigned seconds, json_t **ret, struct err *e)
{
	_cleanup_json_ json_t *owned = params;
	_cleanup_(client_close) struct client c = CLIENT_INIT;
	int r = client_open(&c, at, e);

	if (r == 0)
		r = client_send(&c, method, json_incref(owned), false, e);
	if (r == 0)
		r = client_receive(&c, clock_mono_ns() + seconds * NSEC_PER_SEC, ret, NULL, e);
	return r;
}
