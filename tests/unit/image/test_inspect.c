/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said of a process that executes one program after another: all of one of them, or "later"; no half of two. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../../src/image/inspect.h"
#include "../../../src/wire/reasons.h"

#define PROGRAMS "600"

static void again(const char *left)
{
	char less[16];

	if (atoi(left) <= 0)
		_exit(0);
	(void)snprintf(less, sizeof(less), "%d", atoi(left) - 1);
	(void)execl("/proc/self/exe", "test", less, (char *)NULL);
	_exit(1);
}

static void test_executes(void **state)
{
	unsigned looks = 0, later = 0;
	struct image_maps m;
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		again(PROGRAMS);
	assert_true(pid > 0);
	maps_init(&m);
	while (waitpid(pid, &status, WNOHANG) == 0) {
		struct err e = {0};
		struct inspect x;
		int r = inspect_running(pid, &x, &m, &e);

		looks++;
		later += r == -EAGAIN;
		if (r < 0 || x.state == 'Z' || x.state == 'X') {
			if (r != 0 && r != -EAGAIN && r != -ESRCH)
				fail_msg("%d: %s", r, e.text);
			continue;
		}
		assert_true(x.mm.start_code && m.vdso_start);
		for (size_t i = 0; i < x.n; i++)
			assert_int_not_equal(x.reasons[i].reason, REASON_NO_VDSO);
	}
	maps_release(&m);
	print_message("%u of %u looks are to be repeated\n", later, looks);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_executes)};

	if (argc == 2)
		again(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
