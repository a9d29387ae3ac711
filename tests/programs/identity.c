/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: who and where a process is does not change with the node it is on.
 * Proves: getppid getsid getresgid umask prctl readlink prlimit64 uname getcwd getpgrp getresuid getpriority
 * sched_getscheduler sched_getaffinity openat newfstatat getpid gettid clock_gettime
 */
#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "promise.h"

struct view {
	pid_t pid, tid, parent, group, session;
	uid_t uid[3];
	gid_t gid[3];
	mode_t mask;
	char cwd[4096], name[16], exe[4096], first_arg[100];
	struct utsname uts;
	struct rlimit limits[10];
	int nice, policy, cpus;
	ino_t root, here;
};

static void look(struct view *v)
{
	struct stat st;
	cpu_set_t set;
	int fd;

	memset(v, 0, sizeof(*v));
	v->pid = getpid();
	v->tid = (pid_t)syscall(SYS_gettid);
	v->parent = getppid();
	v->group = getpgrp();
	v->session = getsid(0);
	must(getresuid(&v->uid[0], &v->uid[1], &v->uid[2]) == 0 && getresgid(&v->gid[0], &v->gid[1], &v->gid[2]) == 0);
	v->mask = umask(022);
	(void)umask(v->mask);
	must(getcwd(v->cwd, sizeof(v->cwd)) && prctl(PR_GET_NAME, v->name) == 0 && uname(&v->uts) == 0);
	must(readlink("/proc/self/exe", v->exe, sizeof(v->exe) - 1) > 0);
	for (int i = 0; i < 10; i++)
		must(getrlimit(i, &v->limits[i]) == 0);
	v->nice = getpriority(PRIO_PROCESS, 0);
	v->policy = sched_getscheduler(0);
	must(sched_getaffinity(0, sizeof(set), &set) == 0);
	v->cpus = CPU_COUNT(&set);
	must(stat("/", &st) == 0);
	v->root = st.st_ino;
	must(stat(".", &st) == 0);
	v->here = st.st_ino;
	fd = open("/proc/self/cmdline", O_RDONLY);
	must(fd >= 0 && read(fd, v->first_arg, sizeof(v->first_arg) - 1) > 0 && close(fd) == 0);
}

static void round_(void)
{
	static struct view first, now;
	static bool known;

	if (!known)
		look(&first);
	known = true;
	for (int i = 0; i < 20; i++) {
		look(&now);
		burn_ms(1);
		must(memcmp(&first, &now, sizeof(now)) == 0);
	}
	say("%s, host %s, umask %03o, nice %d", now.name, now.uts.nodename, now.mask, now.nice);
}

int main(void)
{
	return promise_run(round_);
}
