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
#include "launch/group.h"
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
	pid = spawn_helper(argv, NULL, &e);
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

	assert_int_equal(spawn_helper(argv, NULL, &e), -ENOENT);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child is left */
	assert_int_equal(spawn_find("godwit-nothing", path, sizeof(path), &e), -ENOENT);
}

/* A guest that escaped the group would have no bound; the file stands for the group's cgroup.procs. */
static void a_helper_enters_its_group_or_does_not_start(void **state)
{
	char sh[] = "/bin/sh", c[] = "-c", script[] = "exit 0", name[] = "/tmp/godwit-group-XXXXXX", text[8] = "";
	char *argv[] = {sh, c, script, NULL};
	struct err e = {0};
	int status, fd = mkstemp(name);
	pid_t pid;

	assert_true(fd >= 0);
	pid = spawn_helper(argv, name, &e);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(read(fd, text, sizeof(text) - 1), 1);
	assert_string_equal(text, "0"); /* the kernel's word for the writer itself */
	(void)close(fd);
	assert_int_equal(unlink(name), 0);
	assert_int_equal(spawn_helper(argv, name, &e), -ENOENT);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void the_group_stands_where_the_kernel_allows_it(void **state)
{
	static const char v1[] = "tmpfs /sys/fs/cgroup tmpfs rw 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
				 "cgroup /sys/fs/cgroup/memory cgroup rw,relatime,memory 0 0\n"
				 "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n";
	static const char v2[] = "proc /proc proc rw 0 0\ncgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n";
	static const struct {
		const char *mounts, *cgroup, *dir;
		bool v2;
	} cases[] = {
	    {v1, "4:memory:/a/b\n1:cpu:/c\n0::/d\n", "/sys/fs/cgroup/memory/a/b/godwit-guests", false},
	    {v1, "2:cpu,memory:/\n", "/sys/fs/cgroup/memory/godwit-guests", false},
	    {v2, "0::/system.slice/launcher.service\n", "/sys/fs/cgroup/system.slice/godwit-guests-launcher.service",
	     true},
	    {v2, "0::/top\n", "/sys/fs/cgroup/godwit-guests-top", true},
	    {v2, "0::/\n", "/sys/fs/cgroup/godwit-guests", true},
	};
	static const char *const none[][2] = {
	    {"proc /proc proc rw 0 0\n", "0::/x\n"},
	    {v1, "0::/x\n"},
	    {v2, "4:memory:/x\n"},
	    {v2, "0::/../../x\n"},
	    {v2, ""},
	    {"", ""},
	    {v1, "memory"},
	    {v2, "0::x"},
	};
	struct group g;
	struct err e = {0};
	size_t i;

	assert_int_equal(group_place(&g, "-1f", v1, "4:memory:/a\n", &e), 0);
	assert_string_equal(g.dir, "/sys/fs/cgroup/memory/a/godwit-guests-1f");
	for (i = 0; i < ARRAY_SIZE(cases); i++) {
		assert_int_equal(group_place(&g, "", cases[i].mounts, cases[i].cgroup, &e), 0);
		assert_string_equal(g.dir, cases[i].dir);
		assert_int_equal(g.v2, cases[i].v2);
	}
	for (i = 0; i < ARRAY_SIZE(none); i++) {
		assert_int_equal(group_place(&g, "", none[i][0], none[i][1], &e), -ENOTSUP);
		assert_string_equal(g.dir, "");
		assert_int_equal(group_remove(&g), 0); /* nothing is no group to remove */
	}
}

static void whose_commands_are_executed(void **state)
{
	enum exec_users who = EXEC_ALL;
	struct err e = {0};

	assert_int_equal(exec_users_find("users", &who), 0);
	assert_int_equal(who, EXEC_USERS);
	assert_int_equal(exec_users_find("anybody", &who), -EINVAL);
	assert_int_equal(check_user("games", 5, 65534, EXEC_USERS, &e), 0);
	assert_int_equal(check_user("games", 5, 65534, EXEC_NOBODY, &e), -EPERM);
	assert_int_equal(check_user("root", 0, 65534, EXEC_USERS, &e), -EPERM);
	assert_int_equal(e.reason, REASON_USER);
	assert_int_equal(check_user("root", 0, 65534, EXEC_ALL, &e), 0);
	/* by whatever name */
	assert_int_equal(check_user("games", 0, 65534, EXEC_USERS, &e), -EPERM);
	assert_int_equal(check_user("nobody", 65534, 65534, EXEC_ALL, &e), -EPERM);
	assert_int_equal(check_user("", 5, 65534, EXEC_ALL, &e), -EPERM);
	assert_int_equal(check_user("--run", 5, 65534, EXEC_ALL, &e), -EPERM);
	assert_int_equal(check_user("games", (uid_t)-1, 65534, EXEC_ALL, &e), -EPERM);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(only_ordinary_processes_are_targets),
	    cmocka_unit_test(its_own_children_are_no_targets),
	    cmocka_unit_test(helpers_start_with_a_clean_slate),
	    cmocka_unit_test(a_program_that_is_not_there_is_told),
	    cmocka_unit_test(a_helper_enters_its_group_or_does_not_start),
	    cmocka_unit_test(whose_commands_are_executed),
	    cmocka_unit_test(the_group_stands_where_the_kernel_allows_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
