/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finds the broker of this user (src/exec/execd.c), or starts it.
 * Promise: of many that come at once, one starts it; it has nothing of this process: no descriptor, directory, terminal
 * or parent. Must not: trust a socket whose listener is somebody else.
 */
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
#include "exec.h"
#include "reason.h"

#define FIND_NS (2 * NSEC_PER_SEC)
#define AGAIN_MS 2
#define ENV_MAX 8

/* Only what a program of Godwit looks at. */
static void clean_environment(char *env[static ENV_MAX], char *text, size_t cap)
{
	static const char *const names[] = {"PATH", "GODWIT_LOG", "ASAN_OPTIONS", "UBSAN_OPTIONS"};
	size_t n = env_pick(env, text, cap, names, ARRAY_SIZE(names));

	env[n] = NULL;
}

_Noreturn static void become_broker(const char *path, int listening)
{
	char *env[ENV_MAX], text[4096], name[] = "godwit-execd", *argv[] = {name, NULL};
	sigset_t none;
	int fd, i;

	clean_environment(env, text, sizeof(text));
	(void)setsid();
	for (i = 1; i < NSIG; i++)
		(void)signal(i, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	fd = open("/dev/null", O_RDWR);
	for (i = 0; i < 3; i++)
		(void)dup2(fd, i);
	if (listening == 3)
		(void)fcntl(listening, F_SETFD, 0);
	else
		(void)dup2(listening, 3);
	(void)close_range(4, ~0U, 0);
	(void)umask(077);
	if (chdir("/") == 0)
		(void)execve(path, argv, env);
	_exit(127);
}

/* It is not our child, lest the command that may take our place had one that it does not know. */
static int start_broker(int listening, struct err *e)
{
	char path[512];
	pid_t pid;

	if (file_find_program("godwit-execd", path, sizeof(path)) < 0)
		return err_set(e, -EIO, "godwit-execd is not installed");
	pid = fork();
	if (pid == 0) {
		pid = fork();
		if (pid == 0)
			become_broker(path, listening);
		_exit(pid < 0);
	}
	if (pid < 0)
		return err_set(e, -errno, "no process can be started: %s", strerror(errno));
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
	return 0;
}

int exec_broker(const char *control, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + FIND_NS;
	unsigned number = 0;
	int fd, listening, r;

	while (number < BROKER_NAMES && clock_mono_ns() < deadline) {
		fd = broker_connect(control, number);
		if (fd >= 0)
			return fd;
		if (fd == -EPERM) { /* somebody else's */
			number++;
			continue;
		}
		if (fd != -ECONNREFUSED)
			return err_set(e, fd, "the broker cannot be reached: %s", strerror(-fd));
		listening = broker_listen(control, number);
		if (listening >= 0) {
			r = start_broker(listening, e);
			(void)close(listening);
			if (r < 0)
				return r;
		} else if (listening != -EADDRINUSE) {
			return err_set(e, listening, "the broker cannot be started: %s", strerror(-listening));
		} else {
			(void)poll(NULL, 0, AGAIN_MS); /* bound, and about to listen, or to close it */
		}
	}
	return err_reason(e, CLI_REASON_TIMEOUT, -ETIMEDOUT, "the broker (godwit-execd) does not answer");
}
