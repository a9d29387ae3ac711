/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Fault points: what the text may say, and that a point obeys it at the right passing. */
#include <errno.h>
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
#include "base/clock.h"
#include "base/fault.h"

static void nothing_is_armed(void **state)
{
	assert_int_equal(fault_point(FAULT_OFFER_SEND), 0);
}

static void names_are_unique_and_known(void **state)
{
	const char *name = fault_name(FAULT_OFFER_SEND);

	assert_string_equal(name, "offer-send");
	assert_null(fault_name(9999));
}

static void the_nth_passing_fails_once(void **state)
{
	assert_int_equal(fault_arm("offer-sent:3"), 0);
	assert_int_equal(fault_point(FAULT_OFFER_SENT), 0);
	assert_int_equal(fault_point(FAULT_OFFER_SEND), 0);
	assert_int_equal(fault_point(FAULT_OFFER_SENT), 0);
	assert_int_equal(fault_point(FAULT_OFFER_SENT), -EIO);
	assert_int_equal(fault_point(FAULT_OFFER_SENT), 0);
}

static void several_rules_count_apart(void **state)
{
	assert_int_equal(fault_arm("offer-sent,link-pass:2:error"), 0);
	assert_int_equal(fault_point(FAULT_LINK_PASS), 0);
	assert_int_equal(fault_point(FAULT_OFFER_SENT), -EIO);
	assert_int_equal(fault_point(FAULT_LINK_PASS), -EIO);
	assert_int_equal(fault_arm(""), 0);
	assert_int_equal(fault_point(FAULT_OFFER_SENT), 0);
}

static void bad_text_changes_nothing(void **state)
{
	static const char *const bad[] = {"nosuch",       "offer",        "offer-sent:",
					  "offer-sent:0", "offer-sent:x", "offer-sent:1:kil",
					  "OFFER_SENT",   ":1",           "offer-sent:1:error,nosuch"};
	size_t i;

	assert_int_equal(fault_arm("link-pass"), 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(fault_arm(bad[i]), -EINVAL);
	assert_int_equal(fault_point(FAULT_LINK_PASS), -EIO);
}

static void kill_kills(void **state)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		_exit(fault_arm("offer-sent::kill") == 0   ? 1
		      : fault_arm("offer-sent:1:kill") < 0 ? 2
							   : 3 + fault_point(FAULT_OFFER_SENT));
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGKILL);
}

/* A process that reads its rules from a file obeys what is written there later. */
static void the_file_is_read_at_each_point(void **state)
{
	char path[] = "/tmp/godwit-fault-XXXXXX";
	int fd = mkstemp(path), status = 0;
	pid_t pid;

	assert_true(fd >= 0);
	pid = fork();
	if (pid == 0) {
		(void)setenv("GODWIT_FAULT_FILE", path, 1);
		(void)execl("/proc/self/exe", "test_fault", path, (char *)NULL);
		_exit(9);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	(void)close(fd);
	(void)unlink(path);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* The other side of the test above. Returns the step that went wrong. */
static int with_file(const char *path)
{
	FILE *f;

	if (fault_point(FAULT_OFFER_SENT) != 0)
		return 1;
	f = fopen(path, "w");
	if (!f || fputs("offer-sent:2\n", f) < 0 || fclose(f) != 0)
		return 2;
	if (fault_point(FAULT_OFFER_SENT) != 0)
		return 3;
	return fault_point(FAULT_OFFER_SENT) == -EIO ? 0 : 4;
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(nothing_is_armed),
	    cmocka_unit_test(names_are_unique_and_known),
	    cmocka_unit_test(the_nth_passing_fails_once),
	    cmocka_unit_test(several_rules_count_apart),
	    cmocka_unit_test(bad_text_changes_nothing),
	    cmocka_unit_test(kill_kills),
	    cmocka_unit_test(the_file_is_read_at_each_point),
	};

	if (argc > 1)
		return with_file(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
