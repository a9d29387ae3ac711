/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Preparing for a guest: its pid namespace, its fence of namespaces, and the child that it will be built in.
 * Promise: the child has no capability, no file system, no network, no descriptor but the memfd, and waits. The agent
 * has only CAP_SYS_PTRACE, CAP_KILL and CAP_SYS_NICE left when this returns. Must not: read anything that came from a
 * peer.
 */
#include "agent.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "../image/capture.h"
#include "../base/clock.h"
#include "../base/file.h"
#include "../base/log.h"
#include "../base/sock.h"

#define CHILD_MEMFD 3
#define CHILD_SOCKET 4
#define GUEST_UID_BASE 0x70000000U /* no user of this machine; with the pid added, no two guests share one */
#define PREPARE_NS (5 * NSEC_PER_SEC)

#define USERFAULTFD_IOC_NEW_ _IO(0xAA, 0x00)
#define UFFD_FEATURE_WP_HUGETLBFS_SHMEM_ (1 << 12)
#define UFFD_FEATURE_WP_UNPOPULATED_ (1 << 13)
#define UFFD_FEATURE_WP_ASYNC_ (1 << 15)

/* A userfaultfd of the calling process's own memory that also sees faults from inside the kernel. */
static int make_uffd(void)
{
	_cleanup_close_ int dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	int fd;

	if (dev >= 0)
		fd = ioctl(dev, USERFAULTFD_IOC_NEW_, O_CLOEXEC | O_NONBLOCK);
	else
		fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	return fd >= 0 ? fd : -errno;
}

/* An empty, read-only root without /proc, /dev or anything else. */
static int empty_root(void)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
	    mount("none", "/proc", "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=4k,nr_inodes=2,mode=0555") < 0 ||
	    chdir("/proc") < 0 || mkdir("old", 0700) < 0 || syscall(SYS_pivot_root, ".", "old") < 0 || chdir("/") < 0 ||
	    umount2("/old", MNT_DETACH) < 0 || rmdir("/old") < 0 ||
	    mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL) < 0)
		return -errno;
	return 0;
}

static int limit(int what, rlim_t value)
{
	struct rlimit l = {value, value};

	return setrlimit(what, &l) < 0 ? -errno : 0;
}

/* Runs in the child. Sends its userfaultfd, then a byte, and waits to be taken apart. */
static int fence_child(int sock)
{
	uid_t uid = GUEST_UID_BASE + (uid_t)syscall(SYS_getpid);
	struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
	_cleanup_close_ int uffd = make_uffd();
	int r;

	if (uffd < 0)
		return uffd;
	r = (int)sock_send_fd(sock, "u", 1, uffd);
	if (r < 0)
		return r;
	(void)signal(SIGCHLD, SIG_IGN); /* home's parents wait for home's children; here nobody does */
	(void)setsid(); /* not of the agent's session, which is scheduled promptly */
	/* When memory runs out all the same, the kernel is to take guests before anything of the machine's own. */
	if (file_write("/proc/self/oom_score_adj", "1000", 4) < 0)
		log_debug("the guest's oom_score_adj cannot be set");
	if (unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS) < 0)
		return -errno;
	r = empty_root();
	if (r < 0)
		return r;
	(void)setrlimit(RLIMIT_STACK, &unlimited);
	(void)setrlimit(RLIMIT_DATA, &unlimited);
	(void)setrlimit(RLIMIT_AS, &unlimited);
	if ((r = limit(RLIMIT_CORE, 0)) < 0 || (r = limit(RLIMIT_NOFILE, 16)) < 0)
		return r;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || setgroups(0, NULL) < 0 || setresgid(uid, uid, uid) < 0 ||
	    setresuid(uid, uid, uid) < 0)
		return -errno;
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return -errno;
	return 0;
}

static void child_main(int memfd, int sock) __attribute__((noreturn));
static void child_main(int memfd, int sock)
{
	int r;

	/* Both are above the two places. */
	if (dup2(memfd, CHILD_MEMFD) < 0 || dup2(sock, CHILD_SOCKET) < 0 ||
	    syscall(SYS_close_range, CHILD_SOCKET + 1, ~0U, 0) < 0)
		_exit(1);
	(void)fcntl(CHILD_MEMFD, F_SETFD, 0);
	r = fence_child(CHILD_SOCKET);
	(void)!write(CHILD_SOCKET, &r, sizeof(r));
	if (r < 0)
		_exit(1);
	for (int fd = 0; fd < CHILD_MEMFD; fd++)
		(void)close(fd);
	(void)close(CHILD_SOCKET);
	for (;;)
		(void)pause();
}

