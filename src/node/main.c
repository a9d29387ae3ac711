/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwitd: one node of a cluster.
 * Promise: it may be killed and started anew at any time; nothing moves or ends by that. Must not: keep a privilege
 * once its sockets and directories are there, nor see a guest's data.
 */
#include <cap-ng.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/fault.h"
#include "base/file.h"
#include "base/log.h"
#include "base/sock.h"
#include "interface.h"
#include "node.h"

#define SAMPLE_NS NSEC_PER_SEC

/* ---- membership ------------------------------------------------------------------------------------------------- */

int node_enter(struct node *n, struct err *e)
{
	int r = 0;

	if (!n->keys)
		r = keys_load(&n->keys, n->cfg.state_dir, e);
	if (r < 0)
		return r;
	n->incarnation = clock_real_ns();
	r = policy_open(n, e);
	if (r == 0)
		r = peers_listen(n, e);
	if (r == 0)
		r = state_save(n, e);
	return r;
}

void node_exit(struct node *n)
{
	char path[300];

	moves_free(n);
	offers_free(n);
	asks_free(n);
	exec_free(n);
	clients_forget(n);
	tokens_free(n);
	peers_close(n);
	keys_free(take_ptr(n->keys));
	n->leaving = n->expelling = false;
	(void)!policy_open(n, NULL);
	(void)snprintf(path, sizeof(path), "%s/peers.json", n->cfg.state_dir);
	(void)unlink(path);
}

/* ---- once a second ------------------------------------------------------------------------------------------------
 */

static void second(void *arg)
{
	struct node *n = arg;
	uint64_t now = clock_mono_ns(), dt = now - n->sampler.last_ns;
	uint32_t cpus = n->sampler.cpus_milli;
	uint64_t memory = n->sampler.mem_total;

	n->second = loop_add_timer(n->loop, now + SAMPLE_NS, second, n);
	if (sampler_step(&n->sampler, now) < 0)
		log_debug("/proc cannot be read");
	if (n->sampler.cpus_milli != cpus || n->sampler.mem_total != memory)
		policy_reconfigure(n);
	families_step(n);
	owner_second(n);
	policy_second(n, dt);
	room_second(n);
	peers_step(n);
	leave_check(n);
}

static void on_signal(void *arg, int signo)
{
	struct node *n = arg;
	struct err e = {0};

	if (signo == SIGHUP)
		(void)!owner_reload(n, &e); /* what is wrong is in the log */
	else
		loop_stop(n->loop, 0);
}

/* ---- privileges ---------------------------------------------------------------------------------------------------
 */

/* The user to run as. Without root there is no choice. */
static int find_user(struct node *n, struct passwd **ret, struct err *e)
{
	struct passwd *pw = NULL;

	if (n->cfg.user_given)
		pw = getpwnam(n->cfg.user);
	else if (!(pw = getpwnam("godwit")))
		pw = getpwnam("nobody");
	if (!pw)
		return err_set(e, -ENOENT, "there is no user %s", n->cfg.user_given ? n->cfg.user : "nobody");
	*ret = pw;
	n->uid = pw->pw_uid;
	return 0;
}

/* Directories of ours; the state directory belongs to the daemon's user from the moment it is made. */
static int prepare_dirs(const struct node *n, const struct passwd *pw, struct err *e)
{
	struct stat st;
	int r = file_mkdir_p(n->cfg.run_dir, 0755);

	if (r < 0)
		return err_set(e, r, "the directory %s cannot be made: %s", n->cfg.run_dir, strerror(-r));
	r = file_mkdir_p(n->cfg.state_dir, 0700);
	if (r < 0)
		return err_set(e, r, "the directory %s cannot be made: %s", n->cfg.state_dir, strerror(-r));
	if (pw && (lstat(n->cfg.state_dir, &st) < 0 || !S_ISDIR(st.st_mode)))
		return err_set(e, -ENOTDIR, "%s is no directory", n->cfg.state_dir);
	/* Only a directory that root has made is given away; in one that was given, files are the user's to make. */
	if (pw && st.st_uid == 0 && pw->pw_uid != 0 && lchown(n->cfg.state_dir, pw->pw_uid, pw->pw_gid) < 0)
		return err_set(e, -errno, "%s cannot be given to user %s", n->cfg.state_dir, pw->pw_name);
	return 0;
}

/* From here on: another user, no groups, no capability in any set, and none to come by execve. */
static int drop_privileges(const struct passwd *pw, struct err *e)
{
	int cap;

	/* The bounding set first: afterwards the right to change it is gone. The end of the set is -EINVAL. */
	for (cap = 0; pw && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
		;
	if (pw && pw->pw_uid != 0 &&
	    (setgroups(0, NULL) < 0 || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
	     setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0))
		return err_set(e, -errno, "cannot become user %s: %s", pw->pw_name, strerror(errno));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, -errno, "no_new_privs: %s", strerror(errno));
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_apply(CAPNG_SELECT_CAPS) < 0)
		return err_set(e, -EPERM, "the capabilities cannot be dropped");
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* it holds the node's key */
	return 0;
}

/* ---- start --------------------------------------------------------------------------------------------------------
 */

static int open_sockets(struct node *n, struct err *e)
{
	char path[300];
	int r;

	(void)snprintf(path, sizeof(path), "%s/control.sock", n->cfg.run_dir);
	r = control_open(n->loop, path, node_methods, n, n->uid, interface_text, &n->control, e);
	if (r < 0)
		return r;
	/* Everybody may connect: a helper that has dropped to its user comes back through here. helpers.c says who is
	 * believed. */
	(void)snprintf(path, sizeof(path), "%s/helper.sock", n->cfg.run_dir);
	n->helper_fd = sock_listen_unix(path, SOCK_SEQPACKET | SOCK_NONBLOCK, 0666, e);
	return n->helper_fd < 0 ? n->helper_fd : exec_open_socket(n, e);
}

