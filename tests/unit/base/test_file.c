/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small files and /proc. Each test has a directory of its own under TMPDIR. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"

static char dir[200];

static const char *at(const char *name)
{
	static char path[400];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int setup(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)state;
	(void)snprintf(dir, sizeof(dir), "%s/godwit-file-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(dir) ? 0 : -1;
}

static int teardown(void **state)
{
	static const char *const names[] = {"f", "a/b/c", "a/b", "a", ""};

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		(void)remove(at(names[i]));
	return 0;
}

static void files_are_written_and_read_whole(void **state)
{
	char *text = NULL, small[4], *big;
	size_t n = 0;
	struct stat st;

	(void)state;
	assert_int_equal(file_write(at("f"), "x", 1), -ENOENT);
	assert_int_equal(file_write_atomic(at("f"), "hello", 5, 0600), 0);
	assert_int_equal(stat(at("f"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(file_read_all(at("f"), 5, &text, &n), 0);
	assert_int_equal(n, 5);
	assert_string_equal(text, "hello");
	free(text);
	assert_int_equal(file_read_all(at("f"), 4, &text, &n), -EFBIG);
	assert_int_equal(file_read_small(at("f"), small, sizeof(small)), 3);
	assert_string_equal(small, "hel");
	assert_int_equal(file_read_small(at("none"), small, sizeof(small)), -ENOENT);
	assert_int_equal(stat(at("f.new"), &st), -1);

	big = malloc(300000);
	assert_non_null(big);
	for (size_t i = 0; i < 300000; i++)
		big[i] = (char)(i * 31);
	assert_int_equal(file_write_atomic(at("f"), big, 300000, 0644), 0);
	assert_int_equal(file_read_all(at("f"), 1 << 20, &text, &n), 0);
	assert_int_equal(n, 300000);
	assert_memory_equal(text, big, n);
	free(text);
	free(big);
}

static void a_write_that_fails_leaves_the_old_content(void **state)
{
	struct stat st;
	char text[8];

	(void)state;
	assert_int_equal(file_write_atomic(at("f"), "old", 3, 0600), 0);
	assert_true(file_write_atomic(at("none/f"), "new", 3, 0600) < 0);
	assert_int_equal(mkdir(at("a"), 0700), 0);
	assert_true(file_write_atomic(at("a"), "new", 3, 0600) < 0); /* the rename fails */
	assert_int_equal(stat(at("a.new"), &st), -1);
	assert_int_equal(file_read_small(at("f"), text, sizeof(text)), 3);
	assert_string_equal(text, "old");
}

static void directories_are_made_with_their_parents(void **state)
{
	struct stat st;

	(void)state;
	assert_int_equal(file_mkdir_p(at("a/b/c"), 0700), 0);
	assert_int_equal(file_mkdir_p(at("a/b/c"), 0700), 0);
	assert_int_equal(stat(at("a/b/c"), &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(file_write_atomic(at("f"), "", 0, 0600), 0);
	assert_true(file_mkdir_p(at("f/g"), 0700) < 0);
}

static void own_stat_is_right(void **state)
{
	struct proc_stat a, b;
	uid_t uids[4];
	gid_t gids[4];

	(void)state;
	/* A name as unkind as names can be. */
	assert_int_equal(prctl(PR_SET_NAME, ") R 1 (x y"), 0);
	assert_int_equal(proc_read_stat(getpid(), &a), 0);
	assert_int_equal(a.pid, getpid());
	assert_int_equal(a.ppid, getppid());
	assert_int_equal(a.pgrp, getpgrp());
	assert_int_equal(a.session, getsid(0));
	assert_string_equal(a.comm, ") R 1 (x y");
	assert_int_equal(a.state, 'R');
	assert_int_equal(a.num_threads, 1);
	assert_int_equal(a.nice, getpriority(PRIO_PROCESS, 0));
	assert_true(a.rss_pages > 10 && a.vsize > 100000 && a.start_time > 0);
	assert_true(a.start_code < (uint64_t)(uintptr_t)own_stat_is_right &&
		    (uint64_t)(uintptr_t)own_stat_is_right < a.end_code);
	assert_true(a.start_stack > (uint64_t)(uintptr_t)&a);
	assert_true(a.arg_start < a.arg_end && a.env_start >= a.arg_end);
	assert_int_equal(proc_read_stat(getpid(), &b), 0);
	assert_true(a.start_time == b.start_time);
	assert_int_equal(proc_read_uids(getpid(), uids, gids), 0);
	assert_int_equal(uids[0], getuid());
	assert_int_equal(uids[1], geteuid());
	assert_int_equal(gids[0], getgid());
}

static void a_process_that_is_gone_is_esrch(void **state)
{
	struct proc_stat st;
	uid_t uids[4];
	gid_t gids[4];
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(proc_read_stat(pid, &st), -ESRCH);
	assert_int_equal(proc_read_uids(pid, uids, gids), -ESRCH);
}

static void own_directory_is_found(void **state)
{
	char path[4096], small[3];

	(void)state;
	assert_int_equal(file_self_dir(path, sizeof(path)), 0);
	assert_int_equal(path[0], '/');
	assert_int_not_equal(path[strlen(path) - 1], '/');
	assert_int_equal(file_self_dir(small, sizeof(small)), -ENAMETOOLONG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(files_are_written_and_read_whole, setup, teardown),
	    cmocka_unit_test_setup_teardown(a_write_that_fails_leaves_the_old_content, setup, teardown),
	    cmocka_unit_test_setup_teardown(directories_are_made_with_their_parents, setup, teardown),
	    cmocka_unit_test(own_stat_is_right),
	    cmocka_unit_test(a_process_that_is_gone_is_esrch),
	    cmocka_unit_test(own_directory_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
