/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The first process of a node of the sandbox: makes the node's own /proc, /run and /dev/shm, keeps the launcher and
 * the daemon running, and takes in orphans.
 * Promise: a program that dies is back within 300 ms, one that dies at once again and again ever later, at most 5 s.
 * The first time the daemon is ready, "ready" is written to descriptor 3, or a sentence when that does not happen.
 * Must not: end while the node is to live; its end is the end of every process of the node.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "sandbox.h"

#define UP_FD 3 /* `godwit sandbox up` listens on the other end */
#define RESTART_MIN_NS (50 * NSEC_PER_MSEC)
#define RESTART_MAX_NS (5 * NSEC_PER_SEC)
#define STEADY_NS (10 * NSEC_PER_SEC) /* who has lived that long begins anew at the shortest delay */
#define EARLY_DEATHS 3 /* so many before the daemon was ever ready, and `up` is told */
#define TERM_NS (2 * NSEC_PER_SEC)

struct child {
	const char *name;
	char path[256];
	bool wanted;
	pid_t pid; /* 0: not running */
	uint64_t started, restart_at, delay; /* ns */
	unsigned deaths;
};

struct node_init {
	const struct cli *cx;
	struct child launcher, daemon;
	sigset_t old_mask;
	int ready_fd; /* of the running daemon; -1 */
	bool told; /* `up` has been told */
};

static void tell(struct node_init *in, const char *fmt, ...) _printf_(2, 3);
static void tell(struct node_init *in, const char *fmt, ...)
{
	va_list ap;

	if (in->told)
		return;
	va_start(ap, fmt);
	(void)vdprintf(UP_FD, fmt, ap);
	va_end(ap);
	(void)close(UP_FD);
	in->told = true;
}

static int mount_here(const char *type, const char *dir, const char *options, unsigned long flags, struct err *e)
{
	if (mount(type, dir, type, flags, options) < 0)
		return err_set(e, -errno, "cannot mount %s on %s: %s", type, dir, strerror(errno));
	return 0;
}

/* The node's own configuration file, so that the machine's is not read. */
static int write_config(struct err *e)
{
	static const char text[] =
	    "# The configuration of this node of the sandbox: godwitd --show-config tells what may stand\n"
	    "# here, and `godwit node reload` has it read again.\n";
	_cleanup_close_ int fd = open(SANDBOX_CONFIG, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0 && errno == EEXIST)
		return 0;
	if (fd < 0 || write(fd, text, sizeof(text) - 1) < 0)
		return err_set(e, -errno, "cannot write %s: %s", SANDBOX_CONFIG, strerror(errno));
	return 0;
}

/* The node's view of the file tree. dir_fd: the node's directory of the sandbox, which /run is about to hide. */
static int make_tree(int state_fd, struct err *e)
{
	char source[64];
	int r;

	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return err_set(e, -errno, "cannot make the mounts private: %s", strerror(errno));
	r = mount_here("proc", "/proc", NULL, MS_NOSUID | MS_NODEV | MS_NOEXEC, e);
	if (r == 0)
		r = mount_here("tmpfs", "/run", "mode=755", MS_NOSUID | MS_NODEV, e);
	if (r == 0 && access("/dev/shm", F_OK) == 0)
		r = mount_here("tmpfs", "/dev/shm", "mode=1777", MS_NOSUID | MS_NODEV, e);
	if (r < 0)
		return r;
	(void)umask(0);
	if (mkdir(SANDBOX_STATE_DIR, 0755) < 0 || mkdir("/run/godwit", 0755) < 0 || mkdir("/run/lock", 01777) < 0)
		return err_set(e, -errno, "cannot make directories in /run: %s", strerror(errno));
	(void)umask(022);
	(void)snprintf(source, sizeof(source), "/proc/self/fd/%d", state_fd);
	if (mount(source, SANDBOX_STATE_DIR, NULL, MS_BIND, NULL) < 0)
		return err_set(e, -errno, "cannot mount the state directory: %s", strerror(errno));
	return write_config(e);
}

