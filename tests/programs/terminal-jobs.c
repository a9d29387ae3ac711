/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Who is not in the foreground is stopped when it reads, and goes on when it is put there; ^C ends the
 * foreground.
 * Proves: ioctl setpgid wait4 kill read
 */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void job(int slave)
{
	char text[16];

	/* A shell that has started us in the background has it ignored. */
	must(signal(SIGINT, SIG_DFL) != SIG_ERR);
	must(setpgid(0, 0) == 0 && read(slave, text, sizeof(text)) == 5 && memcmp(text, "word\n", 5) == 0);
	for (;;)
		(void)pause();
}

static void leader(int master, int slave)
{
	int status;
	pid_t pid;

	must(setsid() > 0 && ioctl(slave, TIOCSCTTY, 0) == 0 && signal(SIGTTOU, SIG_IGN) != SIG_ERR);
	pid = promise_fork();
	if (pid == 0)
		job(slave);
	must(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGTTIN);
	must(tcsetpgrp(slave, pid) == 0 && tcgetpgrp(slave) == pid && kill(-pid, SIGCONT) == 0);
	must(waitpid(pid, &status, WCONTINUED) == pid && WIFCONTINUED(status));
	must(write(master, "word\n", 5) == 5);
	while (ioctl(slave, FIONREAD, &status) == 0 && status > 0)
		burn_ms(1); /* until it has read the line: ^C flushes what is not read */
	must(write(master, "\003", 1) == 1 && waitpid(pid, &status, 0) == pid);
	_exit(WIFSIGNALED(status) ? WTERMSIG(status) : 99);
}

static void round_(void)
{
	int master = posix_openpt(O_RDWR | O_NOCTTY), slave, status;

	must(master >= 0 && unlockpt(master) == 0);
	slave = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY);
	must(slave >= 0);
	if (promise_fork() == 0)
		leader(master, slave);
	must(wait(&status) > 0 && WIFEXITED(status));
	say("the job ended by signal %d", WEXITSTATUS(status));
	must(close(master) == 0 && close(slave) == 0);
}

int main(void)
{
	return promise_run(round_);
}
