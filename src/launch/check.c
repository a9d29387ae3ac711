/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which processes a shepherd may be started for, and which users an executor: see check.h.
 */
#include "check.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>
#include "base/cleanup.h"
#include "base/file.h"
#include "wire/reasons.h"

#define PF_KTHREAD_FLAG 0x00200000U /* linux/sched.h */

int check_target(int64_t pid, pid_t daemon, struct err *e)
{
	struct proc_stat st;

	if (pid <= 0 || pid > INT_MAX || proc_read_stat((pid_t)pid, &st) < 0 || st.pid != pid)
		return err_reason(e, REASON_NO_SUCH_PROCESS, -ESRCH, "there is no process %lld on this node",
				  (long long)pid);
	if (st.flags & PF_KTHREAD_FLAG)
		return err_reason(e, REASON_KERNEL_THREAD, -EPERM, "process %lld is a kernel thread", (long long)pid);
	/* A helper is known by its parent or session leader too, but its name is what a person would recognise. Anyone
	 * may take such a name; that only keeps his own process at home. */
	if (pid == 1 || pid == getpid() || pid == daemon || st.ppid == getpid() || !strncmp(st.comm, "godwit-", 7) ||
	    !strcmp(st.comm, "godwitd"))
		return err_reason(e, REASON_INIT, -EPERM, "process %lld is init or a part of Godwit", (long long)pid);
	if (st.state == 'Z' || st.state == 'X')
		return err_reason(e, REASON_ZOMBIE, -ESRCH, "process %lld has already ended", (long long)pid);
	return 0;
}

int exec_users_find(const char *word, enum exec_users *ret)
{
	static const char *const words[] = {"nobody", "users", "all"};

	_Static_assert(ARRAY_SIZE(words) == EXEC_USERS__MAX, "each has a word");
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(word, words[i])) {
			*ret = (enum exec_users)i;
			return 0;
		}
	}
	return -EINVAL;
}

int check_user(const char *user, uid_t uid, uid_t daemon, enum exec_users who, struct err *e)
{
	if (!*user || *user == '-' || uid == (uid_t)-1)
		return err_reason(e, REASON_USER, -EPERM, "no user is named");
	if (who == EXEC_NOBODY)
		return err_reason(e, REASON_USER, -EPERM, "this node executes no commands for others");
	if (uid == 0 && who != EXEC_ALL)
		return err_reason(
		    e, REASON_USER, -EPERM,
		    "this node executes no commands of root (its launcher was started without --exec all)");
	/* Unless the daemon is root itself, as in tests, its user is nobody else's. */
	if (uid == daemon && uid != 0)
		return err_reason(e, REASON_USER, -EPERM, "user id %u is that of the node's daemon", uid);
	return 0;
}