static void start_child(struct node_init *in, struct child *c, char *const argv[], int pass_fd)
{
	pid_t pid = fork();

	if (pid == 0) {
		(void)sigprocmask(SIG_SETMASK, &in->old_mask, NULL);
		may_fail(file_write("/proc/self/oom_score_adj", "0", 1));
		if (pass_fd >= 0)
			(void)fcntl(pass_fd, F_SETFD, 0);
		(void)execv(c->path, argv);
		log_error("cannot execute %s: %s", c->path, strerror(errno));
		_exit(127);
	}
	c->started = clock_mono_ns();
	c->pid = pid > 0 ? pid : 0;
	if (pid < 0)
		c->restart_at = c->started + RESTART_MAX_NS;
}

static void start_launcher(struct node_init *in)
{
	/* Root on a node is root on the machine, so nothing is given away. */
	char arg_exec[] = "--exec", arg_all[] = "all";
	char *const argv[] = {(char *)in->launcher.name, arg_exec, arg_all, NULL};

	start_child(in, &in->launcher, argv, -1);
}

static void start_daemon(struct node_init *in)
{
	const char *cpus = cli_value(in->cx, "cpus"), *bytes = cli_value(in->cx, "bytes");
	char fd_text[16], *argv[24];
	int pipes[2], n = 0;

	if (pipe2(pipes, O_CLOEXEC) < 0) {
		in->daemon.restart_at = clock_mono_ns() + RESTART_MAX_NS;
		return;
	}
	(void)snprintf(fd_text, sizeof(fd_text), "%d", pipes[1]);
	argv[n++] = (char *)in->daemon.name;
	argv[n++] = (char *)"--state";
	argv[n++] = (char *)SANDBOX_STATE_DIR;
	argv[n++] = (char *)"--config";
	argv[n++] = (char *)SANDBOX_CONFIG;
	argv[n++] = (char *)"--name";
	argv[n++] = (char *)cli_value(in->cx, "node");
	argv[n++] = (char *)"--listen";
	argv[n++] = (char *)cli_value(in->cx, "address");
	argv[n++] = (char *)"--advertise";
	argv[n++] = (char *)cli_value(in->cx, "address");
	argv[n++] = (char *)"--ready-fd";
	argv[n++] = fd_text;
	if (cpus) {
		argv[n++] = (char *)"--cpus";
		argv[n++] = (char *)cpus;
	}
	if (bytes) {
		argv[n++] = (char *)"--memory";
		argv[n++] = (char *)bytes;
	}
	argv[n] = NULL;
	start_child(in, &in->daemon, argv, pipes[1]);
	(void)close(pipes[1]);
	if (in->ready_fd >= 0)
		(void)close(in->ready_fd);
	in->ready_fd = pipes[0];
}

/* A child has ended: say how, and when it comes back. */
static void child_ended(struct node_init *in, struct child *c, int status)
{
	uint64_t now = clock_mono_ns();
	char how[48];

	if (WIFSIGNALED(status))
		(void)snprintf(how, sizeof(how), "killed by signal %d", WTERMSIG(status));
	else
		(void)snprintf(how, sizeof(how), "exit status %d", WEXITSTATUS(status));
	c->pid = 0;
	c->deaths++;
	if (now - c->started >= STEADY_NS || !c->delay)
		c->delay = RESTART_MIN_NS;
	else
		c->delay = 2 * c->delay > RESTART_MAX_NS ? RESTART_MAX_NS : 2 * c->delay;
	c->restart_at = now + c->delay;
	log_warn("%s has ended (%s); it starts again in %llu ms", c->name, how,
		 (unsigned long long)(c->delay / NSEC_PER_MSEC));
	if (c == &in->daemon && c->deaths >= EARLY_DEATHS)
		tell(in, "%s does not start: %s", c->name, how);
}

static void reap(struct node_init *in)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid == in->launcher.pid)
			child_ended(in, &in->launcher, status);
		else if (pid == in->daemon.pid)
			child_ended(in, &in->daemon, status);
	}
}

static void restart_due(struct node_init *in)
{
	uint64_t now = clock_mono_ns();

	if (in->launcher.wanted && !in->launcher.pid && now >= in->launcher.restart_at)
		start_launcher(in);
	if (in->daemon.wanted && !in->daemon.pid && now >= in->daemon.restart_at)
		start_daemon(in);
}

