/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Capabilities are told, dropped and gone, and the bounding set is read.
 * Proves: capget capset prctl
 */
#include <errno.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static bool have(int cap)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct d[2] = {0};

	must(syscall(SYS_capget, &h, d) == 0);
	return (d[cap / 32].effective >> cap % 32 & 1) != 0;
}

static void round_(void)
{
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0}, old = {1, 0};
	struct __user_cap_data_struct d[2] = {0};
	int status;

	say("chown %d, bounding set %d", have(CAP_CHOWN), prctl(PR_CAPBSET_READ, CAP_CHOWN));
	if (promise_fork() == 0) {
		must(syscall(SYS_capget, &h, d) == 0);
		d[0].effective &= ~(1U << CAP_CHOWN);
		d[0].permitted &= ~(1U << CAP_CHOWN);
		must(syscall(SYS_capset, &h, d) == 0 && !have(CAP_CHOWN));
		must(chown(".", 1, 1) == -1 && errno == EPERM);
		d[0].permitted |= 1U << CAP_CHOWN;
		must(syscall(SYS_capset, &h, d) == -1 && errno == EPERM);
		_exit(0);
	}
	must(wait(&status) > 0);
	say("the child %d", status);
	say_result("an unknown version", syscall(SYS_capget, &old, d));
	say("which is told: %x", old.version);
}

int main(void)
{
	return promise_run(round_);
}
