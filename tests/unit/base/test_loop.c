/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The loop: order of timers, watches that are removed or added by callbacks, signals. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/loop.h"

struct world {
	struct loop *loop;
	int pipes[2][2];
	struct loop_watch *watches[2];
	unsigned fired, late;
	int signo;
	uint64_t at_ns;
};

/* So that a mistake ends the test instead of hanging it. */
static void too_late(void *arg)
{
	struct world *w = arg;

	w->late++;
	loop_stop(w->loop, -ETIMEDOUT);
}

static int setup(void **state)
{
	static struct world w;

	w = (struct world){0};
	for (int i = 0; i < 2; i++)
		assert_int_equal(pipe2(w.pipes[i], O_CLOEXEC | O_NONBLOCK), 0);
	assert_int_equal(loop_new(&w.loop), 0);
	assert_non_null(loop_add_timer(w.loop, clock_mono_ns() + 10 * NSEC_PER_SEC, too_late, &w));
	*state = &w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	loop_free(w->loop);
	for (int i = 0; i < 4; i++)
		(void)close(w->pipes[i / 2][i % 2]);
	return w->late ? -1 : 0;
}

static void on_bytes(void *arg, int fd, uint32_t events)
{
	struct world *w = arg;
	char c[8];

	assert_true(events & EPOLLIN);
	assert_true(read(fd, c, sizeof(c)) > 0);
	w->fired++;
	loop_stop(w->loop, 42);
}

static void descriptors_are_served(void **state)
{
	struct world *w = *state;
	struct loop_watch *watch = loop_add_fd(w->loop, w->pipes[0][0], EPOLLIN, on_bytes, w);

	assert_non_null(watch);
	assert_null(loop_add_fd(w->loop, -5, EPOLLIN, on_bytes, w));
	assert_int_equal(write(w->pipes[0][1], "x", 1), 1);
	assert_int_equal(loop_run(w->loop), 42);
	assert_int_equal(w->fired, 1);
	assert_int_equal(loop_set_events(watch, 0), 0); /* nothing is wanted now */
	assert_int_equal(write(w->pipes[0][1], "x", 1), 1);
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_int_equal(w->fired, 1);
	assert_int_equal(loop_set_events(watch, EPOLLIN), 0);
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_int_equal(w->fired, 2);
	loop_remove(watch);
	loop_remove(NULL);
}

/* Both are ready; whichever is called first removes both. */
static void on_remove_all(void *arg, int fd, uint32_t events)
{
	struct world *w = arg;

	(void)fd;
	(void)events;
	w->fired++;
	loop_remove(w->watches[0]);
	loop_remove(w->watches[1]);
}

static void a_removed_watch_is_never_called(void **state)
{
	struct world *w = *state;

	for (int i = 0; i < 2; i++) {
		w->watches[i] = loop_add_fd(w->loop, w->pipes[i][0], EPOLLIN, on_remove_all, w);
		assert_non_null(w->watches[i]);
		assert_int_equal(write(w->pipes[i][1], "x", 1), 1);
	}
	assert_int_equal(loop_once(w->loop, 1000), 0);
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_int_equal(w->fired, 1);
}

static void on_chain(void *arg)
{
	struct world *w = arg;

	assert_true(clock_mono_ns() >= w->at_ns);
	if (++w->fired == 5) {
		loop_stop(w->loop, 0);
		return;
	}
	w->at_ns = clock_mono_ns() + NSEC_PER_MSEC;
	assert_non_null(loop_add_timer(w->loop, w->at_ns, on_chain, w));
}

static void timers_fire_once_and_not_early(void **state)
{
	struct world *w = *state;

	w->at_ns = clock_mono_ns() + 2 * NSEC_PER_MSEC;
	assert_non_null(loop_add_timer(w->loop, w->at_ns, on_chain, w));
	assert_int_equal(loop_run(w->loop), 0);
	assert_int_equal(w->fired, 5);
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_int_equal(w->fired, 5);
}

static void on_second(void *arg)
{
	struct world *w = arg;

	w->fired += 100;
}

static void on_first(void *arg)
{
	struct world *w = arg;

	w->fired++;
	loop_remove(w->watches[0]);
	loop_remove(w->watches[1]);
}

static void a_timer_may_remove_another_that_is_due(void **state)
{
	struct world *w = *state;

	w->watches[1] = loop_add_timer(w->loop, 1, on_second, w);
	w->watches[0] = loop_add_timer(w->loop, 1, on_first, w); /* the newest is looked at first */
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_true(w->fired == 1 || w->fired == 101);
	w->fired = 0;
	assert_int_equal(loop_once(w->loop, 0), 0);
	assert_int_equal(w->fired, 0);
}

static void on_signal(void *arg, int signo)
{
	struct world *w = arg;

	w->signo = signo;
	loop_stop(w->loop, 1);
}

static void signals_arrive_in_the_loop(void **state)
{
	struct world *w = *state;
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGUSR1);
	assert_int_equal(loop_add_signals(w->loop, &set, on_signal, w), 0);
	assert_int_equal(loop_add_signals(w->loop, &set, on_signal, w), -EBUSY);
	assert_int_equal(raise(SIGUSR1), 0);
	assert_int_equal(loop_run(w->loop), 1);
	assert_int_equal(w->signo, SIGUSR1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(descriptors_are_served, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_removed_watch_is_never_called, setup, teardown),
	    cmocka_unit_test_setup_teardown(timers_fire_once_and_not_early, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_timer_may_remove_another_that_is_due, setup, teardown),
	    cmocka_unit_test_setup_teardown(signals_arrive_in_the_loop, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
