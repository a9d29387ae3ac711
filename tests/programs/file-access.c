/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What may be done with a file is asked for the real user by access, and for the effective one with
 * AT_EACCESS.
 * Proves: faccessat2
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void child(void)
{
	must(setresgid(100, 100, 0) == 0 && setresuid(100, 100, 0) == 0);
	say_result("read", access("f", R_OK));
	say_result("write", access("f", W_OK));
	say_result("exists", access("f", F_OK));
	say_result("into a closed directory", faccessat(AT_FDCWD, "d/f", F_OK, 0));
	must(seteuid(0) == 0);
	say_result("root acts, 100 asks", access("f", W_OK));
	say_result("root acts, root asks", faccessat(AT_FDCWD, "f", W_OK, AT_EACCESS));
	say_result("to run it", faccessat(AT_FDCWD, "f", X_OK, AT_EACCESS));
}

static void round_(void)
{
	int fd = open("f", O_CREAT | O_RDWR, 0600), status, p[2];
	char text[400];
	ssize_t n;
	pid_t pid;

	must(fd >= 0 && fchmod(fd, 0604) == 0 && mkdir("d", 0700) == 0 && pipe(p) == 0);
	pid = promise_fork();
	if (pid == 0) {
		child();
		promise_tell(p[1]);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
	n = read(p[0], text, sizeof(text));
	say("%.*s", (int)n, text);
	say_result("a link into nothing", faccessat(AT_FDCWD, "none", F_OK, AT_SYMLINK_NOFOLLOW));
	must(close(p[0]) == 0 && close(p[1]) == 0 && close(fd) == 0 && unlink("f") == 0 && rmdir("d") == 0);
}

int main(void)
{
	return promise_run(round_);
}
