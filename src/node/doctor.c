/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is wrong with this node, and what mends it: a table of probes of this machine, then a ping of every node.
 * Promise: a probe changes nothing; the answer comes within three seconds. Must not: gate on version numbers where the
 * feature itself can be asked for.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>
#include "base/file.h"
#include "json.h"
#include "methods.h"
#include "node.h"

#define DOCTOR_NS (2500 * NSEC_PER_MSEC)
#define DOCTOR_EVERY_NS (50 * NSEC_PER_MSEC)
#define SKEW_WARN_NS ((int64_t)NSEC_PER_SEC)

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

struct finding {
	enum { OK, WARN, FAIL } state;
	char text[ERR_TEXT_MAX];
	const char *mend;
};

static void say(struct finding *f, int state, const char *mend, const char *fmt, ...) _printf_(4, 5);

static void say(struct finding *f, int state, const char *mend, const char *fmt, ...)
{
	va_list ap;

	f->state = state;
	f->mend = mend;
	va_start(ap, fmt);
	(void)vsnprintf(f->text, sizeof(f->text), fmt, ap);
	va_end(ap);
}

/* ---- probes of this machine ------------------------------------------------------------------------------------- */

static void probe_daemon(struct node *n, struct finding *f)
{
	if (n->uid == 0)
		say(f, WARN, "useradd --system --no-create-home godwit, then restart godwitd",
		    "godwitd %s runs as root, without capabilities", GODWIT_VERSION);
	else
		say(f, OK, "", "godwitd %s runs as user id %u", GODWIT_VERSION, n->uid);
}

static void probe_launcher(struct node *n, struct finding *f)
{
	if (launcher_there(n))
		say(f, OK, "", "the launcher answers");
	else
		say(f, FAIL, "start godwit-launcher (systemctl start godwit-launcher)",
		    "the launcher does not answer: no process can move");
}

static void probe_keys(struct node *n, struct finding *f)
{
	if (n->keys)
		say(f, OK, "", "this node is %s of the cluster %s", n->name, keys_fingerprint(n->keys));
	else
		say(f, WARN, "godwit init, or godwit join TOKEN", "this node belongs to no cluster");
}

static void probe_clock(struct node *n, struct finding *f)
{
	struct timex tx = {.modes = 0};

	if (adjtimex(&tx) < 0)
		say(f, WARN, "", "the state of the clock is not known");
	else if (tx.status & STA_UNSYNC)
		say(f, WARN, "timedatectl set-ntp true",
		    "the clock is not synchronised; tokens and times in logs depend on it");
	else
		say(f, OK, "", "the clock is synchronised");
}

static void probe_clocksource(struct node *n, struct finding *f)
{
	char text[200];

	if (file_read_small("/sys/devices/system/clocksource/clocksource0/available_clocksource", text, sizeof(text)) <=
		0 ||
	    !strstr(text, "tsc"))
		say(f, WARN, "", "the kernel does not trust the processor's counter: guests read the clocks slowly");
	else
		say(f, OK, "", "guests read the clocks without a call");
}

static void probe_limits(struct node *n, struct finding *f)
{
	struct rlimit rl = {0, 0};

	(void)getrlimit(RLIMIT_NOFILE, &rl);
	if (rl.rlim_cur < 1024)
		say(f, WARN, "raise LimitNOFILE of godwitd", "godwitd may open %llu files only",
		    (unsigned long long)rl.rlim_cur);
	else
		say(f, OK, "", "%.2f processors, %llu MiB of memory, %llu open files", n->sampler.cpus_milli / 1000.0,
		    (unsigned long long)n->sampler.mem_total >> 20, (unsigned long long)rl.rlim_cur);
}

static void probe_ptrace(struct node *n, struct finding *f)
{
	char text[16];

	if (file_read_small("/proc/sys/kernel/yama/ptrace_scope", text, sizeof(text)) > 0 && text[0] == '3')
		say(f, FAIL, "set kernel.yama.ptrace_scope to 2 or less and reboot",
		    "this kernel forbids tracing: no process can move");
	else
		say(f, OK, "", "processes can be traced");
}

