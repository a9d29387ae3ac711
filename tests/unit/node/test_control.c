/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The control socket: framing of any bytes, and a server with clients that are slow, silent, wrong or gone. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/clock.h"
#include "base/loop.h"
#include "base/sock.h"
#include "node/control.h"

static void complete_messages_are_found(void **state)
{
	static const char two[] = "{\"method\":\"a.B\"}\0{\"method\":\"c.D\"}";
	json_t *msg = NULL;

	assert_int_equal(control_frame(two, sizeof(two), &msg), 17);
	assert_string_equal(json_string_value(json_object_get(msg, "method")), "a.B");
	json_decref(msg);
	assert_int_equal(control_frame(two, 16, &msg), 0);
	assert_int_equal(control_frame(two, 0, &msg), 0);
}

static void what_is_no_call_is_refused(void **state)
{
	static const char *const bad[] = {"",
					  "{}",
					  "[]",
					  "null",
					  "{\"method\":1}",
					  "{\"method\":\"a\"",
					  "{\"method\":\"a\"}x",
					  "\xff\xfe",
					  "{\"method\":\"\xc3\"}",
					  "{\"method\":\"a\",\"method\":\"b\"}"};
	json_t *msg = NULL;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(control_frame(bad[i], strlen(bad[i]) + 1, &msg), -EBADMSG);
	assert_null(msg);
}

/* ---- a server ------------------------------------------------------------------------------------------------- */

struct server {
	struct loop *loop;
	struct control *control;
	char dir[32], path[64];
	struct request *kept;
	unsigned gone;
};

static void echo(struct request *req)
{
	const char *text = NULL;

	if (req_string(req, "text", true, 100000, &text) == 0)
		req_reply(req, json_pack("{s:s, s:i}", "text", text, "uid", (int)req->uid));
}

static void keep(struct request *req)
{
	struct server *s = req->data;

	s->kept = req;
}

static void client_gone(struct request *req, void *arg)
{
	struct server *s = arg;

	s->gone++;
	s->kept = NULL;
	req_reply(req, NULL);
}

static void keep_until_gone(struct request *req)
{
	keep(req);
	req->gone = client_gone;
	req->gone_arg = req->data;
}

static void flood(struct request *req)
{
	static char big[100001];
	struct server *s = req->data;
	int i;

	memset(big, 'x', sizeof(big) - 1);
	req->gone = client_gone;
	req->gone_arg = s;
	for (i = 0; i < 100 && !s->gone; i++)
		req_continue(req, json_pack("{s:s}", "text", big));
	if (!s->gone)
		req_reply(req, NULL);
}

static const struct control_method methods[] = {
    {"t.Echo", echo, ACCESS_ALL, false},
    {"t.Keep", keep, ACCESS_ALL, false},
    {"t.Gone", keep_until_gone, ACCESS_ALL, false},
    {"t.Flood", flood, ACCESS_ALL, true},
    {NULL, NULL, ACCESS_ALL, false},
};

static int setup(void **state)
{
	struct server *s = calloc(1, sizeof(*s));
	struct err e = {0};

	assert_non_null(s);
	strcpy(s->dir, "/tmp/godwit-control-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	(void)snprintf(s->path, sizeof(s->path), "%s/control.sock", s->dir);
	assert_int_equal(loop_new(&s->loop), 0);
	assert_int_equal(control_open(s->loop, s->path, methods, s, 0, "interface t\n", &s->control, &e), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct server *s = *state;

	control_free(s->control);
	loop_free(s->loop);
	(void)unlink(s->path);
	(void)rmdir(s->dir);
	free(s);
	return 0;
}

static int client(struct server *s)
{
	struct err e = {0};
	int fd = sock_connect_unix(s->path, SOCK_STREAM | SOCK_NONBLOCK, &e);

	assert_true(fd >= 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text) + 1, MSG_NOSIGNAL), (ssize_t)strlen(text) + 1);
}

