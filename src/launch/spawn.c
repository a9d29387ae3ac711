/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starts a helper program: see spawn.h.
 * Promise: between fork and execve only async-signal-safe calls are made. Must not: wait longer than a second.
 */
#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/env.h"
#include "base/file.h"
#include "base/sock.h"

#define SPAWN_NS NSEC_PER_SEC
#define ENV_MAX 8
#define ENV_BYTES 4096

int spawn_find(const char *name, char *buf, size_t cap, struct err *e)
{
	return file_find_program(name, buf, cap) < 0
		   ? err_set(e, -ENOENT, "%s is not installed beside the launcher", name)
		   : 0;
}

/* Fills env (NULL at its end) from what may pass. text holds the strings. */
static void clean_environment(char *env[static ENV_MAX], char *text, size_t cap)
{
	static const char *const names[] = {
	    "GODWIT_LOG",   "GODWIT_RUN",    "GODWIT_FAULT", "GODWIT_FAULT_FILE",
#ifdef __SANITIZE_ADDRESS__ /* a build for tests: its reports must arrive where the tests look for them */
	    "ASAN_OPTIONS", "UBSAN_OPTIONS",
#endif
	};
	static char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
	size_t n = 0;

	env[n++] = path;
	n += env_pick(env + n, text, cap, names, ARRAY_SIZE(names));
	env[n] = NULL;
}

/* In the child. The pipe end that tells about a failed execve is kept at 3, close-on-exec. */
static _Noreturn void child(char *const argv[], char *const env[], const char *group, int pipe_fd)
{
	struct sigaction sa = {.sa_handler = SIG_DFL};
	sigset_t none;
	int fd, sig, err;

	(void)setsid();
	for (sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	fd = open("/dev/null", O_RDWR);
	if (fd >= 0 && pipe_fd > 2) {
		(void)dup2(fd, 0);
		(void)dup2(fd, 1);
	}
	if (pipe_fd != 3)
		(void)dup3(pipe_fd, 3, O_CLOEXEC);
	(void)close_range(4, ~0U, 0);
	(void)umask(077);
	fd = group ? open(group, O_WRONLY | O_CLOEXEC) : -1;
	/* "0" is the writer itself. A helper that cannot enter would escape the limit, so it does not start. */
	if ((!group || (fd >= 0 && write(fd, "0", 1) == 1)) && chdir("/") == 0)
		(void)execve(argv[0], argv, env);
	err = errno;
	(void)!write(3, &err, sizeof(err));
	_exit(127);
}

pid_t spawn_helper(char *const argv[], const char *group, struct err *e)
{
	_cleanup_close_ int rd = -1;
	char *env[ENV_MAX], text[ENV_BYTES];
	int p[2], err = 0, status;
	ssize_t n;
	pid_t pid;

	clean_environment(env, text, sizeof(text));
	if (pipe2(p, O_CLOEXEC) < 0)
		return err_set(e, -errno, "no pipe: %s", strerror(errno));
	rd = p[0];
	pid = fork();
	if (pid == 0)
		child(argv, env, group, p[1]);
	err = errno;
	(void)close(p[1]);
	if (pid < 0)
		return err_set(e, -err, "no process can be started: %s", strerror(err));
	/* The end of the pipe means that execve succeeded, four bytes that it failed. */
	n = sock_wait(rd, POLLIN, clock_mono_ns() + SPAWN_NS) > 0 ? read(rd, &err, sizeof(err)) : -1;
	if (n == 0)
		return pid;
	if (n != sizeof(err))
		err = ETIMEDOUT;
	(void)kill(pid, SIGKILL);
	(void)waitpid(pid, &status, 0);
	return err_set(e, -err, "%s cannot be started: %s", argv[0], strerror(err));
}
