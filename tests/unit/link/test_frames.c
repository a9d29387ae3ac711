/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Frames through a link: whole, in splinters, in bulk, wrong, and at its end. */
#include "pair.h"

#include <fcntl.h>
#include <unistd.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define MIB (1U << 20)

static void append_ping(struct link *l, uint64_t id)
{
	assert_int_equal(wire_link_ping_encode(&(struct wire_link_ping){.id = id}, link_out(l)), 0);
}

/* Takes the frame that must be there and looks whether it is the ping with this id. */
static void expect_ping(struct link *l, uint64_t id)
{
	struct wire_link_ping m;
	struct wire_header h;
	const uint8_t *body;
	struct err e = {0};

	if (link_recv_wait(l, clock_mono_ns() + TEST_NS, &h, &body, &e) != 1)
		fail_msg("ping %llu did not come: %s", (unsigned long long)id, e.text);
	assert_int_equal(h.type, WIRE_LINK_PING);
	assert_int_equal(wire_link_ping_decode(&m, body, h.length), 0);
	assert_int_equal(m.id, id);
}

static void expect_nothing(struct link *l)
{
	struct wire_header h;
	const uint8_t *body;

	assert_int_equal(link_recv(l, &h, &body, NULL), 0);
	assert_false(link_pending(l));
}

static void both_ways(void **state)
{
	struct pair p;

	pair_open(&p);
	expect_nothing(p.server);
	for (uint64_t i = 0; i < 1000; i++)
		append_ping(p.client, i);
	append_ping(p.server, 77);
	assert_int_equal(link_events(p.client), EPOLLIN | EPOLLOUT);
	assert_int_equal(link_flush(p.client, NULL), 0);
	assert_int_equal(link_flush(p.server, NULL), 0);
	assert_int_equal(link_events(p.client), EPOLLIN);
	expect_ping(p.server, 0);
	assert_true(link_pending(p.server)); /* the others have left the socket already */
	for (uint64_t i = 1; i < 1000; i++)
		expect_ping(p.server, i);
	expect_nothing(p.server);
	expect_ping(p.client, 77);
	assert_int_equal(link_bytes_sent(p.client), link_bytes_received(p.server));
	assert_int_equal(link_bytes_sent(p.client), 1000 * (WIRE_HEADER_SIZE + wire_type_max(WIRE_LINK_PING)));
	pair_close(&p);
}

/* One TLS record for each byte of a frame. */
static void bytes_of_a_frame(void **state)
{
	struct buf frame;
	struct pair p;

	pair_open(&p);
	buf_init(&frame, 0);
	assert_int_equal(wire_link_ping_encode(&(struct wire_link_ping){.id = 5}, &frame), 0);
	assert_int_equal(wire_link_ping_encode(&(struct wire_link_ping){.id = 6}, &frame), 0);
	for (size_t i = 0; i < frame.len; i++) {
		assert_int_equal(buf_append(link_out(p.client), buf_head(&frame) + i, 1), 0);
		assert_int_equal(link_flush(p.client, NULL), 0);
		if (i + 1 == frame.len / 2)
			expect_ping(p.server, 5);
		else if (i + 1 < frame.len)
			expect_nothing(p.server);
	}
	expect_ping(p.server, 6);
	buf_release(&frame);
	pair_close(&p);
}

/* Carries at most n bytes from one socket to the other; bytes carried. */
static ssize_t carry(int from, int to, size_t n)
{
	uint8_t b[64];
	ssize_t r = recv(from, b, n < sizeof(b) ? n : sizeof(b), MSG_DONTWAIT);

	if (r > 0)
		assert_int_equal(send(to, b, (size_t)r, 0), r);
	return r;
}