/* Runs the server until the client has one more message, or its connection's end (""). */
static const char *hear(struct server *s, int fd)
{
	static char buf[8192];
	uint64_t deadline = clock_mono_ns() + 5 * NSEC_PER_SEC;
	size_t n = 0;
	ssize_t k;

	while (clock_mono_ns() < deadline) {
		assert_int_equal(loop_once(s->loop, 10), 0);
		while (n < sizeof(buf) - 1 && (k = recv(fd, buf + n, 1, MSG_DONTWAIT)) == 1)
			if (!buf[n++])
				return buf;
		if (n == 0 && (k == 0 || (k < 0 && errno == ECONNRESET)))
			return "";
	}
	fail_msg("no answer within 5 s");
	return NULL;
}

static void one_request_one_reply(void **state)
{
	int fd = client(*state);

	say(fd, "{\"method\":\"t.Echo\",\"parameters\":{\"text\":\"h\xc3\xa4llo\"}}");
	assert_non_null(strstr(hear(*state, fd), "\"text\":\"h\xc3\xa4llo\""));
	say(fd, "{\"method\":\"org.varlink.service.GetInfo\"}");
	assert_non_null(strstr(hear(*state, fd), "\"vendor\":\"Godwit\""));
	(void)close(fd);
}

static void errors_have_varlink_names(void **state)
{
	static const char *const cases[][2] = {
	    {"{\"method\":\"t.Nothing\"}", "org.varlink.service.MethodNotFound"},
	    {"{\"method\":\"t.Echo\"}", "org.varlink.service.InvalidParameter"},
	    {"{\"method\":\"t.Echo\",\"parameters\":{\"text\":1}}", "org.varlink.service.InvalidParameter"},
	    {"{\"method\":\"t.Echo\",\"parameters\":{\"text\":\"a\\u0000b\"}}", ""},
	    {"{\"method\":\"t.Flood\"}", "org.varlink.service.ExpectedMore"},
	    {"{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":{\"interface\":\"x.y\"}}",
	     "org.varlink.service.InterfaceNotFound"},
	    {"{\"method\":\"t.Echo\",\"parameters\":[]}", ""},
	};
	const char *answer;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		fd = client(*state);
		say(fd, cases[i][0]);
		answer = hear(*state, fd);
		if (cases[i][1][0])
			assert_non_null(strstr(answer, cases[i][1]));
		else
			assert_string_equal(answer, ""); /* disconnected */
		(void)close(fd);
	}
}

static void requests_in_pieces_and_together(void **state)
{
	static const char text[] = "{\"method\":\"t.Echo\",\"parameters\":{\"text\":\"1\"}}\0{\"method\":\"t.Echo\","
				   "\"parameters\":{\"text\":\"2\"}}";
	struct server *s = *state;
	int fd = client(s);
	size_t i;

	for (i = 0; i < 60; i++) {
		assert_int_equal(send(fd, text + i, 1, 0), 1);
		assert_int_equal(loop_once(s->loop, 0), 0);
	}
	assert_true(send(fd, text + i, sizeof(text) - i, 0) > 0);
	assert_non_null(strstr(hear(s, fd), "\"1\""));
	assert_non_null(strstr(hear(s, fd), "\"2\""));
	(void)close(fd);
}

/* The second request of a connection waits for the first; another connection does not. */
static void a_pending_request_holds_its_connection_only(void **state)
{
	struct server *s = *state;
	int a = client(s), b = client(s);

	say(a, "{\"method\":\"t.Keep\"}");
	say(a, "{\"method\":\"t.Echo\",\"parameters\":{\"text\":\"later\"}}");
	say(b, "{\"method\":\"t.Echo\",\"parameters\":{\"text\":\"now\"}}");
	assert_non_null(strstr(hear(s, b), "now"));
	while (!s->kept)
		assert_int_equal(loop_once(s->loop, 1000), 0);
	req_refuse(s->kept, 50, "first %s", "\"quoted\" \xff");
	assert_non_null(strstr(hear(s, a), "already-there"));
	assert_non_null(strstr(hear(s, a), "later"));
	(void)close(a);
	(void)close(b);
}

