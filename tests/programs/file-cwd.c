/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The working directory is where relative names begin, follows a rename, and may be removed under the
 * process.
 * Proves: chdir fchdir getcwd
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void where(const char *top)
{
	char now[4096];

	if (getcwd(now, sizeof(now)))
		say("in %s", strncmp(now, top, strlen(top)) == 0 ? now + strlen(top) : now);
	else
		say_result("nowhere", -1);
}

static void round_(void)
{
	char top[4096], small[2];
	int home = open(".", O_RDONLY | O_DIRECTORY);

	must(getcwd(top, sizeof(top)) && home >= 0);
	must(mkdir("a", 0700) == 0 && mkdir("a/b", 0700) == 0 && chdir("a/b") == 0);
	where(top);
	must(rename("../../a", "../../c") == 0);
	where(top);
	say_result("a small buffer", getcwd(small, sizeof(small)) ? 0 : -1);
	must(access("../../c/b", F_OK) == 0 && rmdir("../b") == 0);
	where(top);
	say_result("a file there", open("file", O_CREAT | O_WRONLY, 0600));
	must(fchdir(home) == 0);
	where(top);
	say_result("no such", chdir("none"));
	say_result("/dev/null", chdir("/dev/null"));
	must(rmdir("c") == 0 && close(home) == 0);
}

int main(void)
{
	return promise_run(round_);
}
