/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Runs ip and nft for the sandbox. Promise: bounded in time and output; a program that is not there gives a sentence
 * with the package to install. Must not: use a shell.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/sock.h"
#include "sandbox.h"

/* Input as a file in memory, so that no pipe can fill up. */
static int input_fd(const char *input)
{
	size_t n = strlen(input);
	int fd = memfd_create("input", MFD_CLOEXEC);

	if (fd >= 0 && (write(fd, input, n) != (ssize_t)n || lseek(fd, 0, SEEK_SET) < 0)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

__attribute__((noreturn)) static void child(char *const argv[], int in, int out, const char *netns)
{
	if (netns) {
		int fd = open(netns, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || setns(fd, CLONE_NEWNET) < 0) {
			(void)dprintf(out, "cannot enter the network %s: %s\n", netns, strerror(errno));
			_exit(1);
		}
	}
	(void)dup2(in, 0);
	(void)dup2(out, 1);
	(void)dup2(out, 2);
	(void)signal(SIGPIPE, SIG_DFL);
	(void)execvp(argv[0], argv);
	_exit(127);
}

/* Reads until the end, keeping the beginning. 0, -ETIMEDOUT. */
static int read_output(int fd, char *text, size_t cap, uint64_t deadline)
{
	size_t n = 0;

	for (;;) {
		char rest[512];
		bool full = n + 1 >= cap;
		int r = sock_wait(fd, POLLIN, deadline);
		ssize_t got;

		if (r == -EINTR)
			continue;
		if (r < 0)
			return r;
		got = read(fd, full ? rest : text + n, full ? sizeof(rest) : cap - 1 - n);
		if (got <= 0)
			break;
		if (!full)
			n += (size_t)got;
	}
	text[n] = '\0';
	return 0;
}

int tool_run(char *const argv[], const char *input, const char *netns, unsigned seconds, struct err *e)
{
	_cleanup_close_ int in = input_fd(input ? input : "");
	_cleanup_close_ int out = -1;
	int pipes[2], status, r;
	char text[512];
	pid_t pid;

	if (in < 0 || pipe2(pipes, O_CLOEXEC) < 0)
		return err_set(e, -errno, "cannot run %s: %s", argv[0], strerror(errno));
	out = pipes[0];
	pid = fork();
	if (pid == 0)
		child(argv, in, pipes[1], netns);
	(void)close(pipes[1]);
	if (pid < 0)
		return err_set(e, -EAGAIN, "cannot run %s: fork failed", argv[0]);
	r = read_output(out, text, sizeof(text), clock_mono_ns() + seconds * NSEC_PER_SEC);
	if (r < 0)
		(void)kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (r < 0)
		return err_set(e, r, "%s did not end within %u s", argv[0], seconds);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	if (WIFEXITED(status) && WEXITSTATUS(status) == 127)
		return err_set(e, -ENOTSUP, "the program %s is needed (package %s)", argv[0],
			       strcmp(argv[0], "nft") == 0 ? "nftables" : "iproute2");
	text[strcspn(text, "\n")] = '\0';
	return err_set(e, -EIO, "%s failed: %.300s", argv[0], *text ? text : "it says nothing");
}