static void a_client_that_goes_is_told_to_its_request(void **state)
{
	struct server *s = *state;
	int fd = client(s);
	uint64_t deadline = clock_mono_ns() + 5 * NSEC_PER_SEC;

	say(fd, "{\"method\":\"t.Gone\"}");
	while (!s->kept && clock_mono_ns() < deadline)
		assert_int_equal(loop_once(s->loop, 10), 0);
	assert_non_null(s->kept);
	(void)close(fd);
	while (!s->gone && clock_mono_ns() < deadline)
		assert_int_equal(loop_once(s->loop, 10), 0);
	assert_int_equal(s->gone, 1);
	assert_int_equal(control_clients(s->control), 0);
}

static void a_client_that_does_not_read_is_cut(void **state)
{
	struct server *s = *state;
	int fd = client(s);
	uint64_t deadline = clock_mono_ns() + 5 * NSEC_PER_SEC;

	say(fd, "{\"method\":\"t.Flood\",\"more\":true}");
	while (!s->gone && clock_mono_ns() < deadline)
		assert_int_equal(loop_once(s->loop, 10), 0);
	assert_int_equal(s->gone, 1);
	assert_int_equal(control_clients(s->control), 0);
	(void)close(fd);
}

static void too_long_a_request_is_cut(void **state)
{
	static char big[100000];
	struct server *s = *state;
	uint64_t deadline = clock_mono_ns() + 5 * NSEC_PER_SEC;
	int fd = client(s);
	ssize_t k = 1;

	memset(big, ' ', sizeof(big));
	while (k > 0 || errno == EAGAIN) {
		assert_true(clock_mono_ns() < deadline);
		k = send(fd, big, sizeof(big), MSG_NOSIGNAL | MSG_DONTWAIT);
		assert_int_equal(loop_once(s->loop, 10), 0);
	}
	assert_int_equal(errno, EPIPE);
	(void)close(fd);
}

static void oneway_has_no_reply(void **state)
{
	struct server *s = *state;
	int fd = client(s);

	say(fd, "{\"method\":\"t.Echo\",\"oneway\":true,\"parameters\":{\"text\":\"quiet\"}}");
	say(fd, "{\"method\":\"t.Echo\",\"parameters\":{\"text\":\"loud\"}}");
	assert_non_null(strstr(hear(s, fd), "loud"));
	(void)close(fd);
}

static void clients_are_bounded(void **state)
{
	struct server *s = *state;
	int fds[CONTROL_CLIENTS_MAX + 8];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client(s);
		assert_int_equal(loop_once(s->loop, 0), 0);
	}
	assert_true(control_clients(s->control) <= CONTROL_CLIENTS_MAX);
	assert_true(control_clients(s->control) >= CONTROL_CLIENTS_PER_USER);
	for (i = 0; i < ARRAY_SIZE(fds); i++)
		(void)close(fds[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(complete_messages_are_found),
	    cmocka_unit_test(what_is_no_call_is_refused),
	    cmocka_unit_test_setup_teardown(one_request_one_reply, setup, teardown),
	    cmocka_unit_test_setup_teardown(errors_have_varlink_names, setup, teardown),
	    cmocka_unit_test_setup_teardown(requests_in_pieces_and_together, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_pending_request_holds_its_connection_only, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_client_that_goes_is_told_to_its_request, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_client_that_does_not_read_is_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(too_long_a_request_is_cut, setup, teardown),
	    cmocka_unit_test_setup_teardown(oneway_has_no_reply, setup, teardown),
	    cmocka_unit_test_setup_teardown(clients_are_bounded, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