/* Between the ends stands somebody who lets one byte through at a time, from the handshake on. */
static void bytes_of_the_stream(void **state)
{
	struct pair p = {0};
	int left[2], right[2], got = 0;

	socket_pair(left);
	socket_pair(right);
	assert_int_equal(link_new_psk(&p.client, left[0], false, "a move", test_psk, 32, NULL), 0);
	assert_int_equal(link_new_psk(&p.server, right[1], true, "a move", test_psk, 32, NULL), 0);
	link_set_accept(p.server, WIRE_FROM_SHEPHERD);
	p.client_result = p.server_result = -EAGAIN;
	for (int i = 0; i < 10000 && got < 3; i++) {
		if (p.client_result == -EAGAIN) {
			p.client_result = link_handshake(p.client, NULL);
			if (p.client_result == 0) {
				for (uint64_t id = 0; id < 3; id++)
					append_ping(p.client, id);
				assert_int_equal(link_flush(p.client, NULL), 0);
			}
		}
		(void)carry(left[1], right[0], 1);
		(void)carry(right[0], left[1], 1);
		if (p.server_result == -EAGAIN) {
			p.server_result = link_handshake(p.server, NULL);
		} else {
			struct wire_header h;
			const uint8_t *body;
			int r = link_recv(p.server, &h, &body, NULL);

			assert_in_range(r, 0, 1);
			got += r;
		}
		assert_true(p.client_result == 0 || p.client_result == -EAGAIN);
		assert_true(p.server_result == 0 || p.server_result == -EAGAIN);
	}
	assert_in_range(got, 1, 3);
	for (; got < 3; got++)
		expect_ping(p.server, (uint64_t)got);
	expect_nothing(p.server);
	(void)close(left[1]);
	(void)close(right[0]);
	pair_close(&p);
}

static void fill(uint8_t *p, size_t n, uint32_t x)
{
	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		p[i] = (uint8_t)(x >> 24);
	}
}

/* 64 frames of 1 MiB, in a socket that holds far less; each 7th record gets a new key. */
static void bulk(void **state)
{
	_cleanup_free_ uint8_t *page = malloc(MIB), *expected = malloc(MIB);
	unsigned queued = 0, got = 0;
	struct pair p;

	assert_true(page && expected);
	pair_open(&p);
	link_set_rekey(p.client, 7);
	while (got < 64) {
		struct wire_image_pages m = {.pages = 256};
		struct wire_header h;
		const uint8_t *body;
		int r;

		if (queued < 64 && link_out(p.client)->len < 4 * MIB) {
			fill(page, MIB, queued);
			m.addr = queued++;
			m.data = (struct wire_bytes){page, MIB};
			assert_int_equal(wire_image_pages_encode(&m, link_out(p.client)), 0);
		}
		r = link_flush(p.client, NULL);
		assert_true(r == 0 || r == -EAGAIN);
		assert_int_equal(!!(link_events(p.client) & EPOLLOUT), r == -EAGAIN);
		while ((r = link_recv(p.server, &h, &body, NULL)) == 1) {
			assert_int_equal(wire_image_pages_decode(&m, body, h.length), 0);
			fill(expected, MIB, got);
			assert_int_equal(m.addr, got++);
			assert_int_equal(m.data.len, MIB);
			assert_memory_equal(m.data.data, expected, MIB);
		}
		assert_int_equal(r, 0);
	}
	assert_int_equal(link_flush(p.client, NULL), 0);
	expect_nothing(p.server);
	pair_close(&p);
}

static void send_raw(struct link *l, const void *bytes, size_t n)
{
	assert_int_equal(buf_append(link_out(l), bytes, n), 0);
	assert_int_equal(link_flush(l, NULL), 0);
}

/* The server must refuse these bytes at once, with the good frame before them delivered. */
static void expect_refused(const uint8_t *bytes, size_t n)
{
	struct wire_header h;
	const uint8_t *body;
	struct pair p;

	pair_open(&p);
	append_ping(p.client, 1);
	send_raw(p.client, bytes, n);
	expect_ping(p.server, 1);
	assert_int_equal(link_recv(p.server, &h, &body, &p.server_err), -EPROTO);
	assert_true(p.server_err.text[0]);
	append_ping(p.client, 2);
	(void)!link_flush(p.client, NULL);
	assert_int_equal(link_recv(p.server, &h, &body, NULL), -EPROTO); /* stays so */
	assert_int_equal(link_flush(p.server, NULL), -EPROTO);
	pair_close(&p);
}

static void wrong_frames(void **state)
{
	uint32_t max = wire_type_max(WIRE_IMAGE_PAGES) + 1;
	uint8_t too_long[8] = {max & 255, max >> 8 & 255,         max >> 16 & 255,
			       max >> 24, WIRE_IMAGE_PAGES & 255, WIRE_IMAGE_PAGES >> 8};
	static const uint8_t huge[8] = {255, 255, 255, 255, WIRE_LINK_PING & 255, WIRE_LINK_PING >> 8};
	static const uint8_t unknown[8] = {0, 0, 0, 0, 255, 255};
	static const uint8_t reserved[8] = {0, 0, 0, 0, WIRE_GO & 255, WIRE_GO >> 8, 1, 0};
	static const uint8_t from_daemon[8] = {0, 0, 0, 0, WIRE_HELPER_EVICT & 255, WIRE_HELPER_EVICT >> 8};
	static const uint8_t started[8] = {0, 0, 0, 0, WIRE_STARTED & 255, WIRE_STARTED >> 8};

	expect_refused(too_long, 8);
	expect_refused(huge, 8);
	expect_refused(unknown, 8);
	expect_refused(reserved, 8);
	expect_refused(from_daemon, 8);
	expect_refused(started, 8);
}

