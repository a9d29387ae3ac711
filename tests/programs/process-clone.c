/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A child made by clone(2) or clone3(2) shares what the flags say, and tells its end by the signal that was
 * chosen.
 * Proves: clone clone3 wait4
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static volatile sig_atomic_t heard;

static void on_usr1(int sig)
{
	heard += sig == SIGUSR1;
}

static void round_(void)
{
	struct clone_args args = {.flags = CLONE_PIDFD | CLONE_PARENT_SETTID, .exit_signal = SIGUSR1};
	struct sigaction sa = {.sa_handler = on_usr1, .sa_flags = SA_RESTART};
	int status, pidfd = -1, fd;
	pid_t told = 0, pid;

	heard = 0;
	must(sigaction(SIGUSR1, &sa, NULL) == 0);
	args.pidfd = (uint64_t)&pidfd;
	args.parent_tid = (uint64_t)&told;
	pid = (pid_t)syscall(SYS_clone3, &args, sizeof(args));
	if (pid == 0)
		_exit(11);
	must(pid > 0 && told == pid && pidfd >= 0);
	must(waitpid(pid, &status, __WALL) == pid && close(pidfd) == 0);
	say("clone3: %d, heard %d", WEXITSTATUS(status), heard);
	/* The descriptors are shared: what the child opens is open here. */
	pid = (pid_t)syscall(SYS_clone, CLONE_FILES | SIGCHLD, NULL, NULL, NULL, NULL);
	if (pid == 0) {
		fd = open("/dev/null", O_RDONLY);
		_exit(fd);
	}
	must(waitpid(pid, &status, 0) == pid);
	fd = WEXITSTATUS(status);
	say("clone: its descriptor is open here: %d", fcntl(fd, F_GETFD) >= 0);
	must(close(fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
