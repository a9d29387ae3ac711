/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A lease is told of when somebody else opens the file, and that one waits until it is given up.
 * Proves: fcntl rt_sigtimedwait
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	int fd = open("f", O_CREAT | O_RDWR, 0600), status;
	sigset_t set, old;
	siginfo_t si;
	pid_t pid;

	must(fd >= 0);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGIO);
	must(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	say_result("lease", fcntl(fd, F_SETLEASE, F_WRLCK));
	say("have %d", fcntl(fd, F_GETLEASE) == F_WRLCK);
	pid = promise_fork();
	if (pid == 0) {
		(void)close(fd);
		must(open("f", O_RDONLY | O_NONBLOCK) == -1 && errno == EWOULDBLOCK);
		must(open("f", O_RDONLY) >= 0);
		_exit(0);
	}
	must(sigwaitinfo(&set, &si) == SIGIO);
	say("to become %d", fcntl(fd, F_GETLEASE) == F_RDLCK);
	must(fcntl(fd, F_SETLEASE, F_UNLCK) == 0 && waitpid(pid, &status, 0) == pid);
	say("the other one %d, lease %d", status, fcntl(fd, F_GETLEASE) == F_UNLCK);
	must(sigprocmask(SIG_SETMASK, &old, NULL) == 0 && close(fd) == 0 && unlink("f") == 0);
}

int main(void)
{
	return promise_run(round_);
}
