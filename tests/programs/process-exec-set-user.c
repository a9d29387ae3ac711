/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A program with the set-user-ID bit runs as its owner when another user executes it, also away from home.
 * Proves: execve setresuid getresuid
 */
#include <fcntl.h>
#include <grp.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

#define OTHER 65534

static void copy_self(const char *name)
{
	static char text[1 << 16];
	int from = open("/proc/self/exe", O_RDONLY), to = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0700);
	ssize_t n;

	must(from >= 0 && to >= 0);
	while ((n = read(from, text, sizeof(text))) > 0)
		must(write(to, text, (size_t)n) == n);
	must(n == 0 && fchmod(to, 04755) == 0 && close(to) == 0 && close(from) == 0);
}

/* Another user, who has executed something since: only then may it leave home. */
static void as_other(void)
{
	must(setgroups(0, NULL) == 0 && setresgid(OTHER, OTHER, OTHER) == 0 && setresuid(OTHER, OTHER, OTHER) == 0);
	(void)execl("/proc/self/exe", "me", "other", (char *)NULL);
	_exit(99);
}

static void round_(void)
{
	char text[200] = "";
	int p[2], status;

	copy_self("set-user");
	must(pipe(p) == 0);
	if (promise_fork() == 0) {
		must(dup2(p[1], 1) == 1);
		as_other();
	}
	must(wait(&status) > 0 && read(p[0], text, sizeof(text) - 1) > 0);
	say("%s%#x", text, status);
	must(close(p[0]) == 0 && close(p[1]) == 0 && unlink("set-user") == 0);
}

static void tell(void)
{
	uid_t real, effective, saved;

	must(getresuid(&real, &effective, &saved) == 0);
	(void)printf("real %u, effective %u, saved %u, secure %lu\n", real, effective, saved, getauxval(AT_SECURE));
}

int main(int argc, char **argv)
{
	if (argc == 1)
		return promise_run(round_);
	tell();
	if (strcmp(argv[1], "other") != 0)
		return 7;
	must(fflush(stdout) == 0);
	burn_ms(5);
	(void)execl("./set-user", "me", "owner", (char *)NULL);
	return 98;
}
