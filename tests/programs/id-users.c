/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: User ids are set one by one and together, are told as set, and cannot be won back.
 * Proves: setresuid getuid setuid setreuid getresuid geteuid setfsuid
 */
#include <sys/fsuid.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void show(const char *how, long r)
{
	uid_t a, b, c;

	must(getresuid(&a, &b, &c) == 0 && getuid() == a && geteuid() == b);
	say_result(how, r);
	say("  %u %u %u", a, b, c);
}

static void set_all(void)
{
	show("setresuid", setresuid(1, 2, 0));
	show("won back", setreuid((uid_t)-1, 0));
	show("for good", setuid(5));
	show("not won back", setuid(0));
	show("to another", setresuid(1, 5, 5));
}

static void set_two(void)
{
	show("setreuid", setreuid(7, 8));
}

static void set_one(void)
{
	show("setuid", setuid(9));
}

static void set_none(void)
{
	show("to what it is", setresuid(0, (uid_t)-1, 0));
	say("fs %d", setfsuid(0));
}

static void round_(void)
{
	void (*const ways[])(void) = {set_all, set_two, set_one, set_none};
	char text[600];
	int p[2], status;
	ssize_t n;

	for (int i = 0; i < 4; i++) {
		must(pipe(p) == 0);
		if (promise_fork() == 0) {
			ways[i]();
			promise_tell(p[1]);
			_exit(0);
		}
		must(wait(&status) > 0 && status == 0);
		n = read(p[0], text, sizeof(text));
		say("%.*sthe parent %u", (int)n, text, getuid());
		must(close(p[0]) == 0 && close(p[1]) == 0);
	}
}

int main(void)
{
	return promise_run(round_);
}
