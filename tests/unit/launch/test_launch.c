/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The launcher's checks, and the clean slate on which helpers start. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "launch/check.h"
#include "launch/spawn.h"
#include "wire/reasons.h"

static void only_ordinary_processes_are_targets(void **state)
{
	static const int64_t none[] = {0, -1, INT64_MIN, INT64_MAX, (int64_t)1 << 32, 1999999999};
	struct err e = {0};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(check_target(none[i], 2, &e), -ESRCH);
		assert_int_equal(e.reason, REASON_NO_SUCH_PROCESS);
	}
	assert_int_equal(check_target(1, 2, &e), -EPERM);
	assert_int_equal(check_target(getpid(), 2, &e), -EPERM); /* the launcher itself */
	assert_int_equal(check_target(getppid(), getppid(), &e), -EPERM); /* the daemon */
	assert_int_equal(e.reason, REASON_INIT);
}

static void its_own_children_are_no_targets(void **state)
{
	struct err e = {0};
	pid_t pid = fork();
	int status;

	if (pid == 0) {
		(void)pause();
		_exit(0);
	}
	assert_int_equal(check_target(pid, 2, &e), -EPERM);
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(check_target(pid, 2, &e), -ESRCH);
}

/* The shell script looks at what it has got; its exit status names the first thing that is wrong. */
static void helpers_start_with_a_clean_slate(void **state)
{
	char sh[] = "/bin/sh", c[] = "-c";
	char script[] =
	    "[ -z \"$SECRET\" ] || exit 1; [ \"$GODWIT_LOG\" = debug ] || exit 2; [ \"$(pwd)\" = / ] || exit 3;"
	    "[ ! -e /proc/self/fd/77 ] || exit 4; [ -n \"$PATH\" ] || exit 5;"
	    "[ \"$(cut -d' ' -f6 /proc/$$/stat)\" = $$ ] || exit 6; kill -TERM $$; exit 7";
	char *argv[] = {sh, c, script, NULL};
	struct err e = {0};
	sigset_t set;
	int status;
	pid_t pid;

	(void)setenv("SECRET", "x", 1);
	(void)setenv("GODWIT_LOG", "debug", 1);
	assert_int_equal(dup2(0, 77), 77);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigprocmask(SIG_BLOCK, &set, NULL); /* as the launcher does for its signalfd */
	pid = spawn_helper(argv, &e);
	(void)close(77);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_false(WIFEXITED(status) && WEXITSTATUS(status));
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGTERM);
}

static void a_program_that_is_not_there_is_told(void **state)
{
	char path[] = "/nonexistent/godwit-agent";
	char *argv[] = {path, NULL};
	struct err e = {0};

	assert_int_equal(spawn_helper(argv, &e), -ENOENT);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	assert_int_equal(spawn_find("godwit-nothing", path, sizeof(path), &e), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_ordinary_processes_are_targets),
	    cmocka_unit_test(its_own_children_are_no_targets),
	    cmocka_unit_test(helpers_start_with_a_clean_slate),
	    cmocka_unit_test(a_program_that_is_not_there_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
