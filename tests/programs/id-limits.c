/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Limits are told and set, by each of the calls, are inherited, and are not raised without the privilege.
 * Proves: prlimit64
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct rlimit l, old, more;
	int status;

	must(getrlimit(RLIMIT_NOFILE, &old) == 0 && prlimit(0, RLIMIT_NOFILE, NULL, &l) == 0);
	say("the same %d", memcmp(&old, &l, sizeof(l)) == 0);
	if (promise_fork() == 0) {
		l = (struct rlimit){100, 200};
		must(setrlimit(RLIMIT_NOFILE, &l) == 0 && sysconf(_SC_OPEN_MAX) == 100);
		if (promise_fork() == 0) {
			must(setuid(9) == 0 && getrlimit(RLIMIT_NOFILE, &l) == 0 && l.rlim_max == 200);
			more = (struct rlimit){100, 201};
			must(setrlimit(RLIMIT_NOFILE, &more) == -1 && errno == EPERM);
			more = (struct rlimit){150, 150};
			must(prlimit(0, RLIMIT_NOFILE, &more, &l) == 0 && l.rlim_cur == 100);
			_exit(0);
		}
		must(wait(&status) > 0);
		_exit(status != 0);
	}
	must(wait(&status) > 0);
	say("the child %d", status);
	more = (struct rlimit){2, 1};
	say_result("the wrong way round", setrlimit(RLIMIT_NOFILE, &more));
	say_result("no limit", getrlimit(99, &l));
	must(getrlimit(RLIMIT_NOFILE, &l) == 0 && memcmp(&old, &l, sizeof(l)) == 0);
}

int main(void)
{
	return promise_run(round_);
}
