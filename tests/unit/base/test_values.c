/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The parts of base without I/O: err, buf, clock, cleanup, and the lines of log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"

static void err_keeps_code_reason_and_sentence(void **state)
{
	struct err e = {0};

	(void)state;
	assert_int_equal(err_set(&e, -EINVAL, "no %s", "way"), -EINVAL);
	assert_int_equal(e.code, -EINVAL);
	assert_string_equal(e.text, "no way");
	assert_int_equal(err_reason(&e, 7, -EIO, "lost"), -EIO);
	assert_int_equal(e.reason, 7);
	assert_int_equal(err_prefix(&e, "step %d", 3), -EIO);
	assert_string_equal(e.text, "step 3: lost");
	assert_int_equal(e.reason, 7);
	assert_int_equal(err_set(&e, -EPERM, "anew"), -EPERM);
	assert_int_equal(e.reason, 0);
	assert_int_equal(err_set(NULL, -ENOMEM, "nobody asks"), -ENOMEM);
	assert_true(err_prefix(NULL, "nobody asks") < 0);
}

static void err_cuts_what_is_too_long(void **state)
{
	char text[2 * ERR_TEXT_MAX];
	struct err e = {0};

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	(void)err_set(&e, -EIO, "%s", text);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	(void)err_prefix(&e, "before");
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_memory_equal(e.text, "before: xx", 10);
	(void)err_prefix(&e, "%s", text);
	assert_int_equal(strlen(e.text), ERR_TEXT_MAX - 1);
	assert_int_equal(e.text[0], 'x');
}

/* A model: a plain array beside the buffer, through many appends and consumes of all sizes. */
static void buf_gives_back_what_was_put_in(void **state)
{
	static uint8_t model[1 << 20];
	size_t head = 0, tail = 0;
	struct buf b;
	uint32_t x = 7;

	(void)state;
	buf_init(&b, 0);
	for (unsigned round = 0; round < 4000; round++) {
		size_t n;

		x = x * 1664525 + 1013904223;
		n = (x >> 8) % (round % 50 == 0 ? 20000 : 300);
		if (tail + n < sizeof(model) && (x & 1)) {
			for (size_t i = 0; i < n; i++)
				model[tail + i] = (uint8_t)(tail + i * 7);
			assert_int_equal(buf_append(&b, model + tail, n), 0);
			tail += n;
		} else {
			n = n < b.len ? n : b.len;
			buf_consume(&b, n);
			head += n;
		}
		assert_int_equal(b.len, tail - head);
		if (b.len)
			assert_memory_equal(buf_head(&b), model + head, b.len);
	}
	assert_true(head > 10000 && tail > head);
	buf_release(&b);
	assert_int_equal(b.len, 0);
}

static void buf_refuses_more_than_its_maximum(void **state)
{
	uint8_t bytes[100] = {0};
	struct buf b;

	(void)state;
	buf_init(&b, 150);
	assert_int_equal(buf_append(&b, bytes, 100), 0);
	assert_int_equal(buf_append(&b, bytes, 51), -ENOBUFS);
	assert_int_equal(b.len, 100);
	assert_null(buf_reserve(&b, 51));
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_int_equal(buf_append(&b, bytes, 50), 0);
	buf_consume(&b, 100);
	assert_int_equal(buf_append(&b, bytes, 100), 0);
	assert_int_equal(buf_append(&b, bytes, 1), -ENOBUFS);
	buf_clear(&b);
	assert_non_null(buf_reserve(&b, 150));
	assert_int_equal(b.len, 0); /* reserved is not content */
	buf_release(&b);
	assert_int_equal(b.max, 150);
}

static void clock_rounds_deadlines_up(void **state)
{
	uint64_t now = clock_mono_ns();
	int ms;

	(void)state;
	assert_true(clock_mono_ns() >= now);
	assert_true(clock_real_ns() > 1600000000 * NSEC_PER_SEC);
	assert_int_equal(clock_ms_until(0), 0);
	assert_int_equal(clock_ms_until(now), 0);
	assert_int_equal(clock_ms_until(UINT64_MAX), INT_MAX);
	ms = clock_ms_until(clock_mono_ns() + 60 * NSEC_PER_SEC);
	assert_true(ms > 50000 && ms <= 60000);
	/* Never 0 while the deadline lies ahead: a loop that waits for it would spin. */
	ms = clock_ms_until(clock_mono_ns() + NSEC_PER_SEC / 2 + 1);
	assert_true(ms >= 1);
}

static void cleanup_hands_over(void **state)
{
	char *kept;
	int fd;

	(void)state;
	{
		_cleanup_free_ char *p = strdup("kept");
		_cleanup_close_ int a = open("/dev/null", O_RDONLY | O_CLOEXEC),
				    b = open("/dev/null", O_RDONLY | O_CLOEXEC);

		assert_true(a >= 0 && b >= 0);
		kept = take_ptr(p);
		assert_null(p);
		fd = take_fd(&a);
		assert_int_equal(a, -1);
		assert_int_not_equal(fd, b);
	}
	assert_string_equal(kept, "kept");
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	(void)close(fd);
	free(kept);
}

/* One line on standard error, taken through a pipe. */
static size_t logged(char *ret, size_t cap, enum log_level level, const char *text)
{
	int fds[2], saved = dup(STDERR_FILENO);
	ssize_t n;

	assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
	assert_true(saved >= 0 && dup2(fds[1], STDERR_FILENO) >= 0);
	log_line(level, "%s", text);
	assert_true(dup2(saved, STDERR_FILENO) >= 0);
	n = read(fds[0], ret, cap - 1);
	(void)close(fds[0]);
	(void)close(fds[1]);
	(void)close(saved);
	ret[n > 0 ? n : 0] = '\0';
	return n > 0 ? (size_t)n : 0;
}

static void log_writes_one_line(void **state)
{
	char line[4096], *big;

	(void)state;
	(void)unsetenv("GODWIT_LOG");
	log_open("godwit-test", LOG_INFO_);
	assert_true(logged(line, sizeof(line), LOG_WARN_, "two\nlines") > 0);
	assert_non_null(strstr(line, " godwit-test["));
	assert_non_null(strstr(line, "] warning: two?lines\n"));
	assert_int_equal(line[4], '-');
	assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
	assert_int_equal(logged(line, sizeof(line), LOG_DEBUG_, "not wanted"), 0);
	big = malloc(10000);
	assert_non_null(big);
	memset(big, 'x', 9999);
	big[9999] = '\0';
	assert_true(logged(line, sizeof(line), LOG_ERROR_, big) > 500);
	assert_int_equal(line[strlen(line) - 1], '\n');
	free(big);
	assert_int_equal(setenv("GODWIT_LOG", "debug", 1), 0);
	log_open("godwit-test", LOG_ERROR_);
	assert_true(logged(line, sizeof(line), LOG_DEBUG_, "wanted now") > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(err_keeps_code_reason_and_sentence),
	    cmocka_unit_test(err_cuts_what_is_too_long),
	    cmocka_unit_test(buf_gives_back_what_was_put_in),
	    cmocka_unit_test(buf_refuses_more_than_its_maximum),
	    cmocka_unit_test(clock_rounds_deadlines_up),
	    cmocka_unit_test(cleanup_hands_over),
	    cmocka_unit_test(log_writes_one_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
