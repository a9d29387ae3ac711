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

#define EXECVE_CHECK 0x10000

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
	char *argv[] = {"x", NULL}, long_name[5000];
	int fd;

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
	say_result("a bad string", syscall(SYS_execve, "lost", (char *[]){"x", (char *)8, NULL}, NULL));
	say_result("nothing at all", syscall(SYS_execve, NULL, NULL, NULL));
	attempt("no name", "");
	must(symlink("loop", "loop") == 0);
	attempt("a loop", "loop");
	memset(long_name, 'x', sizeof(long_name));
	long_name[300] = '\0';
	attempt("a long name", long_name);
	long_name[300] = 'x';
	long_name[4999] = '\0';
	attempt("a longer name", long_name);
	fd = open("lost", O_WRONLY);
	attempt("being written", "lost");
	must(fd >= 0 && close(fd) == 0);
	fd = open("plain", O_RDONLY);
	say_result("by its descriptor", syscall(SYS_execveat, fd, "", argv, NULL, AT_EMPTY_PATH));
	say_result("no such flag", syscall(SYS_execveat, fd, "", argv, NULL, 0x40000000));
	must(fd >= 0 && close(fd) == 0);
	/* Since Linux 6.14: nothing is executed. */
	say_result("could be", syscall(SYS_execveat, AT_FDCWD, "/bin/sh", argv, NULL, EXECVE_CHECK));
	say_result("could not be", syscall(SYS_execveat, AT_FDCWD, "forbidden", argv, NULL, EXECVE_CHECK));
	must(unlink("loop") == 0);
	say_result("no descriptor", syscall(SYS_execveat, -1, "x", argv, argv + 1, 0));
	must(unlink("plain") == 0 && unlink("forbidden") == 0 && unlink("lost") == 0 && unlink("broken") == 0);
}

int main(void)
{
	return promise_run(round_);
}
