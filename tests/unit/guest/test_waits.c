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
static unsigned brought_home;

int64_t agent_clock_mono(const struct agent *a)
{
	return a->clock.known ? (int64_t)clock_mono_ns() + ahead : -1;
}

int agent_bring_home(struct agent *a, struct guest_thread *g, unsigned reason, unsigned nr, const char *sentence)
{
	(void)g;
	(void)reason;
	(void)nr;
	(void)sentence;
	brought_home++;
	a->home_asked = true;
	return 0;
}

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
	brought_home = 0;
}

static void only_near_and_behind_home(void **state)
{
	struct guest g;

	(void)state;
	a_guest(&g, getpid());
	assert_true(agent_waits_native(&g.g, SYS_futex) && g.g.waits);
	assert_true(agent_waits_native(&g.g, SYS_futex_waitv) && agent_waits_native(&g.g, 455));
	/* The other calls that are the agent's. */
	assert_false(agent_waits_native(&g.g, SYS_clone) || agent_waits_native(&g.g, SYS_clone3));
	assert_false(agent_waits_native(&g.g, SYS_clock_gettime) || g.g.waits);
	ahead = -3 * MS - 1 * US; /* it would end 999 us after the guest's clock */
	assert_false(agent_waits_native(&g.g, SYS_futex) || g.g.waits);
	ahead = -10 * MS;
	assert_false(agent_waits_native(&g.g, SYS_futex));
	ahead = 46 * MS - 100 * US;
	assert_true(agent_waits_native(&g.g, SYS_futex));
	ahead = 46 * MS + 100 * US;
	assert_false(agent_waits_native(&g.g, SYS_futex));
	ahead = 0;
	g.a.clock.known = false;
	assert_false(agent_waits_native(&g.g, SYS_futex));
	g.a.clock.known = true;
	g.a.waits.usable = false;
	assert_false(agent_waits_native(&g.g, SYS_futex));
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

static void drift_brings_home_those_that_wait(void **state)
{
	struct guest g;
	pid_t pid = waiting(true), other = waiting(false);

	(void)state;
	in_call(pid, "202 ");
	in_call(other, "34 ");
	a_guest(&g, pid);
	ahead = -4 * MS;
	assert_int_equal(agent_waits_look(&g.a), 0);
	assert_int_equal(brought_home, 0); /* it waits without a limit */
	ahead = 0;
	assert_true(agent_waits_native(&g.g, SYS_futex));
	assert_int_equal(agent_waits_look(&g.a), 0);
	assert_int_equal(brought_home, 0);
	ahead = -4 * MS;
	g.a.freeze_wanted = true;
	assert_int_equal(agent_waits_look(&g.a), 0);
	assert_int_equal(brought_home, 0);
	g.a.freeze_wanted = false;
	assert_int_equal(agent_waits_look(&g.a), 0);
	assert_int_equal(agent_waits_look(&g.a), 0);
	assert_int_equal(brought_home, 1); /* and is not asked again */
	a_guest(&g, pid);
	assert_true(agent_waits_native(&g.g, SYS_futex));
	ahead = 60 * MS;
	assert_int_equal(agent_waits_look(&g.a), 0);
	assert_int_equal(brought_home, 1); /* this host has stood still for a while */
	a_guest(&g, other);
	assert_true(agent_waits_native(&g.g, SYS_futex));
	ahead = -4 * MS;
	assert_int_equal(agent_waits_look(&g.a), 0);
	assert_int_equal(brought_home, 0); /* its wait is over */
	assert_false(g.g.waits);
	assert_int_equal(kill(pid, SIGKILL) | kill(other, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(waitpid(other, NULL, 0), other);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_near_and_behind_home),
	    cmocka_unit_test(drift_brings_home_those_that_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
