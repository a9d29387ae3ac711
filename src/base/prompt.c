/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Prompt scheduling; see prompt.h. */
#include "prompt.h"

#include <errno.h>
#include <stdint.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "file.h"

#define PROMPT_NICE (-15)
#define PROMPT_SLICE_NS 100000

struct sched_attr_ { /* linux/sched/types.h, first version */
	uint32_t size, policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

/* Only plain processes are changed: whoever chose batch, idle or real-time scheduling keeps it. */
static int set(pid_t pid, int nice_value, uint64_t slice)
{
	struct sched_attr_ attr = {.size = sizeof(attr)};

	if (syscall(SYS_sched_getattr, pid, &attr, sizeof(attr), 0) < 0 || attr.policy != 0)
		return -EINVAL;
	attr.size = sizeof(attr);
	attr.flags = 0;
	attr.nice = nice_value;
	attr.runtime = slice;
	return syscall(SYS_sched_setattr, pid, &attr, 0) < 0 ? -errno : 0;
}

void prompt_raise(pid_t pid, struct prompt_saved *saved)
{
	int old;

	if (saved && saved->raised)
		return;
	errno = 0;
	old = getpriority(PRIO_PROCESS, (id_t)pid);
	if (old == -1 && errno)
		return;
	if (set(pid, PROMPT_NICE, PROMPT_SLICE_NS) == 0 && saved)
		*saved = (struct prompt_saved){.nice = old, .raised = 1};
	/* With autogroups, sched(7), only the weight of the session's group counts; our own session is ours alone. */
	if (!pid)
		(void)!file_write("/proc/self/autogroup", "-15", 3);
}

void prompt_restore(pid_t pid, struct prompt_saved *saved)
{
	if (saved->raised)
		(void)set(pid, saved->nice, 0);
	saved->raised = 0;
}
