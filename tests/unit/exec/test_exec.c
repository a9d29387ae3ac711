/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What cannot be tried on one machine: when a directory is the same on two; and frames that come in pieces. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "exec/frames.h"
#include "exec/place.h"
#include "wire/reasons.h"

#define NFS 0x6969
#define EXT4 0xef53

static struct place place_on(const char *boot, uint64_t fs_type)
{
	struct place p = {.dev = 7, .ino = 4711, .mtime_ns = 10, .ctime_ns = 11, .fs_type = fs_type, .n_entries = 2};

	(void)strcpy(p.dir, "/work");
	(void)strcpy(p.boot, boot);
	(void)strcpy(p.entries[0].name, "a");
	(void)strcpy(p.entries[1].name, "b");
	p.entries[0].ino = 100;
	p.entries[1].ino = 101;
	return p;
}

static const uint64_t none[PLACE_ENTRIES], one[PLACE_ENTRIES] = {100}, both[PLACE_ENTRIES] = {100, 101},
					   other[PLACE_ENTRIES] = {100, 999};

static void on_one_kernel_numbers_are_exact(void **state)
{
	struct place want = place_on("boot", EXT4), here = place_on("boot", EXT4);
	struct err e = {0};

	here.mtime_ns = 99; /* it may have changed in between */
	assert_int_equal(place_same(&want, &here, none, &e), 0);
	here.dev = 8;
	assert_int_equal(place_same(&want, &here, both, &e), -EXDEV);
	assert_int_equal(e.reason, REASON_DIRECTORY);
	here.dev = 7;
	here.ino = 4712;
	assert_int_equal(place_same(&want, &here, both, &e), -EXDEV);
}

static void disks_of_two_machines_are_never_the_same(void **state)
{
	struct place want = place_on("one", EXT4), here = place_on("two", EXT4);
	struct err e = {0};

	/* as they are when a machine was cloned: equal in everything */
	assert_int_equal(place_same(&want, &here, both, &e), -EXDEV);
	assert_non_null(strstr(e.text, "a disk of their own"));
	/* a kernel that does not tell its boot is no proof of being the same */
	want = place_on("", EXT4);
	here = place_on("", EXT4);
	assert_int_equal(place_same(&want, &here, both, &e), -EXDEV);
}

static void what_is_served_may_be_the_same(void **state)
{
	struct place want = place_on("one", NFS), here = place_on("two", NFS);
	struct err e = {0};

	here.dev = 99; /* which is each client's own */
	assert_int_equal(place_same(&want, &here, none, &e), 0);
	here = place_on("two", EXT4); /* the server's own view */
	assert_int_equal(place_same(&want, &here, none, &e), 0);
	assert_int_equal(place_same(&here, &want, none, &e), 0);
	here = place_on("two", NFS);
	here.mtime_ns = here.ctime_ns = 99; /* it is just being changed: then an entry decides */
	assert_int_equal(place_same(&want, &here, none, &e), -EXDEV);
	assert_int_equal(place_same(&want, &here, one, &e), 0);
	assert_int_equal(place_same(&want, &here, both, &e), 0);
	assert_int_equal(place_same(&want, &here, other, &e), -EXDEV);
	here = place_on("two", NFS);
	here.ino = 1;
	assert_int_equal(place_same(&want, &here, both, &e), -EXDEV);
}

static void a_place_survives_the_wire(void **state)
{
	struct wire_place_entry entries[PLACE_ENTRIES];
	struct wire_exec_start m = {.id = 1}, decoded;
	struct place want, got;
	struct err e = {0};
	struct buf b;

	buf_init(&b, 0);
	assert_int_equal(place_read(&want, &e), 0);
	assert_string_not_equal(want.boot, "");
	place_to_wire(&want, &m, entries);
	assert_int_equal(wire_exec_start_encode(&m, &b), 0);
	assert_int_equal(wire_exec_start_decode(&decoded, buf_head(&b) + WIRE_HEADER_SIZE, b.len - WIRE_HEADER_SIZE),
			 0);
	assert_int_equal(place_from_wire(&got, &decoded), 0);
	assert_memory_equal(&got, &want, sizeof(got));
	assert_int_equal(place_enter(&got, &e), 0);
	/* an entry's name is a name */
	(void)strcpy(want.entries[0].name, "../x");
	want.n_entries = 1;
	place_to_wire(&want, &m, entries);
	assert_int_equal(place_from_wire(&got, &m), -EPROTO);
	want.n_entries = 0;
	(void)strcpy(want.dir, "relative");
	place_to_wire(&want, &m, entries);
	assert_int_equal(place_from_wire(&got, &m), -EPROTO);
	buf_release(&b);
}

