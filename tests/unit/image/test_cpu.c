/* SPDX-License-Identifier: GPL-2.0-or-later */
/* CPU layouts: a lesser CPU is refused, and extended state survives a change of layout. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/base/clock.h"
#include "../../../src/image/x86_64/cpu.h"

static void test_fits(void **state)
{
	struct cpu_layout here, other;
	struct err e = {0};

	(void)state;
	cpu_layout_here(&here);
	assert_true(here.features[1] & 1); /* every x86-64 has an FPU */
	assert_int_equal(cpu_layout_fits(&here, &here, &e), 0);
	other = here;
	other.features[2] |= 1U << 31;
	other.features[2] &= ~here.features[2] | 1U << 31;
	here.features[2] &= ~(1U << 31);
	assert_int_equal(cpu_layout_fits(&here, &other, &e), -ENOEXEC);
	assert_non_null(strstr(e.text, "instructions"));
	cpu_layout_here(&here);
	other = here;
	other.components[other.count].id = 31;
	other.components[other.count++].size = 64;
	assert_int_equal(cpu_layout_fits(&here, &other, &e), -ENOEXEC);
	cpu_layout_here(&other);
	other.features[3] = 0; /* a lesser origin fits everywhere */
	assert_int_equal(cpu_layout_fits(&here, &other, &e), 0);
}

static pid_t stopped_child(struct tracee *t)
{
	pid_t pid = fork();
	struct err e;

	if (pid == 0) {
		for (;;)
			(void)pause();
	}
	tracee_init(t, pid);
	assert_int_equal(tracee_seize(t, &e), 0);
	assert_int_equal(tracee_interrupt(t), 0);
	assert_int_equal(tracee_wait(t, clock_mono_ns() + 5 * NSEC_PER_SEC), 0);
	return pid;
}

static void test_state_moves(void **state)
{
	static uint8_t before[XSTATE_MAX], after[XSTATE_MAX], foreign[XSTATE_MAX];
	struct cpu_layout here, moved;
	struct tracee t;
	uint64_t bv;
	ssize_t n;
	pid_t pid = stopped_child(&t);

	(void)state;
	cpu_layout_here(&here);
	n = cpu_get_xstate(&t, before);
	assert_true(n >= 576);
	/* Registers with a pattern: XMM, and the upper halves of YMM where there are any. */
	memset(before + 160, 0x5a, 256);
	bv = 3;
	for (uint32_t i = 0; i < here.count; i++) {
		if (here.components[i].id == 2) {
			memset(before + here.components[i].offset, 0xa5, here.components[i].size);
			bv |= 4;
		}
	}
	memcpy(before + 512, &bv, 8);
	assert_int_equal(cpu_set_xstate(&t, before, (size_t)n, &here), 0);
	assert_int_equal(cpu_get_xstate(&t, after), n);
	assert_memory_equal(before + 160, after + 160, 256);
	/* The same from a CPU that keeps each component 64 bytes further on. */
	moved = here;
	memcpy(foreign, before, 576);
	for (uint32_t i = 0; i < here.count; i++) {
		moved.components[i].offset += 64;
		if (here.components[i].offset + 64 + here.components[i].size <= XSTATE_MAX)
			memcpy(foreign + moved.components[i].offset, before + here.components[i].offset,
			       here.components[i].size);
	}
	assert_int_equal(cpu_set_xstate(&t, foreign, XSTATE_MAX, &moved), 0);
	memset(after, 0, sizeof(after));
	assert_int_equal(cpu_get_xstate(&t, after), n);
	for (uint32_t i = 0; i < here.count; i++) {
		if (here.components[i].id == 2)
			assert_memory_equal(before + here.components[i].offset, after + here.components[i].offset,
					    here.components[i].size);
	}
	/* Lies about sizes are refused. */
	assert_int_equal(cpu_set_xstate(&t, before, 100, &here), -EPROTO);
	if (here.count) {
		moved = here;
		moved.components[0].offset = 0xfffffff0;
		assert_int_equal(cpu_set_xstate(&t, before, (size_t)n, &moved), bv & 4 ? -ENOEXEC : 0);
	}
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, NULL, __WALL);
	tracee_release(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_fits), cmocka_unit_test(test_state_moves)};
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