/* Pid 1 of the namespace: when it ends, the kernel kills all that is left in there. */
static void init_main(int agent) __attribute__((noreturn));
static void init_main(int agent)
{
	int last_pid = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
	pid_t tid;

	(void)prctl(PR_SET_NAME, "godwit-init");
	(void)signal(SIGCHLD, SIG_IGN); /* orphans come to us */
	/* The socket ends with the last agent of the family: all of them have it, and no guest. */
	if (dup2(agent, 0) < 0 || (last_pid >= 0 && dup2(last_pid, 1) < 0))
		_exit(1);
	(void)syscall(SYS_close_range, last_pid < 0 ? 1 : 2, ~0U, 0);
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_CHECKPOINT_RESTORE, -1) < 0 ||
	    capng_apply(CAPNG_SELECT_CAPS) < 0)
		_exit(1);
	while (recv(0, &tid, sizeof(tid), 0) == sizeof(tid)) {
		char text[16];
		int n = snprintf(text, sizeof(text), "%d", tid - 1);
		int answer = pwrite(1, text, (size_t)n, 0) == n ? 0 : -errno;

		if (send(0, &answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	}
	_exit(0);
}

static pid_t clone_with_pid(pid_t wanted)
{
	struct clone_args args = {.exit_signal = SIGCHLD, .set_tid = (uintptr_t)&wanted, .set_tid_size = 1};

	return (pid_t)syscall(SYS_clone3, &args, sizeof(args));
}

static int make_child(struct agent *a, struct err *e)
{
	_cleanup_close_ int mine = -1;
	int pair[2], r = 0, uffd = -1;
	pid_t pid;
	uint64_t deadline = clock_mono_ns() + PREPARE_NS;
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return err_set(e, -errno, "a socket pair cannot be made: %s", strerror(errno));
	mine = pair[0];
	pid = clone_with_pid(a->home_pid);
	if (pid == 0)
		child_main(a->memfd, pair[1]);
	(void)close(pair[1]);
	if (pid > 0 && !thread_add(a, a->home_pid, pid))
		return err_set(e, -ENOMEM, "out of memory");
	if (pid < 0)
		return err_set(e, -errno, "pid %d cannot be had on this node: %s", a->home_pid, strerror(errno));
	if (sock_wait(mine, POLLIN, deadline) <= 0 || sock_recv_fd(mine, &byte, 1, &uffd) != 1 || uffd < 0)
		return err_set(e, -EIO, "the guest's page-fault descriptor did not come");
	a->uffd = uffd;
	if (sock_wait(mine, POLLIN, deadline) <= 0 || read(mine, &r, sizeof(r)) != sizeof(r))
		return err_set(e, -EIO, "the guest's fence was not built in time");
	if (r < 0)
		return err_set(e, r, "the guest cannot be fenced: %s", strerror(-r));
	return 0;
}

static int seize_child(struct agent *a, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + PREPARE_NS;
	struct tracee *t = main_tracee(a);
	int r = tracee_seize(t, e);

	if (r == 0)
		r = tracee_interrupt(t);
	if (r == 0)
		r = tracee_wait(t, deadline);
	if (r == 0 && t->stop == TRACEE_ENDED)
		r = -ESRCH;
	if (r == 0)
		r = tracee_exitkill(t, true);
	if (r == 0)
		r = tracee_mask_all(t);
	return r < 0 ? err_set(e, r, "the prepared guest cannot be stopped: %s", strerror(-r)) : 0;
}

static int uffd_api(struct agent *a, struct err *e)
{
	struct uffdio_api api = {.api = UFFD_API,
				 .features = UFFD_FEATURE_WP_HUGETLBFS_SHMEM_ | UFFD_FEATURE_WP_UNPOPULATED_ |
					     UFFD_FEATURE_WP_ASYNC_ | UFFD_FEATURE_EVENT_FORK};

	a->track = ioctl(a->uffd, UFFDIO_API, &api) == 0;
	a->family.forks &= a->track;
	if (a->track)
		return 0;
	/* Before 6.7: fetched pages then count as written, which only costs bytes. */
	api = (struct uffdio_api){.api = UFFD_API};
	if (ioctl(a->uffd, UFFDIO_API, &api) < 0)
		return err_set(e, -errno, "page faults cannot be served: %s", strerror(errno));
	return 0;
}

/* An empty file that stays so: all the room of its file system is given to the pages of the clocks beforehand. The
 * processes of a family have it in common, and when the agent of one of them ends, its guest may go on for a moment
 * without anybody that answers its faults: what it touches then must not become a page of zeros, for all of them, but a
 * SIGBUS of its own. */
static int make_full_file(void)
{
	_cleanup_close_ int fs = fsopen("tmpfs", FSOPEN_CLOEXEC), mount = -1, file = -1;
	char size[24];

	(void)snprintf(size, sizeof(size), "%u", (unsigned)(VDSO_STUB_SIZE + FAMILY_MAX * IMAGE_PAGE));
	if (fs < 0 || fsconfig(fs, FSCONFIG_SET_STRING, "size", size, 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -errno;
	mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV);
	file = mount < 0 ? -1 : openat(mount, "memory", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (file < 0 || fallocate(file, 0, 0, VDSO_STUB_SIZE) < 0 ||
	    fallocate(file, 0, FAMILY_CLOCKS, FAMILY_MAX * (off_t)IMAGE_PAGE) < 0)
		return -errno;
	return take_fd(&file);
}

static int make_memfd(struct agent *a, struct err *e)
{
	struct stat st;

	a->memfd = make_full_file();
	a->family.forks = a->memfd >= 0; /* 5.2; and the page-fault descriptor must tell of forks */
	if (a->memfd < 0)
		a->memfd = memfd_create("godwit", MFD_CLOEXEC);
	if (a->memfd < 0 || ftruncate(a->memfd, INT64_MAX & ~4095LL) < 0 || fstat(a->memfd, &st) < 0)
		return err_set(e, -errno, "an empty memory file cannot be made: %s", strerror(errno));
	a->memfd_dev = ((uint64_t)major(st.st_dev) << 32) | minor(st.st_dev);
	a->memfd_ino = st.st_ino;
	if (a->memfd <= CHILD_SOCKET) {
		int fd = fcntl(a->memfd, F_DUPFD_CLOEXEC, CHILD_SOCKET + 1);

		if (fd < 0)
			return err_set(e, -errno, "descriptors: %s", strerror(errno));
		(void)close(a->memfd);
		a->memfd = fd;
	}
	return 0;
}

/* The guest and init are in their namespaces; what we fork from now on is an agent, and belongs to ours. */
static int leave_namespaces(void)
{
	_cleanup_close_ int pid = open("/proc/self/ns/pid", O_RDONLY | O_CLOEXEC);
	_cleanup_close_ int time = open("/proc/self/ns/time", O_RDONLY | O_CLOEXEC);

	if (pid < 0 || setns(pid, CLONE_NEWPID) < 0 || (time >= 0 && setns(time, CLONE_NEWTIME) < 0))
		return -errno;
	return 0;
}

static int drop_privilege(struct err *e)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_updatev(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_SYS_PTRACE, CAP_KILL, CAP_SYS_NICE, -1) <
		0 ||
	    capng_apply(CAPNG_SELECT_CAPS) < 0)
		return err_set(e, -EPERM, "the agent cannot drop its privilege");
	return 0;
}

int agent_prepare(struct agent *a, struct err *e)
{
	char path[40];
	int alive[2]; /* the agent holds its end for life */
	int r = make_memfd(a, e);

	if (r < 0)
		return r;
	agent_clock_init(a);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, alive) < 0)
		return err_set(e, -errno, "a socket pair cannot be made: %s", strerror(errno));
	if (unshare(CLONE_NEWPID) < 0)
		return err_set(e, -errno, "a pid namespace cannot be made: %s", strerror(errno));
	r = agent_waits_prepare(a);
	if (r < 0)
		log_info("each wait of guest %d until a point in time costs three stops: %s", a->home_pid,
			 strerror(-r));
	a->init = fork();
	if (a->init == 0)
		init_main(alive[0]);
	(void)close(alive[0]);
	if (a->init < 0)
		return err_set(e, -errno, "fork: %s", strerror(errno));
	/* Without it (CONFIG_CHECKPOINT_RESTORE) threads begin at home. */
	a->last_pid = access("/proc/sys/kernel/ns_last_pid", W_OK) == 0 ? alive[1] : -1;
	r = make_child(a, e);
	if (r == 0)
		r = uffd_api(a, e);
	if (r == 0)
		r = seize_child(a, e);
	if (r < 0)
		return r;
	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", main_tracee(a)->pid);
	a->pagemap = open(path, O_RDONLY | O_CLOEXEC);
	if (a->pagemap < 0)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	r = leave_namespaces();
	if (r == 0)
		r = family_prepare(a);
	if (r < 0)
		return err_set(e, r, "the agent cannot be made ready for children of its guest: %s", strerror(-r));
	/* A call that writes where memory cannot be had fails, instead of waiting for some. */
	a->batch = malloc(CAPTURE_BATCH);
	if (!a->batch)
		return err_set(e, -ENOMEM, "out of memory");
	memset(a->batch, 1, CAPTURE_BATCH);
	r = drop_privilege(e);
	if (r == 0 && builder_init_fresh(&a->b, main_tracee(a), CHILD_MEMFD, a->uffd, a->track) < 0)
		r = err_set(e, -ENOTSUP, "the prepared guest cannot be driven");
	return r;
}