static void probe_namespaces(struct node *n, struct finding *f)
{
	char text[32];

	if (access("/proc/self/ns/user", F_OK) < 0 || access("/proc/self/ns/pid", F_OK) < 0)
		say(f, FAIL, "use a kernel with CONFIG_USER_NS and CONFIG_PID_NS",
		    "the kernel has no user or pid namespaces: no guest can run here");
	else if (file_read_small("/proc/sys/user/max_user_namespaces", text, sizeof(text)) > 0 && atoi(text) < 64)
		say(f, WARN, "sysctl user.max_user_namespaces=1024", "only %d user namespaces are allowed", atoi(text));
	else
		say(f, OK, "", "namespaces for guests are there");
}

static void probe_time_namespace(struct node *n, struct finding *f)
{
	if (access("/proc/self/timens_offsets", F_OK) == 0)
		say(f, OK, "", "guests wait until a point in time here");
	else
		say(f, WARN, "use a kernel with CONFIG_TIME_NS",
		    "the kernel has no time namespaces: each wait of a guest until a point in time costs three stops");
}

static void probe_notify(struct node *n, struct finding *f)
{
	struct seccomp_notif_sizes sizes;
	long r;

	if (syscall(SYS_seccomp, SECCOMP_GET_NOTIF_SIZES, 0, &sizes) < 0) {
		say(f, FAIL, "use a kernel of at least 6.1",
		    "the kernel has no seccomp user notification: no guest can run here");
		return;
	}
	/* A known flag with a bad filter is EFAULT, an unknown flag EINVAL; neither installs anything. */
	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER | (1UL << 5), NULL);
	if (r < 0 && errno == EFAULT)
		say(f, OK, "", "calls of guests can be notified, killably");
	else
		say(f, FAIL, "use a kernel of at least 6.1",
		    "notifications of the kernel are not killable: signals would be lost");
}

static void probe_userfaultfd(struct node *n, struct finding *f)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);

	if (fd < 0)
		say(f, FAIL, "use a kernel with CONFIG_USERFAULTFD",
		    "no userfaultfd (%s): pages cannot be fetched when touched", strerror(errno));
	else
		say(f, OK, "", "pages can be fetched when touched");
	if (fd >= 0)
		(void)close(fd);
}

static void probe_pidfd(struct node *n, struct finding *f)
{
	int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);

	if (fd < 0)
		say(f, FAIL, "use a kernel of at least 6.1", "the kernel has no pidfd");
	else
		say(f, OK, "", "pidfd is there");
	if (fd >= 0)
		(void)close(fd);
}

static void probe_schedstat(struct node *n, struct finding *f)
{
	if (access("/proc/self/schedstat", R_OK) == 0)
		say(f, OK, "", "run-queue times are there");
	else
		say(f, WARN, "use a kernel with CONFIG_SCHED_INFO",
		    "no /proc/PID/schedstat: the load is only estimated");
}

/* Whether the launcher can make a group is only seen when it has made one; until then, what the machine offers. */
static void probe_memory(struct node *n, struct finding *f)
{
	char text[512];
	bool v1 = access("/sys/fs/cgroup/memory/cgroup.procs", F_OK) == 0;
	bool v2 = file_read_small("/sys/fs/cgroup/cgroup.controllers", text, sizeof(text)) > 0 &&
		  strstr(text, "memory");

	if (n->room.dir[0])
		say(f, OK, "", "guests use %llu MiB; the control group %s (version %d) holds them below %llu MiB",
		    (unsigned long long)n->room.used >> 20, n->room.dir, n->room.v2 ? 2 : 1,
		    (unsigned long long)n->room.bound >> 20);
	else if (helpers_guests(n) > 0)
		say(f, WARN, "see in the log of godwit-launcher why there is no control group",
		    "guests that use up the memory are sent home, but no control group holds one that is faster");
	else if (v1 || v2)
		say(f, OK, "", "a control group (version %d) can hold guests to the memory that is free", v1 ? 1 : 2);
	else
		say(f, WARN, "boot a kernel with CONFIG_MEMCG, without cgroup_disable=memory",
		    "no control group for memory: guests that use it up are sent home, but nothing holds one that is "
		    "faster");
}

static void probe_paging(struct node *n, struct finding *f)
{
	if (n->sampler.no_pressure)
		say(f, WARN, "boot a kernel with CONFIG_PSI, with psi=1, or use control groups of version 2",
		    "nothing tells how long processes wait for memory: shortage is seen by free memory and page "
		    "faults");
	else
		say(f, OK, "", "processes waited for memory for %u.%u %% of the last second",
		    n->sampler.stalled_milli / 10, n->sampler.stalled_milli % 10);
}