/* Nobody may send anything before it was said who the peer is. */
static void nobody_at_first(void **state)
{
	struct wire_header h;
	const uint8_t *body;
	struct pair p;

	pair_open(&p);
	link_set_accept(p.server, 0);
	append_ping(p.client, 1);
	assert_int_equal(link_flush(p.client, NULL), 0);
	assert_int_equal(link_recv(p.server, &h, &body, NULL), -EPROTO);
	pair_close(&p);
}

static void changed_record(void **state)
{
	struct pair p = {0};
	struct wire_header h;
	const uint8_t *body;
	uint8_t record[256];
	int fd;
	ssize_t n;

	pair_open(&p);
	append_ping(p.client, 1);
	assert_int_equal(link_flush(p.client, NULL), 0);
	fd = link_fd(p.server);
	n = recv(fd, record, sizeof(record), 0);
	assert_in_range(n, 50, 255);
	record[n / 2] ^= 1;
	assert_int_equal(send(link_fd(p.client), record, (size_t)n, 0), n);
	assert_int_equal(link_recv(p.server, &h, &body, &p.server_err), -EPROTO);
	/* The alert tells the other end. */
	assert_true(link_recv(p.client, &h, &body, &p.client_err) < 0);
	pair_close(&p);
}

static void end_in_order(void **state)
{
	struct wire_header h;
	const uint8_t *body;
	struct pair p;

	pair_open(&p);
	append_ping(p.client, 1);
	assert_int_equal(link_flush(p.client, NULL), 0);
	link_free(p.client);
	p.client = NULL;
	expect_ping(p.server, 1);
	assert_int_equal(link_recv(p.server, &h, &body, &p.server_err), -EPIPE);
	assert_int_equal(link_recv_wait(p.server, clock_mono_ns() + TEST_NS, &h, &body, NULL), -EPIPE);
	pair_close(&p);
}

static void end_in_a_message(void **state)
{
	struct wire_header h;
	const uint8_t *body;
	struct buf frame;
	struct pair p;

	pair_open(&p);
	buf_init(&frame, 0);
	assert_int_equal(wire_link_ping_encode(&(struct wire_link_ping){.id = 5}, &frame), 0);
	send_raw(p.client, buf_head(&frame), frame.len - 1);
	buf_release(&frame);
	link_free(p.client);
	p.client = NULL;
	assert_int_equal(link_recv(p.server, &h, &body, &p.server_err), -ECONNRESET);
	pair_close(&p);
}

static void end_without_goodbye(void **state)
{
	struct wire_header h;
	const uint8_t *body;
	struct pair p;

	pair_open(&p);
	assert_int_equal(shutdown(link_fd(p.client), SHUT_RDWR), 0);
	assert_int_equal(link_recv(p.server, &h, &body, &p.server_err), -ECONNRESET);
	pair_close(&p);

	pair_open(&p);
	link_free(p.server);
	p.server = NULL;
	append_ping(p.client, 1);
	assert_int_equal(link_flush(p.client, &p.client_err), 0); /* and no SIGPIPE */
	assert_int_equal(link_recv(p.client, &h, &body, &p.client_err), -EPIPE);
	assert_int_equal(link_flush(p.client, &p.client_err), -EPIPE);
	pair_close(&p);
}

