/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which waits until a point in time this host's kernel may make, and what becomes of them when the clocks drift apart.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <linux/futex.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/base/clock.h"
#include "../../../src/base/file.h"
#include "../../../src/guest/agent.h"

#define US ((int64_t)NSEC_PER_USEC)
#define MS ((int64_t)NSEC_PER_MSEC)

static int64_t ahead; /* home's clock, of ours */
static unsigned interrupted;

int64_t agent_clock_now(const struct agent *a, clockid_t id)
{
	assert_int_equal(id, CLOCK_MONOTONIC);
	return a->clock.known ? (int64_t)clock_mono_ns() + ahead : -1;
}

clockid_t until_clock(unsigned nr, const uint64_t args[6])
{
	return nr == SYS_futex || nr == SYS_futex_waitv || nr == 455 ? (clockid_t)args[0] : -1;
}

bool until_astray(const struct guest_thread *g)
{
	return g->until.active;
}

int tracee_interrupt(struct tracee *t)
{
	(void)t;
	interrupted++;
	return 0;
}

static const uint64_t by_mono[6] = {CLOCK_MONOTONIC}, by_real[6] = {CLOCK_REALTIME};

struct guest {
	struct agent a;
	struct guest_thread g, *list[1];
};

static void a_guest(struct guest *g, pid_t pid)
{
	*g = (struct guest){.g = {.a = &g->a, .t = {.pid = pid}}};
	g->list[0] = &g->g;
	g->a.state = AGENT_RUNNING;
	g->a.threads = g->list;
	g->a.threads_n = 1;
	g->a.clock.known = true;
	g->a.waits = (struct agent_waits){.usable = true, .ahead_ns = -4 * MS};
	ahead = 0;
	interrupted = 0;
}

static void only_near_and_behind_home(void **state)
{
	struct guest g;

	(void)state;
	a_guest(&g, getpid());
	assert_true(agent_waits_native(&g.g, SYS_futex, by_mono) && g.g.waits);
	assert_true(agent_waits_native(&g.g, SYS_futex_waitv, by_mono) && agent_waits_native(&g.g, 455, by_mono));
	/* The other calls that are the agent's. */
	assert_false(agent_waits_native(&g.g, SYS_clone, by_mono) || agent_waits_native(&g.g, SYS_clone3, by_mono));
	assert_false(agent_waits_native(&g.g, SYS_clock_gettime, by_mono) || g.g.waits);
	ahead = -3 * MS - 1 * US; /* it would end 999 us after the guest's clock */
	assert_false(agent_waits_native(&g.g, SYS_futex, by_mono) || g.g.waits);
	ahead = -10 * MS;
	assert_false(agent_waits_native(&g.g, SYS_futex, by_mono));
	ahead = 46 * MS - 100 * US;
	assert_true(agent_waits_native(&g.g, SYS_futex, by_mono));
	ahead = 46 * MS + 100 * US;
	assert_false(agent_waits_native(&g.g, SYS_futex, by_mono));
	ahead = 0;
	g.a.clock.known = false;
	assert_false(agent_waits_native(&g.g, SYS_futex, by_mono));
	g.a.clock.known = true;
	g.a.waits.usable = false;
	assert_false(agent_waits_native(&g.g, SYS_futex, by_mono));
}

/* A child that waits for a futex, or for a signal. */
static pid_t waiting(bool futex)
{
	static uint32_t word;
	pid_t pid = fork();

	if (pid == 0) {
		for (;;)
			(void)(futex ? syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0) : pause());
	}
	return pid;
}

static void in_call(pid_t pid, const char *begins)
{
	char path[60], text[100];

	(void)snprintf(path, sizeof(path), "/proc/%d/syscall", pid);
	for (uint64_t end = clock_mono_ns() + 10 * NSEC_PER_SEC; clock_mono_ns() < end;) {
		if (file_read_small(path, text, sizeof(text)) > 0 && !strncmp(text, begins, strlen(begins)))
			return;
	}
	fail_msg("process %d is not in call %s", pid, begins);
}

static void drift_interrupts_those_that_wait(void **state)
{
	struct guest g;
	pid_t pid = waiting(true), other = waiting(false);

	(void)state;
	in_call(pid, "202 ");
	in_call(other, "34 ");
	a_guest(&g, pid);
	ahead = -4 * MS;
	agent_waits_look(&g.a);
	assert_int_equal(interrupted, 0); /* it waits without a limit */
	ahead = 0;
	assert_true(agent_waits_native(&g.g, SYS_futex, by_mono));
	agent_waits_look(&g.a);
	assert_int_equal(interrupted, 0);
	ahead = -4 * MS;
	g.a.freeze_wanted = true;
	agent_waits_look(&g.a);
	g.a.freeze_wanted = false;
	g.a.b.head.stopped = true;
	agent_waits_look(&g.a);
	g.a.b.head.stopped = false;
	assert_int_equal(interrupted, 0);
	agent_waits_look(&g.a);
	assert_int_equal(interrupted, 1);
	ahead = 60 * MS;
	agent_waits_look(&g.a);
	assert_int_equal(interrupted, 2); /* this host has stood still for a while */
	a_guest(&g, other);
	assert_true(agent_waits_native(&g.g, SYS_futex, by_mono));
	ahead = -4 * MS;
	agent_waits_look(&g.a);
	assert_int_equal(interrupted, 0); /* its wait is over */
	assert_false(g.g.waits);
	assert_int_equal(kill(pid, SIGKILL) | kill(other, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(waitpid(other, NULL, 0), other);
}

/* Whatever the namespace's clock is. */
static void a_clock_that_was_set_interrupts(void **state)
{
	struct guest g;

	(void)state;
	a_guest(&g, getpid());
	assert_false(agent_waits_native(&g.g, SYS_futex, by_real));
	agent_waits_look(&g.a);
	assert_int_equal(interrupted, 0);
	g.g.until.active = true;
	g.g.t.stop = TRACEE_EVENT;
	agent_waits_look(&g.a);
	assert_int_equal(interrupted, 0); /* it stands already */
	g.g.t.stop = TRACEE_RUNNING;
	agent_waits_look(&g.a);
	assert_int_equal(interrupted, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_near_and_behind_home),
	    cmocka_unit_test(drift_interrupts_those_that_wait),
	    cmocka_unit_test(a_clock_that_was_set_interrupts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
