/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Group ids and the list of groups are set and told, and need the privilege.
 * Proves: setgid setregid setresgid getresgid getgid getegid setgroups getgroups setfsgid
 */
#include <grp.h>
#include <string.h>
#include <sys/fsuid.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void show(const char *how, long r)
{
	gid_t a, b, c;

	must(getresgid(&a, &b, &c) == 0 && getgid() == a && getegid() == b);
	say_result(how, r);
	say("  %u %u %u", a, b, c);
}

static void round_(void)
{
	gid_t list[70], got[70];
	char text[700];
	int p[2], status;
	ssize_t n;

	for (int i = 0; i < 70; i++)
		list[i] = (gid_t)(100 + i);
	must(pipe(p) == 0);
	if (promise_fork() == 0) {
		must(setgroups(70, list) == 0 && getgroups(70, got) == 70 && memcmp(list, got, sizeof(list)) == 0);
		say_result("how many", getgroups(0, NULL));
		say_result("too few", getgroups(3, got));
		show("to what it is", setregid(0, 0));
		show("setresgid", setresgid(1, 2, 3));
		show("setregid", setregid(3, (gid_t)-1));
		say("fs %d %d", setfsgid(9), setfsgid((gid_t)-1));
		show("setgid", setgid(4));
		must(setuid(50) == 0);
		show("without the privilege", setgid(0));
		say_result("nor a list", setgroups(0, list));
		promise_tell(p[1]);
		_exit(0);
	}
	must(wait(&status) > 0 && status == 0);
	n = read(p[0], text, sizeof(text));
	say("%.*sthe parent %u", (int)n, text, getgid());
	must(close(p[0]) == 0 && close(p[1]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