static void a_directory_that_is_not_there_is_told(void **state)
{
	struct place want = place_on("boot", EXT4);
	struct err e = {0};

	(void)strcpy(want.dir, "/no/such/directory");
	assert_int_equal(place_enter(&want, &e), -ENOENT);
	assert_int_equal(e.reason, REASON_DIRECTORY);
}

static void frames_come_in_pieces(void **state)
{
	struct wire_exec_signal m = {.id = 5, .signo = 15, .group = 1}, got;
	struct frames f, out;
	struct wire_header h;
	uint8_t *body;
	size_t i;
	int pair[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
	frames_init(&f, pair[0], WIRE_FROM_CALLER);
	frames_init(&out, pair[1], WIRE_FROM_EXECUTOR);
	assert_int_equal(frames_fill(&f), -EAGAIN);
	assert_int_equal(wire_exec_signal_encode(&m, &out.out), 0);
	for (i = 0; i + 1 < out.out.len; i++) {
		assert_int_equal(write(pair[1], buf_head(&out.out) + i, 1), 1);
		assert_int_equal(frames_fill(&f), 0);
		assert_int_equal(frames_next(&f, &h, &body), 0);
	}
	assert_int_equal(write(pair[1], buf_head(&out.out) + i, 1), 1);
	assert_int_equal(frames_fill(&f), 0);
	assert_int_equal(frames_next(&f, &h, &body), 1);
	assert_int_equal(frame_id(body, h.length), 5);
	/* passed on with another number, and nothing else is changed */
	buf_clear(&out.out);
	assert_int_equal(frame_pass(&out.out, &h, body, 0x01020304), 0);
	assert_int_equal(
	    wire_exec_signal_decode(&got, buf_head(&out.out) + WIRE_HEADER_SIZE, out.out.len - WIRE_HEADER_SIZE), 0);
	assert_int_equal(got.id, 0x01020304);
	assert_int_equal(got.signo, 15);
	assert_int_equal(got.group, 1);
	assert_int_equal(frames_next(&f, &h, &body), 0);
	/* what the other end may not send */
	assert_int_equal(write(pair[1], "\x04\0\0\0\xc7\x02\0\0\0\0\0\0", 12), 12); /* EXEC_STARTED, or so */
	assert_int_equal(frames_fill(&f), 0);
	assert_int_equal(frames_next(&f, &h, &body), -EPROTO);
	(void)close(pair[1]);
	assert_int_equal(frames_fill(&f), -EPIPE);
	(void)close(pair[0]);
	frames_release(&f);
	frames_release(&out);
}

static void a_broker_is_found_by_its_name(void **state)
{
	char name[64];
	int listening, fd;

	(void)snprintf(name, sizeof(name), "/a/test/%d", getpid());
	assert_int_equal(broker_connect(name, 0), -ECONNREFUSED);
	listening = broker_listen(name, 0);
	assert_true(listening >= 0);
	assert_int_equal(broker_listen(name, 0), -EADDRINUSE);
	assert_int_equal(broker_connect(name, 1), -ECONNREFUSED);
	fd = broker_connect(name, 0);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)close(listening);
	assert_int_equal(broker_connect(name, 0), -ECONNREFUSED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(on_one_kernel_numbers_are_exact),
	    cmocka_unit_test(disks_of_two_machines_are_never_the_same),
	    cmocka_unit_test(what_is_served_may_be_the_same),
	    cmocka_unit_test(a_place_survives_the_wire),
	    cmocka_unit_test(a_directory_that_is_not_there_is_told),
	    cmocka_unit_test(frames_come_in_pieces),
	    cmocka_unit_test(a_broker_is_found_by_its_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