static int signals(struct node *n, struct err *e)
{
	sigset_t set;

	(void)signal(SIGPIPE, SIG_IGN);
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	return loop_add_signals(n->loop, &set, on_signal, n) < 0 ? err_set(e, -ENOMEM, "the loop cannot be set up") : 0;
}

static void tell_ready(const struct node *n)
{
	if (n->cfg.ready_fd >= 0) {
		(void)!write(n->cfg.ready_fd, "r", 1);
		(void)close(n->cfg.ready_fd);
	}
	if (n->keys)
		log_info("ready: node %s of the cluster %.16s, %s port %u", n->name, keys_fingerprint(n->keys),
			 n->address, n->port);
	else
		log_info("ready: node %s, in no cluster", n->name);
}

static int start(struct node *n, struct err *e)
{
	struct rlimit files;
	struct passwd *pw = NULL;
	int r;

	n->uid = geteuid();
	if (n->uid == 0 && find_user(n, &pw, e) < 0)
		return e->code;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	r = loop_new(&n->loop);
	if (r < 0)
		return err_set(e, r, "out of memory");
	if (prepare_dirs(n, pw, e) < 0 || record_open(n, e) < 0 || open_sockets(n, e) < 0 || drop_privileges(pw, e) < 0)
		return e->code;
	if (state_load(n, e) < 0 || signals(n, e) < 0)
		return e->code;
	clients_load(n);
	if (!n->speed) {
		n->speed = speed_measure();
		if (state_save(n, e) < 0)
			return e->code;
	}
	n->incarnation = clock_real_ns();
	n->started_ns = clock_mono_ns();
	sampler_init(&n->sampler);
	sampler_limits(&n->sampler, n->cfg.cpus_milli ? n->cfg.cpus_milli : n->settings.node_cpus,
		       n->cfg.memory ? n->cfg.memory : n->settings.node_memory, n->settings.guests_keep_cpus,
		       n->settings.guests_keep_memory);
	r = sampler_step(&n->sampler, n->started_ns);
	if (r < 0)
		return err_set(e, r, "/proc cannot be read");
	if (policy_open(n, e) < 0)
		return e->code;
	families_load(n);
	if (helpers_open(n, e) < 0)
		return e->code;
	launcher_connect(n);
	if (n->keys && peers_listen(n, e) < 0)
		return e->code;
	if (n->keys)
		state_load_peers(n);
	n->second = loop_add_timer(n->loop, n->started_ns + SAMPLE_NS, second, n);
	return n->second ? 0 : err_set(e, -ENOMEM, "out of memory");
}

static void stop(struct node *n)
{
	loop_remove(n->second);
	n->families_saved_ns = 0;
	families_save(n);
	control_free(n->control);
	join_free(n);
	moves_free(n);
	offers_free(n);
	asks_free(n);
	exec_free(n);
	peers_close(n);
	launcher_close(n);
	room_close(n);
	helpers_close(n);
	families_free(n);
	clients_free(n);
	tokens_free(n);
	policy_free(n->policy);
	record_close(n);
	keys_free(n->keys);
	sampler_release(&n->sampler);
	buf_release(&n->frame);
	loop_free(n->loop);
	if (n->helper_fd >= 0)
		(void)close(n->helper_fd);
	if (n->exec.fd >= 0)
		(void)close(n->exec.fd);
}

/* --check-config, --show-config */
static int look(struct node *n, unsigned files, struct err *e)
{
	int r;

	n->uid = geteuid();
	r = state_load(n, e);
	keys_free(take_ptr(n->keys));
	if (r < 0)
		return r;
	if (n->cfg.show_only)
		settings_show(&n->settings, stdout);
	else
		(void)printf("%s: right%s\n", n->cfg.file, files ? "" : ", as it is not there");
	return 0;
}

int main(int argc, char **argv)
{
	static struct node n; /* too big for comfort on a stack */
	struct err e = {0};
	unsigned files = 0;
	int r;

	log_open("godwitd", LOG_INFO_);
	n.launcher_fd = n.helper_fd = n.listen_fd = n.room.usage_fd = n.exec.fd = -1;
	buf_init(&n.frame, 0);
	switch (config_parse(&n.cfg, argc, argv, &e)) {
	case CONFIG_DONE:
		return 0;
	case CONFIG_WRONG:
		log_error("%s", e.text);
		return 2;
	case CONFIG_RUN:
		break;
	}
	if (getenv("GODWIT_FAULT") && fault_arm(getenv("GODWIT_FAULT")) < 0) {
		log_error("GODWIT_FAULT is not understood");
		return 2;
	}
	if (config_read(&n.cfg, &n.settings, &files, &e) < 0)
		return 1; /* each mistake was logged */
	config_merge(&n.cfg, &n.settings);
	if (n.cfg.check_only || n.cfg.show_only) {
		r = look(&n, files, &e);
		if (r < 0)
			log_error("%s", e.text);
		return r < 0 ? 1 : 0;
	}
	r = start(&n, &e);
	if (r == 0) {
		tell_ready(&n);
		r = loop_run(n.loop);
	} else {
		log_error("%s", e.text);
	}
	stop(&n);
	return r < 0 ? 1 : 0;
}
