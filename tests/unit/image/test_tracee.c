/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A traced task: made to call, read, written, and let go in the middle of a system call without noticing. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/base/clock.h"
#include "../../../src/image/capture.h"
#include "../../../src/image/maps.h"
#include "../../../src/image/pages.h"
#include <fcntl.h>

#define SECONDS(n) (clock_mono_ns() + (n)*NSEC_PER_SEC)

static struct {
	struct tracee t;
	struct image_maps maps;
	int in, out; /* pipes of the child */
	char *memory;
} s;

/* The child echoes bytes until its pipe ends: blocked in read(2) nearly always. */
static void child(int in, int out) __attribute__((noreturn));
static void child(int in, int out)
{
	char c;

	while (read(in, &c, 1) == 1)
		(void)!write(out, &c, 1);
	_exit(7);
}

static int setup(void **state)
{
	int a[2], b[2];
	struct err e;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe2(a, O_CLOEXEC), 0);
	assert_int_equal(pipe2(b, O_CLOEXEC), 0);
	s.memory = mmap(NULL, 16 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s.memory, MAP_FAILED);
	memset(s.memory + 4096, 'x', 4096);
	assert_int_equal(mprotect(s.memory + 4096, 4096, PROT_NONE), 0);
	pid = fork();
	if (pid == 0) {
		(void)close(a[1]);
		child(a[0], b[1]);
	}
	(void)close(a[0]);
	(void)close(b[1]);
	s.in = a[1];
	s.out = b[0];
	tracee_init(&s.t, pid);
	maps_init(&s.maps);
	assert_int_equal(tracee_seize(&s.t, &e), 0);
	assert_int_equal(tracee_interrupt(&s.t), 0);
	assert_int_equal(tracee_wait(&s.t, SECONDS(5)), 0);
	assert_int_equal(s.t.stop, TRACEE_EVENT);
	assert_int_equal(maps_read(&s.maps, pid, true, &e), 0);
	return 0;
}

static int teardown(void **state)
{
	int status;

	(void)state;
	(void)close(s.in);
	assert_int_equal(waitpid(s.t.pid, &status, __WALL), s.t.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 7);
	(void)close(s.out);
	tracee_release(&s.t);
	maps_release(&s.maps);
	return munmap(s.memory, 16 * 4096);
}

static void echo(void)
{
	struct pollfd p = {.fd = s.out, .events = POLLIN};
	char c = 'q', d = 0;

	assert_int_equal(write(s.in, &c, 1), 1);
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_int_equal(read(s.out, &d, 1), 1);
	assert_int_equal(c, d);
}

static void test_calls_and_back(void **state)
{
	struct user_regs_struct regs;
	int64_t ret;

	(void)state;
	assert_int_equal(tracee_get_regs(&s.t, &regs), 0);
	assert_int_equal(capture_step_out(&s.t, s.maps.vdso_start, s.maps.vdso_end, true, SECONDS(5)), 0);
	assert_int_equal(tracee_find_syscall(&s.t, s.maps.vdso_start, s.maps.vdso_end), 0);
	assert_int_equal(tracee_mask_all(&s.t), 0);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(tracee_syscall(&s.t, &ret, SYS_getpid, 0, 0, 0, 0, 0, 0), 0);
		assert_int_equal(ret, s.t.pid);
		assert_int_equal(tracee_syscall(&s.t, &ret, SYS_close, 9999, 0, 0, 0, 0, 0), 0);
		assert_int_equal(ret, -EBADF);
	}
	assert_int_equal(tracee_leave(&s.t, &regs, SECONDS(5)), 0);
	echo();
}

static void test_memory(void **state)
{
	struct user_regs_struct regs;
	char buf[8192];

	(void)state;
	assert_int_equal(tracee_get_regs(&s.t, &regs), 0);
	assert_int_equal(tracee_read(&s.t, (uintptr_t)s.memory + 4096, buf, 4096), 0); /* PROT_NONE */
	for (int i = 0; i < 4096; i++)
		assert_int_equal(buf[i], 'x');
	memset(buf, 'y', sizeof(buf));
	assert_int_equal(tracee_write(&s.t, (uintptr_t)s.memory, buf, sizeof(buf)), 0);
	memset(buf, 0, sizeof(buf));
	assert_int_equal(tracee_read(&s.t, (uintptr_t)s.memory, buf, sizeof(buf)), 0);
	assert_int_equal(buf[8191], 'y');
	assert_int_equal(tracee_read(&s.t, 8, buf, 8), -EFAULT);
	assert_int_equal(tracee_write(&s.t, 8, buf, 8), -EFAULT);
	assert_int_equal(tracee_leave(&s.t, &regs, SECONDS(5)), 0);
	echo();
}

static int count(void *ctx, uint64_t addr, uint64_t pages)
{
	(void)addr;
	*(uint64_t *)ctx += pages;
	return 0;
}

static void test_pages(void **state)
{
	struct user_regs_struct regs;
	uint64_t pages = 0, base = (uintptr_t)s.memory;
	char path[40], c = 1;
	int fd;

	(void)state;
	assert_int_equal(tracee_get_regs(&s.t, &regs), 0);
	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", s.t.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	assert_int_equal(pages_scan(fd, base, base + 16 * 4096, false, count, &pages), 0);
	assert_int_equal(pages, 1);
	assert_int_equal(pages_present(fd, base + 4096), 1);
	assert_int_equal(pages_present(fd, base + 2 * 4096), 0);
	assert_int_equal(tracee_write(&s.t, base + 5 * 4096, &c, 1), 0);
	pages = 0;
	assert_int_equal(pages_scan(fd, base, base + 16 * 4096, false, count, &pages), 0);
	assert_int_equal(pages, 2);
	(void)close(fd);
	assert_int_equal(tracee_leave(&s.t, &regs, SECONDS(5)), 0);
	echo();
}

static void test_deadline(void **state)
{
	struct user_regs_struct regs;
	uint64_t t0 = clock_mono_ns();

	(void)state;
	assert_int_equal(tracee_get_regs(&s.t, &regs), 0);
	assert_int_equal(tracee_wait(&s.t, t0 + 50 * NSEC_PER_MSEC), -ETIMEDOUT);
	assert_true(clock_mono_ns() - t0 >= 50 * NSEC_PER_MSEC);
	assert_int_equal(tracee_leave(&s.t, &regs, SECONDS(5)), 0);
	echo();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_calls_and_back, setup, teardown),
					   cmocka_unit_test_setup_teardown(test_memory, setup, teardown),
					   cmocka_unit_test_setup_teardown(test_pages, setup, teardown),
					   cmocka_unit_test_setup_teardown(test_deadline, setup, teardown)};
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
