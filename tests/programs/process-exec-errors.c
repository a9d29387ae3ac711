/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A program that cannot be executed is an error, and the process goes on as it was.
 * Proves: execve execveat
 */
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static void make(const char *name, const char *text, mode_t mode)
{
	int fd = open(name, O_CREAT | O_TRUNC | O_WRONLY, 0600);

	must(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0 &&
	     close(fd) == 0);
}

static void attempt(const char *what, const char *path)
{
	char *argv[] = {"x", NULL}, *envp[] = {NULL};

	say_result(what, syscall(SYS_execve, path, argv, envp));
}

static void round_(void)
{
	char *argv[] = {"x", NULL};

	make("plain", "nothing to run", 0755);
	make("forbidden", "#!/bin/sh\n", 0644);
	make("lost", "#!/none/at/all\n", 0755);
	make("broken", "\177ELF and no more", 0755);
	attempt("no such file", "none");
	attempt("no program", "plain");
	attempt("not executable", "forbidden");
	attempt("no interpreter", "lost");
	attempt("a broken one", "broken");
	attempt("a directory", ".");
	attempt("below a file", "plain/x");
	attempt("a bad address", (const char *)8);
	say_result("a bad list", syscall(SYS_execve, "forbidden", 8L, 8L));
	say_result("no descriptor", syscall(SYS_execveat, -1, "x", argv, argv + 1, 0));
	must(unlink("plain") == 0 && unlink("forbidden") == 0 && unlink("lost") == 0 && unlink("broken") == 0);
}

int main(void)
{
	return promise_run(round_);
}
