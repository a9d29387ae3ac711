/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: posix_spawn runs a program with the descriptors, the mask and the group that were asked for.
 * Proves: wait4
 */
#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
	char *argv[] = {"sh", "-c", "echo \"out $X\"; echo err >&2; exit 6", NULL}, *envp[] = {"X=from here", NULL};
	char text[64];
	int p[2], status;
	ssize_t n, at = 0;
	pid_t pid;

	must(pipe(p) == 0 && posix_spawn_file_actions_init(&actions) == 0 && posix_spawnattr_init(&attr) == 0);
	must(posix_spawn_file_actions_adddup2(&actions, p[1], 1) == 0);
	must(posix_spawn_file_actions_adddup2(&actions, 1, 2) == 0);
	must(posix_spawn_file_actions_addclose(&actions, p[0]) == 0);
	must(posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETPGROUP) == 0);
	must(posix_spawn(&pid, "/bin/sh", &actions, &attr, argv, envp) == 0 && close(p[1]) == 0);
	must(getpgid(pid) == pid || errno == ESRCH);
	while ((n = read(p[0], text + at, sizeof(text) - 1 - (size_t)at)) > 0)
		at += n;
	text[at] = '\0';
	must(waitpid(pid, &status, 0) == pid);
	say("%s%d", text, WEXITSTATUS(status));
	say("no such program %d", posix_spawn(&pid, "/none", NULL, NULL, argv, envp) == ENOENT);
	must(posix_spawn_file_actions_destroy(&actions) == 0 && posix_spawnattr_destroy(&attr) == 0 &&
	     close(p[0]) == 0);
}

int main(void)
{
	return promise_run(round_);
}
