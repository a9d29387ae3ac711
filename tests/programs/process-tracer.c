/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A process that traces its child sees each of its calls and signals, reads its memory, and lets it go.
 * Proves: ptrace wait4
 */
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static volatile long cell = 1234;

static void child(void)
{
	must(ptrace(PTRACE_TRACEME, 0, 0, 0) == 0 && raise(SIGSTOP) == 0);
	(void)syscall(SYS_getppid);
	(void)syscall(SYS_getuid);
	must(raise(SIGUSR1) == 0); /* which the tracer takes away */
	_exit((int)cell);
}

static void round_(void)
{
	struct user_regs_struct regs;
	int status, asked = 0, parents = 0;
	pid_t pid = promise_fork();

	if (pid == 0)
		child();
	must(waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	must(ptrace(PTRACE_PEEKDATA, pid, &cell, 0) == 1234 && ptrace(PTRACE_POKEDATA, pid, &cell, 77) == 0);
	must(ptrace(PTRACE_SETOPTIONS, pid, 0, PTRACE_O_TRACESYSGOOD) == 0);
	for (int sig = 0;;) {
		must(ptrace(PTRACE_SYSCALL, pid, 0, sig) == 0 && waitpid(pid, &status, 0) == pid);
		sig = 0;
		if (WIFEXITED(status))
			break;
		if (WSTOPSIG(status) != (SIGTRAP | 0x80)) {
			say("signal %d", WSTOPSIG(status));
			continue;
		}
		must(ptrace(PTRACE_GETREGS, pid, 0, &regs) == 0);
		asked += regs.orig_rax == SYS_getuid;
		parents += regs.orig_rax == SYS_getppid;
	}
	say("stops at getuid %d, at getppid %d, ended with %d", asked, parents, WEXITSTATUS(status));
}

int main(void)
{
	return promise_run(round_);
}