static const struct probe {
	const char *name;
	void (*fn)(struct node *n, struct finding *f);
} probes[] = {
    {"daemon", probe_daemon},
    {"launcher", probe_launcher},
    {"keys", probe_keys},
    {"clock", probe_clock},
    {"limits", probe_limits},
    {"kernel.clocksource", probe_clocksource},
    {"kernel.ptrace", probe_ptrace},
    {"kernel.namespaces", probe_namespaces},
    {"kernel.time-namespace", probe_time_namespace},
    {"kernel.seccomp-notify", probe_notify},
    {"kernel.userfaultfd", probe_userfaultfd},
    {"kernel.pidfd", probe_pidfd},
    {"kernel.schedstat", probe_schedstat},
    {"guests.memory", probe_memory},
    {"kernel.pressure", probe_paging},
};

/* ---- the answer ------------------------------------------------------------------------------------------------- */

struct doctor {
	struct request *req;
	struct node *node;
	struct loop_watch *timer;
	uint64_t began_ns;
};

static json_t *finding_json(const char *name, const struct finding *f)
{
	static const char *const words[] = {"ok", "warn", "fail"};

	return json_pack("{s:o, s:s, s:o, s:s}", "name", json_text(name), "state", words[f->state], "text",
			 json_text(f->text), "mend", f->mend);
}

static void peer_finding(const struct doctor *d, const struct peer *p, json_t *list)
{
	char name[NODE_NAME_MAX + 8];
	struct finding f;

	(void)snprintf(name, sizeof(name), "node.%s", p->name);
	if (p->trouble == PEER_VERSION)
		say(&f, FAIL, "install the same version of Godwit on both nodes", "%s", p->sentence);
	else if (p->trouble == PEER_KEY)
		say(&f, FAIL, "godwit leave there, then godwit join with a token of this cluster", "%s", p->sentence);
	else if (p->pong_ns < d->began_ns)
		say(&f, FAIL, "check that its godwitd runs, and that the network and firewall pass its port", "%s",
		    p->sentence[0] ? p->sentence : "it does not answer");
	else if (p->skew_ns > SKEW_WARN_NS || p->skew_ns < -SKEW_WARN_NS)
		say(&f, WARN, "timedatectl set-ntp true on both nodes", "its clock differs from ours by %lld ms",
		    (long long)(p->skew_ns / (int64_t)NSEC_PER_MSEC));
	else
		say(&f, OK, "", "version %s answers in %.3f ms", p->version, (double)p->rtt_ns / NSEC_PER_MSEC);
	(void)json_array_append_new(list, finding_json(name, &f));
}

static void doctor_free(struct doctor *d)
{
	loop_remove(d->timer);
	free(d);
}

static void doctor_answer(struct doctor *d)
{
	struct request *req = d->req;
	json_t *list = json_array();
	const struct peer *p;
	struct finding f;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(probes); i++) {
		f = (struct finding){.mend = ""};
		probes[i].fn(d->node, &f);
		(void)json_array_append_new(list, finding_json(probes[i].name, &f));
	}
	for (p = d->node->peers; p; p = p->next)
		peer_finding(d, p, list);
	req->gone = NULL;
	doctor_free(d);
	req_reply(req, json_pack("{s:o}", "checks", list));
}

static void doctor_look(void *arg)
{
	struct doctor *d = arg;
	uint64_t now = clock_mono_ns();
	const struct peer *p;

	d->timer = NULL;
	for (p = d->node->peers; p; p = p->next)
		if (p->pong_ns < d->began_ns && p->trouble != PEER_VERSION && p->trouble != PEER_KEY)
			break;
	if (p && now < d->began_ns + DOCTOR_NS)
		d->timer = loop_add_timer(d->node->loop, now + DOCTOR_EVERY_NS, doctor_look, d);
	if (!d->timer)
		doctor_answer(d);
}

static void doctor_gone(struct request *req, void *arg)
{
	doctor_free(arg);
	req_reply(req, NULL);
}

void doctor_start(struct request *req)
{
	struct doctor *d = calloc(1, sizeof(*d));
	struct peer *p;

	if (!d) {
		req_refuse(req, REASON_INTERNAL, "out of memory");
		return;
	}
	*d = (struct doctor){.req = req, .node = req->data, .began_ns = clock_mono_ns()};
	req->gone = doctor_gone;
	req->gone_arg = d;
	for (p = d->node->peers; p; p = p->next)
		peer_ping(p);
	doctor_look(d);
}
