/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets: Unix and loopback TCP, descriptors in messages, deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/sock.h"

static char dir[200], path[240];

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/godwit-sock-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		return -1;
	(void)snprintf(path, sizeof(path), "%s/s", dir);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(dir);
}

static uint64_t soon(void)
{
	return clock_mono_ns() + 5 * NSEC_PER_SEC;
}

static void unix_sockets_connect(void **state)
{
	struct err e = {0};
	struct stat st;
	_cleanup_close_ int l = sock_listen_unix(path, SOCK_SEQPACKET, 0640, &e), c = -1, s = -1;
	pid_t pid = 0;
	uid_t uid = 1;
	int r;

	(void)state;
	assert_true(l >= 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0640);
	assert_int_equal(accept(l, NULL, NULL), -1); /* does not block */
	assert_int_equal(errno, EAGAIN);
	c = sock_connect_unix(path, SOCK_SEQPACKET, &e);
	assert_true(c >= 0);
	assert_int_equal(fcntl(c, F_GETFD), FD_CLOEXEC);
	assert_true(sock_wait(l, POLLIN, soon()) > 0);
	s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(s >= 0);
	assert_int_equal(sock_peer_cred(s, &pid, &uid, NULL), 0);
	assert_int_equal(pid, getpid());
	assert_int_equal(uid, geteuid());
	r = sock_listen_unix(path, SOCK_SEQPACKET, 0640, &e); /* somebody is there */
	assert_int_equal(r, -EADDRINUSE);
	assert_non_null(strstr(e.text, path));
}

static void a_stale_socket_is_replaced(void **state)
{
	struct err e = {0};
	int l = sock_listen_unix(path, SOCK_STREAM, 0600, &e);

	(void)state;
	assert_true(l >= 0);
	(void)close(l); /* as after a crash: the file stays */
	assert_int_equal(sock_connect_unix(path, SOCK_STREAM, &e), -ECONNREFUSED);
	assert_true(e.text[0]);
	l = sock_listen_unix(path, SOCK_STREAM, 0600, &e);
	assert_true(l >= 0);
	(void)close(l);
}

static void paths_that_are_too_long_are_refused(void **state)
{
	char longer[200];
	struct err e = {0};

	(void)state;
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(sock_listen_unix(longer, SOCK_STREAM, 0600, &e), -ENAMETOOLONG);
	assert_int_equal(sock_connect_unix(longer, SOCK_STREAM, &e), -ENAMETOOLONG);
}

static void descriptors_travel(void **state)
{
	_cleanup_close_ int got = -1, null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct stat a, b;
	char text[8];
	int sv[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sv), 0);
	assert_int_equal(sock_send_fd(sv[0], "abc", 3, null), 3);
	assert_int_equal(sock_recv_fd(sv[1], text, sizeof(text), &got), 3);
	assert_true(got >= 0 && got != null);
	assert_int_equal(fcntl(got, F_GETFD), FD_CLOEXEC);
	assert_int_equal(fstat(got, &a), 0);
	assert_int_equal(fstat(null, &b), 0);
	assert_true(a.st_rdev == b.st_rdev);
	(void)close(take_fd(&got));

	assert_int_equal(sock_send_fd(sv[0], "abc", 3, -1), 3);
	assert_int_equal(sock_recv_fd(sv[1], text, sizeof(text), &got), 3);
	assert_int_equal(got, -1);
	assert_int_equal(sock_send_fd(sv[0], "too long for it", 15, null), 15);
	assert_int_equal(sock_recv_fd(sv[1], text, sizeof(text), &got), -EMSGSIZE);
	assert_int_equal(sock_recv_fd(sv[1], text, sizeof(text), &got), -EAGAIN);
	(void)close(sv[0]);
	assert_int_equal(sock_recv_fd(sv[1], text, sizeof(text), &got), 0);
	assert_int_equal(sock_send_fd(sv[1], "abc", 3, -1), -EPIPE); /* and no SIGPIPE */
	(void)close(sv[1]);
}

/* A listening TCP port on loopback that the kernel chose. */
static int listen_any(uint16_t *ret_port)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);
	struct err e = {0};
	int l = sock_listen_tcp("127.0.0.1", 0, &e);

	assert_true(l >= 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&sa, &len), 0);
	*ret_port = ntohs(sa.sin_port);
	return l;
}

static void tcp_connects(void **state)
{
	struct err e = {0};
	uint16_t port;
	int on = 0;
	socklen_t len = sizeof(on);
	_cleanup_close_ int l = listen_any(&port), c = sock_connect_tcp("127.0.0.1", port, soon(), &e), s = -1;

	(void)state;
	assert_true(c >= 0);
	assert_true(fcntl(c, F_GETFL) & O_NONBLOCK);
	assert_int_equal(getsockopt(c, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
	assert_true(on);
	assert_true(sock_wait(l, POLLIN, soon()) > 0);
	s = accept4(l, NULL, NULL, SOCK_CLOEXEC);
	assert_true(s >= 0);
	assert_int_equal(write(c, "x", 1), 1);
	assert_true(sock_wait(s, POLLIN, soon()) & POLLIN);
}

static void failures_have_a_sentence(void **state)
{
	struct err e = {0};
	uint16_t port;
	int l = listen_any(&port);

	(void)state;
	assert_int_equal(sock_listen_tcp("127.0.0.1", port, &e), -EADDRINUSE);
	assert_true(e.text[0]);
	(void)close(l);
	e = (struct err){0};
	assert_int_equal(sock_connect_tcp("127.0.0.1", port, soon(), &e), -ECONNREFUSED);
	assert_int_equal(e.code, -ECONNREFUSED);
	assert_non_null(strstr(e.text, "127.0.0.1"));
	e = (struct err){0};
	assert_true(sock_connect_tcp("256.1.1.1 is no address", 1, soon(), &e) < 0);
	assert_true(e.text[0]);
}

static void waiting_ends_at_the_deadline(void **state)
{
	uint64_t deadline;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(sock_wait(fds[0], POLLIN, 0), -ETIMEDOUT); /* long past */
	deadline = clock_mono_ns() + 5 * NSEC_PER_MSEC;
	assert_int_equal(sock_wait(fds[0], POLLIN, deadline), -ETIMEDOUT);
	assert_true(clock_mono_ns() >= deadline);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(sock_wait(fds[0], POLLIN, 0), POLLIN); /* ready counts, even then */
	(void)close(fds[0]);
	(void)close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(unix_sockets_connect, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_stale_socket_is_replaced, setup, teardown),
	    cmocka_unit_test(paths_that_are_too_long_are_refused),
	    cmocka_unit_test(descriptors_travel),
	    cmocka_unit_test(tcp_connects),
	    cmocka_unit_test(failures_have_a_sentence),
	    cmocka_unit_test(waiting_ends_at_the_deadline),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
