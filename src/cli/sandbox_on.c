/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit sandbox on: a command as a process of a node.
 * Promise: exit code, signals and stops are those of the command; terminal, directory, environment and descriptors are
 * the caller's. This process itself stays outside the node, so that it can tell how the command ended.
 * Must not: make a new process group: what the keyboard sends reaches the command directly, as in any pipeline.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "cgroup.h"
#include "sandbox.h"

struct user {
	bool wanted;
	uid_t uid;
	gid_t gid;
	char name[64];
};

static int find_user(const char *name, struct user *u, struct err *e)
{
	const struct passwd *pw;

	if (!name)
		return 0;
	pw = getpwnam(name);
	if (!pw || strlen(pw->pw_name) >= sizeof(u->name))
		return err_set(e, -EINVAL, "there is no user \"%.60s\"", name);
	u->wanted = true;
	u->uid = pw->pw_uid;
	u->gid = pw->pw_gid;
	(void)snprintf(u->name, sizeof(u->name), "%s", pw->pw_name);
	return 0;
}

static int become_user(const struct user *u, struct err *e)
{
	if (!u->wanted)
		return 0;
	if (initgroups(u->name, u->gid) < 0 || setgid(u->gid) < 0 || setuid(u->uid) < 0)
		return err_set(e, -errno, "cannot become the user %s: %s", u->name, strerror(errno));
	return 0;
}

/* Lets `godwit` be found on the node also when it runs from its build directory; never hides another program. */
static void add_to_path(void)
{
	const char *path = getenv("PATH");
	char dir[SANDBOX_PATH_MAX], longer[8192];

	if (!path || file_self_dir(dir, sizeof(dir)) < 0)
		return;
	if (snprintf(longer, sizeof(longer), "%s:%s", path, dir) < (int)sizeof(longer))
		(void)setenv("PATH", longer, 1);
}

/* In the child, which is in the node's pid namespace by birth. */
__attribute__((noreturn)) static void become_command(const struct sandbox *s, const struct sandbox_node *node,
						     int pidfd, const struct user *u, char **argv)
{
	char cwd[PATH_MAX] = "/";
	struct cgroups cg;
	struct err e = {0};
	int r;

	cgroup_probe(&cg);
	r = cgroup_enter(&cg, s->name, node->name, &e);
	if (r == 0 && !getcwd(cwd, sizeof(cwd)))
		(void)snprintf(cwd, sizeof(cwd), "/");
	if (r == 0 && setns(pidfd, CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET) < 0)
		r = err_set(&e, -errno, "cannot enter %s: %s", node->name, strerror(errno));
	if (r == 0 && chdir(cwd) < 0) {
		(void)fprintf(stderr, "godwit: %s has no directory %s; the command runs in /\n", node->name, cwd);
		r = chdir("/") < 0 ? err_set(&e, -errno, "cannot change to /") : 0;
	}
	if (r == 0)
		r = become_user(u, &e);
	if (r < 0) {
		(void)cli_fail(&e);
		_exit(CLI_SELF);
	}
	add_to_path();
	_exit(cli_exec(argv));
}

/* A signal that somebody sent to this process is meant for the command. One from the keyboard has reached the whole
 * process group, the command with it. */
static void forward(pid_t child, const struct signalfd_siginfo *info)
{
	if (info->ssi_code <= 0)
		(void)kill(child, (int)info->ssi_signo);
}

/* An interactive shell makes itself the terminal's foreground group and cannot give that back to a group that it
 * cannot see from its pid namespace; so it is taken back here, if it was ours. */
static void take_terminal(int tty)
{
	sigset_t set, old;

	if (tty < 0)
		return;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTTOU);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	(void)tcsetpgrp(tty, getpgrp());
	(void)sigprocmask(SIG_SETMASK, &old, NULL);
}

/* The terminal, if this process group is in its foreground; else -1. */
static int own_terminal(void)
{
	int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (tty >= 0 && tcgetpgrp(tty) == getpgrp())
		return tty;
	if (tty >= 0)
		(void)close(tty);
	return -1;
}

/* Waits for the command, however long it takes. Returns the exit code. */
static int attend(pid_t child, const sigset_t *set, int tty)
{
	_cleanup_close_ int fd = signalfd(-1, set, SFD_CLOEXEC);
	struct signalfd_siginfo info;
	int status;
	pid_t got;

	for (;;) {
		while ((got = waitpid(child, &status, WNOHANG | WUNTRACED)) == child) {
			if (!WIFSTOPPED(status)) {
				take_terminal(tty);
				return cli_end_as(status);
			}
			/* it has stopped: stop too, so that the shell notices; when told to go on, so does the command
			 */
			(void)raise(SIGSTOP);
			(void)kill(child, SIGCONT);
		}
		if (got < 0 && errno != EINTR)
			return CLI_SELF;
		if (read(fd, &info, sizeof(info)) != (ssize_t)sizeof(info)) {
			if (errno != EINTR)
				return CLI_SELF;
		} else if (info.ssi_signo != SIGCHLD) {
			forward(child, &info);
		}
	}
}

/* fork() whose child is born in the node's pid namespace; this process has its later children here again. */
static pid_t fork_on(const struct sandbox_node *node, int *ret_pidfd, struct err *e)
{
	_cleanup_close_ int here = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	pid_t child;

	*ret_pidfd = (int)syscall(SYS_pidfd_open, node->init, 0);
	if (here < 0 || *ret_pidfd < 0 || setns(*ret_pidfd, CLONE_NEWPID) < 0)
		return err_set(e, -errno, "cannot enter %s: %s", node->name, strerror(errno));
	(void)fflush(NULL);
	child = fork();
	if (child < 0)
		(void)err_set(e, -errno, "cannot start a process on %s: %s", node->name, strerror(errno));
	if (child != 0 && setns(here, CLONE_NEWPID) < 0)
		abort(); /* it is the namespace we are in */
	return child;
}

int verb_sandbox_on(struct cli *cx)
{
	static const int caught[] = {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM, SIGWINCH};
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	const struct sandbox_node *node = NULL;
	_cleanup_close_ int pidfd = -1;
	_cleanup_close_ int tty = -1;
	struct user user = {0};
	struct cgroups cg;
	struct err e = {0};
	sigset_t set, old;
	pid_t child;

	if (sandbox_open(&s, cx, &e) == 0 && (node = sandbox_find(&s, cx->argv[0], &e)) && !node->init)
		(void)err_set(&e, -ENOENT, "%s is dead; start it with: sudo godwit sandbox start %s", node->name,
			      node->name);
	cgroup_probe(&cg);
	if (!e.code && cgroup_is_frozen(&cg, s.name, node->name))
		(void)err_set(&e, -EAGAIN, "%s is stalled; let it go on with: sudo godwit sandbox stall %s off",
			      node->name, node->name);
	if (e.code || find_user(cli_value(cx, "user"), &user, &e) < 0) {
		(void)cli_fail(&e);
		return CLI_SELF;
	}
	tty = own_terminal();
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		(void)sigaddset(&set, caught[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &old);
	child = fork_on(node, &pidfd, &e);
	if (child == 0) {
		(void)sigprocmask(SIG_SETMASK, &old, NULL);
		become_command(&s, node, pidfd, &user, cx->argv + 1);
	}
	if (child < 0) {
		(void)cli_fail(&e);
		return CLI_SELF;
	}
	return attend(child, &set, tty);
}
