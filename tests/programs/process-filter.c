/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A process with a system-call filter of its own is held by it, wherever its parent is.
 * Proves: seccomp prctl wait4
 */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void child(void)
{
	struct sock_filter code[] = {{BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
				     {BPF_JMP | BPF_JEQ | BPF_K, 1, 0, SYS_getuid},
				     {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
				     {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | ENOTTY}};
	struct sock_fprog program = {4, code};

	must(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_GET_SECCOMP) == 0);
	must(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0 && prctl(PR_GET_SECCOMP) == 2);
	for (int i = 0; i < 3; i++)
		must(syscall(SYS_getuid) == -1 && errno == ENOTTY && getppid() > 0);
	_exit(6);
}

static void round_(void)
{
	int status;

	if (promise_fork() == 0)
		child();
	must(wait(&status) > 0);
	say("the child %#x, we %d", status, prctl(PR_GET_SECCOMP));
	must(getuid() == geteuid());
}

int main(void)
{
	return promise_run(round_);
}