static int next_timeout(const struct node_init *in)
{
	const struct child *const children[] = {&in->launcher, &in->daemon};
	int timeout = -1;

	for (size_t i = 0; i < ARRAY_SIZE(children); i++) {
		if (children[i]->wanted && !children[i]->pid) {
			int ms = clock_ms_until(children[i]->restart_at);

			if (timeout < 0 || ms < timeout)
				timeout = ms;
		}
	}
	return timeout;
}

/* In order: the daemon and the launcher get a moment to end by themselves; the rest ends with this process. */
static void shut_down(struct node_init *in)
{
	uint64_t deadline = clock_mono_ns() + TERM_NS;

	in->launcher.wanted = in->daemon.wanted = false;
	if (in->daemon.pid)
		(void)kill(in->daemon.pid, SIGTERM);
	if (in->launcher.pid)
		(void)kill(in->launcher.pid, SIGTERM);
	while ((in->daemon.pid || in->launcher.pid) && clock_mono_ns() < deadline) {
		(void)poll(NULL, 0, 5);
		reap(in);
	}
}

static void serve(struct node_init *in, int signals)
{
	for (;;) {
		struct pollfd fds[] = {{.fd = signals, .events = POLLIN}, {.fd = in->ready_fd, .events = POLLIN}};
		struct signalfd_siginfo info;

		restart_due(in);
		fds[1].fd = in->ready_fd;
		if (poll(fds, 2, next_timeout(in)) < 0 && errno != EINTR)
			return;
		if (fds[1].revents) {
			char byte;

			if (read(in->ready_fd, &byte, 1) == 1) {
				log_info("%s is ready", in->daemon.name);
				tell(in, "ready");
			}
			(void)close(in->ready_fd);
			in->ready_fd = -1;
		}
		while (read(signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
			if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
				return;
		}
		reap(in);
	}
}

static void find_program(struct node_init *in, struct child *c, const char *name)
{
	c->name = name;
	c->wanted = sandbox_program(cli_value(in->cx, "programs"), name, c->path, sizeof(c->path)) == 0;
	if (!c->wanted)
		log_warn("there is no %s in %s", name, cli_value(in->cx, "programs"));
}

static int prepare(struct cli *cx, struct err *e)
{
	static const char *const needed[] = {"node", "address", "dir", "programs"};
	_cleanup_close_ int state_fd = -1;
	const char *node = cli_value(cx, "node");
	char path[SANDBOX_PATH_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
		if (!cli_given(cx, needed[i]))
			return err_set(e, -EINVAL, "sandbox-init is started by godwit sandbox up only");
	}
	/* whoever calls this by hand must not lose his /run */
	if (getpid() != 1)
		return err_set(e, -EINVAL, "sandbox-init must be the first process of a pid namespace");
	(void)snprintf(path, sizeof(path), "%s/state", cli_value(cx, "dir"));
	state_fd = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (state_fd < 0)
		return err_set(e, -errno, "cannot open %s: %s", path, strerror(errno));
	if (sethostname(node, strlen(node)) < 0)
		return err_set(e, -errno, "cannot set the host name: %s", strerror(errno));
	return make_tree(state_fd, e);
}

int verb_sandbox_init(struct cli *cx)
{
	/* called by hand, it must not write to a descriptor that means something else */
	struct node_init in = {.cx = cx, .ready_fd = -1, .told = getpid() != 1};
	struct err e = {0};
	sigset_t set;
	int signals;

	(void)prctl(PR_SET_NAME, "sandbox-init"); /* it was executed as /proc/self/exe */
	log_open("sandbox-init", LOG_INFO_);
	if (prepare(cx, &e) < 0) {
		tell(&in, "%s", e.text);
		return cli_fail(&e);
	}
	(void)fcntl(UP_FD, F_SETFD, FD_CLOEXEC);
	/* a node that is out of memory must lose a program, not itself */
	may_fail(file_write("/proc/self/oom_score_adj", "-1000", 5));
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigprocmask(SIG_BLOCK, &set, &in.old_mask);
	signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (signals < 0) {
		tell(&in, "signalfd: %s", strerror(errno));
		return CLI_FAILED;
	}
	find_program(&in, &in.launcher, "godwit-launcher");
	find_program(&in, &in.daemon, "godwitd");
	serve(&in, signals);
	shut_down(&in);
	return CLI_OK;
}