/* A peer that has gone with bytes of ours unread resets the connection; what it sent before is read nevertheless. */
static void reset_behind_messages(int fds[2])
{
	struct wire_header h;
	const uint8_t *body;
	struct pair p = {0};

	assert_int_equal(link_new_psk(&p.client, fds[0], false, "a move", test_psk, LINK_PSK_SIZE, NULL), 0);
	assert_int_equal(link_new_psk(&p.server, fds[1], true, "a move", test_psk, LINK_PSK_SIZE, NULL), 0);
	pair_handshake(&p);
	assert_int_equal(p.client_result | p.server_result, 0);
	link_set_accept(p.server, WIRE_FROM_SHEPHERD);
	append_ping(p.server, 9);
	assert_int_equal(link_flush(p.server, NULL), 0);
	for (uint64_t i = 0; i < 1000; i++)
		append_ping(p.client, i);
	assert_int_equal(link_flush(p.client, NULL), 0);
	assert_int_equal(close(link_fd(p.client)), 0);
	for (int i = 0; i < 3; i++) {
		append_ping(p.server, 10);
		assert_int_equal(link_flush_wait(p.server, clock_mono_ns() + TEST_NS, NULL), 0);
	}
	assert_int_equal(link_out(p.server)->len, 0);
	for (uint64_t i = 0; i < 1000; i++)
		expect_ping(p.server, i);
	assert_int_equal(link_recv(p.server, &h, &body, &p.server_err), -ECONNRESET);
	append_ping(p.server, 11);
	assert_int_equal(link_flush(p.server, NULL), -ECONNRESET);
	assert_int_equal(open("/dev/null", O_RDWR), fds[0]); /* which link_free() closes */
	pair_close(&p);
}

static void reset(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fds[2], fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(listen(fd, 1) | getsockname(fd, (struct sockaddr *)&a, &len), 0);
	fds[0] = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(fds[0], (struct sockaddr *)&a, len), 0);
	fds[1] = accept(fd, NULL, NULL);
	reset_behind_messages(fds);
	assert_int_equal(close(fd), 0);
	socket_pair(fds);
	reset_behind_messages(fds);
}

static void deadlines(void **state)
{
	static uint8_t zeros[MIB];
	uint64_t begin = clock_mono_ns();
	struct wire_header h;
	const uint8_t *body;
	struct pair p;

	pair_open(&p);
	assert_int_equal(link_recv_wait(p.server, begin + 20 * NSEC_PER_MSEC, &h, &body, &p.server_err), -ETIMEDOUT);
	assert_true(clock_mono_ns() >= begin + 20 * NSEC_PER_MSEC);
	/* Nobody reads: the socket fills up, the deadline ends the wait, nothing is lost. */
	for (unsigned i = 0; i < 16; i++) {
		struct wire_image_pages m = {.addr = i, .pages = 256, .data = {zeros, MIB}};

		assert_int_equal(wire_image_pages_encode(&m, link_out(p.client)), 0);
	}
	begin = clock_mono_ns();
	assert_int_equal(link_flush_wait(p.client, begin + 20 * NSEC_PER_MSEC, &p.client_err), -ETIMEDOUT);
	assert_true(clock_mono_ns() >= begin + 20 * NSEC_PER_MSEC);
	for (unsigned i = 0; i < 16;) {
		int r = link_flush(p.client, NULL);

		assert_true(r == 0 || r == -EAGAIN);
		while ((r = link_recv(p.server, &h, &body, NULL)) == 1)
			i++;
		assert_int_equal(r, 0);
	}
	append_ping(p.client, 9);
	assert_int_equal(link_flush(p.client, NULL), 0);
	expect_ping(p.server, 9);
	pair_close(&p);
}

/* More than LINK_OUT_MAX may not wait. */
static void out_is_bounded(void **state)
{
	static uint8_t zeros[MIB];
	struct wire_image_pages m = {.pages = 256, .data = {zeros, MIB}};
	unsigned n = 0;
	struct pair p;
	int r;

	pair_open(&p);
	while ((r = wire_image_pages_encode(&m, link_out(p.client))) == 0)
		assert_true(++n <= LINK_OUT_MAX / MIB);
	assert_int_equal(r, -ENOBUFS);
	assert_int_equal(n, LINK_OUT_MAX / MIB - 1);
	pair_close(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(both_ways),
	    cmocka_unit_test(bytes_of_a_frame),
	    cmocka_unit_test(bytes_of_the_stream),
	    cmocka_unit_test(bulk),
	    cmocka_unit_test(wrong_frames),
	    cmocka_unit_test(nobody_at_first),
	    cmocka_unit_test(changed_record),
	    cmocka_unit_test(end_in_order),
	    cmocka_unit_test(end_in_a_message),
	    cmocka_unit_test(end_without_goodbye),
	    cmocka_unit_test(deadlines),
	    cmocka_unit_test(out_is_bounded),
	    cmocka_unit_test(reset),
	};

	return cmocka_run_group_tests_name("link-frames", tests, NULL, NULL);
}
