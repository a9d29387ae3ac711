/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit-shepherd: started by the launcher for one process; ends when the process is home again or has ended.
 * Promise: it has the process's user, CAP_SYS_PTRACE, CAP_KILL and CAP_SYS_NICE and nothing else before it reads the
 * first byte of a peer. Must not: be started by hand.
 */
#include "shepherd.h"

#include <cap-ng.h>
#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/file.h"
#include "../base/log.h"
#include "../base/prompt.h"
#include "../wire/reasons.h"

#define ORDER_NS (30 * NSEC_PER_SEC)

/* The process's own user, and the right to trace it whatever its state (set-uid programs, dumpable off). */
static int become_user_of(pid_t pid)
{
	uid_t uids[4];
	gid_t gids[4];
	int r = proc_read_uids(pid, uids, gids);

	if (r < 0 || geteuid() != 0)
		return r;
	if (prctl(PR_SET_KEEPCAPS, 1) < 0 || setgroups(0, NULL) < 0 || setresgid(gids[0], gids[0], gids[0]) < 0 ||
	    setresuid(uids[0], uids[0], uids[0]) < 0)
		return -errno;
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_PTRACE, CAP_KILL, CAP_SYS_NICE, -1) <
		0 ||
	    capng_apply(CAPNG_SELECT_CAPS) < 0)
		return -EPERM;
	return 0;
}

static void on_signal(void *arg, int signo)
{
	struct shepherd *s = arg;

	if (signo == SIGCHLD)
		deputy_on_event(s);
	else if (s->host[0])
		shepherd_come_home(s, REASON_LEAVING);
	else
		_exit(0);
}

static void on_order_deadline(void *arg)
{
	struct shepherd *s = arg;

	if (!s->host[0])
		shepherd_end(s, HELPER_END_HOME, REASON_TIMEOUT, "no order came for process %d", s->pid);
}

int shepherd_begin(struct shepherd *s)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGTERM);
	return loop_add_signals(s->loop, &set, on_signal, s);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"run", required_argument, NULL, 'r'}, {"pid", required_argument, NULL, 'p'}, {0}};
	static struct shepherd s = {.helper = -1, .run_dir = "/run/godwit"};
	struct proc_stat st;
	int opt, r;

	log_open("godwit-shepherd", LOG_INFO_);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (opt == 'r') {
			s.run_dir = optarg;
		} else if (opt == 'p') {
			s.pid = (pid_t)strtol(optarg, NULL, 10);
		} else {
			(void)fprintf(stderr,
				      "usage: godwit-shepherd --run DIR --pid N (started by godwit-launcher)\n");
			return 2;
		}
	}
	r = s.pid > 1 ? proc_read_stat(s.pid, &st) : -ESRCH;
	if (r < 0) {
		log_error("process %d: %s", s.pid, strerror(-r));
		return 1;
	}
	s.start_time = st.start_time;
	maps_init(&s.maps);
	(void)signal(SIGPIPE, SIG_IGN);
	if (loop_new(&s.loop) < 0 || shepherd_begin(&s) < 0 ||
	    !loop_add_timer(s.loop, clock_mono_ns() + ORDER_NS, on_order_deadline, &s)) {
		log_error("the shepherd cannot start");
		return 1;
	}
	prompt_raise(0, NULL);
	/* helper.sock is root's and the daemon's: connect before the privilege goes. */
	shepherd_connect_helper(&s);
	r = become_user_of(s.pid);
	if (r < 0)
		shepherd_end(&s, HELPER_END_HOME, REASON_INTERNAL, "the shepherd cannot become the process's user: %s",
			     strerror(-r));
	(void)prctl(PR_SET_DUMPABLE, 0);
	return loop_run(s.loop) < 0;
}
