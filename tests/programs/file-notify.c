/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A directory that tells by a signal that something has happened in it does so.
 * Proves: fcntl rt_sigtimedwait
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	sigset_t set;
	siginfo_t si;
	int dir, fd;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGRTMIN + 6);
	must(sigprocmask(SIG_BLOCK, &set, NULL) == 0 && mkdir("d", 0700) == 0);
	dir = open("d", O_RDONLY | O_DIRECTORY);
	must(dir >= 0 && fcntl(dir, F_SETSIG, SIGRTMIN + 6) == 0);
	say_result("asked", fcntl(dir, F_NOTIFY, DN_CREATE | DN_DELETE | DN_MULTISHOT));
	fd = open("d/f", O_CREAT | O_RDWR, 0600);
	must(fd >= 0 && close(fd) == 0 && sigwaitinfo(&set, &si) == SIGRTMIN + 6);
	say("created in this one %d", si.si_fd == dir);
	must(unlink("d/f") == 0 && sigwaitinfo(&set, &si) == SIGRTMIN + 6);
	say("deleted in this one %d", si.si_fd == dir);
	say_result("of a file", fcntl(1, F_NOTIFY, DN_CREATE) < 0 ? -1 : 0);
	must(close(dir) == 0 && rmdir("d") == 0 && sigprocmask(SIG_UNBLOCK, &set, NULL) == 0);
}

int main(void)
{
	return promise_run(round_);
}
