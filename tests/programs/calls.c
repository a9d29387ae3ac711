/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: every call that the table forwards is made at least once, with a boundary before it, and its result and
 * what it wrote into memory are printed. The driver checks that no row of the table is missing here. Must not: print
 * what two runs at home would not have in common (then only "ok").
 * Proves: all-that-are-forwarded
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <mqueue.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <utime.h>

#include "promise.h"

#define NR_cachestat 451
#define NR_fchmodat2 452
#define NR_listxattrat 465
#define NR_removexattrat 466
#define NR_file_getattr 468
#define NR_file_setattr 469

#define A(x) ((long)(x))

static void tell(const char *name, long r, bool value)
{
	if (r < 0)
		say("%s: errno %d", name, errno);
	else if (value)
		say("%s: %ld", name, r);
	else
		say("%s: ok", name);
}

/* CALL shows the value, QUIET only whether it was one. */
#define CALL_(value, nr, name, ...)              \
	({                                       \
		long r_;                         \
		boundary();                      \
		errno = 0;                       \
		r_ = syscall(nr, ##__VA_ARGS__); \
		tell(#name, r_, value);          \
		r_;                              \
	})
#define CALL(name, ...) CALL_(true, SYS_##name, name, ##__VA_ARGS__)
#define QUIET(name, ...) CALL_(false, SYS_##name, name, ##__VA_ARGS__)
#define NEWER(name, ...) CALL_(true, NR_##name, name, ##__VA_ARGS__)

static char buf[8192];
static volatile sig_atomic_t handled;

static void on_signal(int sig)
{
	(void)sig;
	handled++;
}

static void show_stat(const char *what, const struct stat *st)
{
	say("  %s: mode %o size %ld links %ld", what, st->st_mode, (long)st->st_size, (long)st->st_nlink);
}

static void file_bytes(void)
{
	struct iovec iov[2] = {{buf, 5}, {buf + 100, 6}};
	struct stat st;
	off_t at = 2, to = 40;
	int fd = (int)CALL(open, "one", O_RDWR | O_CREAT | O_TRUNC, 0640), fd2;

	CALL(write, fd, "hello, world of calls", 21L);
	CALL(lseek, fd, 7L, SEEK_SET);
	CALL(read, fd, buf, 5L);
	say("  %.5s", buf);
	CALL(pread64, fd, buf, 10L, 3L);
	say("  %.10s", buf);
	CALL(pwrite64, fd, "HELLO", 5L, 0L);
	CALL(lseek, fd, 0L, SEEK_SET);
	CALL(readv, fd, iov, 2);
	say("  %.5s|%.6s", buf, buf + 100);
	CALL(writev, fd, iov, 2);
	CALL(preadv, fd, iov, 2, 1L, 0L);
	CALL(pwritev, fd, iov, 2, 30L, 0L);
	CALL(preadv2, fd, iov, 2, 2L, 0L, 0);
	say("  %.5s|%.6s", buf, buf + 100);
	CALL(pwritev2, fd, iov, 2, 50L, 0L, 0);
	CALL(fstat, fd, &st);
	show_stat("one", &st);
	CALL(fsync, fd);
	CALL(fdatasync, fd);
	CALL(sync_file_range, fd, 0L, 10L, 0);
	CALL(fallocate, fd, 0, 0L, 9000L);
	CALL(ftruncate, fd, 100L);
	CALL(readahead, fd, 0L, 100L);
	CALL(fadvise64, fd, 0L, 0L, POSIX_FADV_SEQUENTIAL);
	fd2 = (int)CALL(creat, "two", 0600);
	CALL(sendfile, fd2, fd, &at, 20L);
	say("  offset %ld", (long)at);
	CALL(copy_file_range, fd, &at, fd2, &to, 10L, 0);
	say("  offsets %ld %ld", (long)at, (long)to);
	CALL(flock, fd2, 2);
	CALL(syncfs, fd);
	CALL(close, fd2);
	CALL(truncate, "two", 5L);
	CALL(stat, "two", &st);
	show_stat("two", &st);
	CALL(close, fd);
	CALL(sync);
}

static void newer_files(void)
{
	struct open_how how = {.flags = O_RDONLY};
	uint64_t range[2] = {0, 4096}, cstat[5], attr[3] = {0};
	struct statx sx;
	char *words[] = {"a", "b", NULL};
	int fd = (int)CALL(openat2, AT_FDCWD, "one", &how, sizeof(how)), m;

	NEWER(cachestat, fd, range, cstat, 0);
	CALL(statx, AT_FDCWD, "one", 0, STATX_BASIC_STATS, &sx);
	say("  size %llu mode %o", (unsigned long long)sx.stx_size, sx.stx_mode);
	NEWER(fchmodat2, AT_FDCWD, "one", 0600, 0);
	NEWER(file_getattr, AT_FDCWD, "one", attr, sizeof(attr), 0);
	NEWER(file_setattr, AT_FDCWD, "one", attr, sizeof(attr), 0);
	CALL(close, fd);
	m = (int)CALL(memfd_create, "calls", 1);
	CALL(write, m, "in memory", 9L);
	CALL(pread64, m, buf, 20L, 3L);
	say("  %.6s", buf);
	CALL(close_range, m, m, 0);
	CALL(faccessat2, AT_FDCWD, "one", R_OK, AT_EACCESS);
	CALL(execve, "none", words, words);
	CALL(execveat, AT_FDCWD, "one", words, words, 0); /* which is not executable */
}

static void names(void)
{
	struct stat st;
	int dir, fd;

	QUIET(getcwd, buf, sizeof(buf));
	CALL(mkdir, "d", 0755);
	dir = (int)CALL(openat, AT_FDCWD, "d", O_RDONLY | O_DIRECTORY);
	CALL(mkdirat, dir, "sub", 0700);
	CALL(mknod, "fifo", S_IFIFO | 0600, 0L);
	CALL(mknodat, dir, "fifo", S_IFIFO | 0600, 0L);
	CALL(link, "one", "hard");
	CALL(linkat, AT_FDCWD, "one", dir, "hard", 0);
	CALL(symlink, "one", "soft");
	CALL(symlinkat, "one", dir, "soft");
	CALL(readlink, "soft", buf, 100L);
	CALL(readlinkat, dir, "soft", buf + 3, 100L);
	say("  %.6s", buf);
	CALL(lstat, "soft", &st);
	show_stat("soft", &st);
	CALL(newfstatat, dir, "hard", &st, AT_SYMLINK_NOFOLLOW);
	show_stat("hard", &st);
	CALL(access, "one", R_OK);
	CALL(faccessat, dir, "none", F_OK);
	CALL(rename, "hard", "harder");
	CALL(renameat, dir, "hard", dir, "harder");
	CALL(renameat2, AT_FDCWD, "harder", dir, "harder", 1);
	fd = (int)CALL(open, "d", O_RDONLY | O_DIRECTORY);
	CALL(getdents64, fd, buf, sizeof(buf));
	CALL(lseek, fd, 0L, SEEK_SET);
	CALL(getdents, fd, buf, sizeof(buf));
	CALL(fchdir, fd);
	CALL(access, "sub", X_OK);
	CALL(chdir, "..");
	CALL(close, fd);
	CALL(unlinkat, dir, "sub", AT_REMOVEDIR);
	for (const char *const *n = (const char *const[]){"fifo", "harder", "soft", NULL}; *n; n++)
		CALL(unlinkat, dir, *n, 0);
	CALL(close, dir);
	CALL(rmdir, "d");
	for (const char *const *n = (const char *const[]){"fifo", "harder", "soft", NULL}; *n; n++)
		CALL(unlink, *n);
}

static void attributes(void)
{
	struct timeval tv[2] = {{1000, 0}, {2000, 500000}};
	struct timespec ts[2] = {{3000, 5}, {4000, 6}};
	struct utimbuf ut = {5000, 6000};
	struct statfs fs;
	struct stat st;
	int fd = (int)CALL(open, "one", O_RDWR);

	CALL(chmod, "one", 0644);
	CALL(fchmod, fd, 0604);
	CALL(fchmodat, AT_FDCWD, "one", 0640);
	CALL(chown, "one", 1, 2);
	CALL(fchown, fd, 3, 4);
	CALL(lchown, "one", 5, 6);
	CALL(fchownat, AT_FDCWD, "one", 0, 0, 0);
	CALL(umask, 027);
	CALL(umask, 022);
	CALL(utime, "one", &ut);
	CALL(utimes, "one", tv);
	CALL(futimesat, AT_FDCWD, "one", tv);
	CALL(utimensat, AT_FDCWD, "one", ts, 0);
	CALL(stat, "one", &st);
	say("  mtime %ld.%09ld", (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
	CALL(statfs, ".", &fs);
	CALL(fstatfs, fd, &fs);
	say("  type %lx", (long)fs.f_type);
	CALL(ustat, st.st_dev, buf);
	CALL(setxattr, "one", "user.a", "1234", 4L, 0);
	CALL(lsetxattr, "one", "user.b", "56", 2L, 0);
	CALL(fsetxattr, fd, "user.c", "7", 1L, 0);
	memset(buf, 0, 64);
	CALL(getxattr, "one", "user.a", buf, 10L);
	CALL(lgetxattr, "one", "user.b", buf + 4, 10L);
	CALL(fgetxattr, fd, "user.c", buf + 6, 10L);
	say("  %s", buf);
	CALL(listxattr, "one", buf, 100L);
	CALL(llistxattr, "one", buf, 100L);
	CALL(flistxattr, fd, buf, 100L);
	NEWER(listxattrat, AT_FDCWD, "one", 0, buf, 100L);
	CALL(removexattr, "one", "user.a");
	CALL(lremovexattr, "one", "user.b");
	CALL(fremovexattr, fd, "user.c");
	NEWER(removexattrat, AT_FDCWD, "one", 0, "user.c");
	CALL(close, fd);
	CALL(unlink, "one");
	CALL(unlink, "two");
}

static void descriptors(void)
{
	int p[2], q[2], n = 0, fd;

	CALL(pipe, p);
	CALL(pipe2, q, O_CLOEXEC);
	say("  %d %d %d %d", p[0], p[1], q[0], q[1]);
	CALL(write, p[1], "through pipes", 13L);
	CALL(ioctl, p[0], FIONREAD, &n);
	say("  %d", n);
	CALL(tee, p[0], q[1], 7L, 0);
	CALL(splice, p[0], A(0), q[1], A(0), 5L, 0);
	CALL(read, q[0], buf, 50L);
	say("  %.12s", buf);
	fd = (int)CALL(dup, p[0]);
	CALL(dup2, fd, 60);
	CALL(dup3, fd, 61, O_CLOEXEC);
	CALL(fcntl, 61, F_GETFD);
	CALL(fcntl, p[1], F_SETFL, O_NONBLOCK);
	CALL(fcntl, p[1], F_GETFL);
	CALL(close_range, 60, 61, 0);
	for (int i = 0; i < 2; i++) {
		CALL(close, p[i]);
		CALL(close, q[i]);
	}
	CALL(close, fd);
	CALL(close, fd);
}

static void streams(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)}, peer;
	int l = (int)CALL(socket, AF_INET, SOCK_STREAM, 0), c, s, one = 1, got = 0;
	socklen_t n = sizeof(sa);

	CALL(setsockopt, l, SOL_SOCKET, SO_REUSEADDR, &one, 4);
	n = sizeof(got);
	CALL(getsockopt, l, SOL_SOCKET, SO_REUSEADDR, &got, &n);
	say("  %d %u", got, n);
	CALL(bind, l, &sa, sizeof(sa));
	CALL(listen, l, 5);
	n = sizeof(sa);
	CALL(getsockname, l, &sa, &n);
	for (int i = 0; i < 2; i++) {
		c = (int)CALL(socket, AF_INET, SOCK_STREAM, 0);
		CALL(connect, c, &sa, sizeof(sa));
		n = sizeof(peer);
		s = (int)(i ? CALL(accept4, l, &peer, &n, SOCK_CLOEXEC) : CALL(accept, l, &peer, &n));
		say("  from %x, %u", ntohl(peer.sin_addr.s_addr), n);
		n = sizeof(peer);
		CALL(getpeername, c, &peer, &n);
		say("  the listener %d", peer.sin_port == sa.sin_port);
		CALL(sendto, c, "stream", 6L, 0, A(0), 0);
		CALL(recvfrom, s, buf, 100L, 0, A(0), A(0));
		CALL(shutdown, c, SHUT_RDWR);
		CALL(read, s, buf, 10L);
		CALL(close, c);
		CALL(close, s);
	}
	CALL(close, l);
}

static void messages(void)
{
	struct iovec iov[2] = {{buf, 4}, {buf + 10, 4}};
	struct msghdr m = {.msg_iov = iov, .msg_iovlen = 2};
	struct mmsghdr two[2] = {{.msg_hdr = m}, {.msg_hdr = m}};
	int sv[2];

	CALL(socketpair, AF_UNIX, SOCK_DGRAM, 0, sv);
	memcpy(buf, "abcd......efgh", 14);
	CALL(sendmsg, sv[0], &m, 0);
	memset(buf, '.', 20);
	CALL(recvmsg, sv[1], &m, 0);
	say("  %.14s flags %x", buf, m.msg_flags);
	CALL(sendmmsg, sv[0], two, 2, 0);
	say("  %u %u", two[0].msg_len, two[1].msg_len);
	CALL(read, sv[1], buf, 100L);
	CALL(recvfrom, sv[1], buf, 3L, MSG_TRUNC, A(0), A(0));
	CALL(recvfrom, sv[1], buf, 3L, MSG_DONTWAIT, A(0), A(0));
	CALL(close, sv[0]);
	CALL(close, sv[1]);
}

static void waiting(void)
{
	struct timespec ts = {.tv_nsec = 1000000}, zero = {0};
	struct timeval tv = {0};
	struct epoll_event ev = {.events = EPOLLIN, .data.u64 = 42}, out[2];
	time_t seconds = 0;
	uint64_t mask = 0, v = 5;
	const void *pack[2] = {&mask, (void *)8};
	int e = (int)CALL(eventfd, 3), e2 = (int)CALL(eventfd2, 0, O_NONBLOCK), ep, ep1;
	struct pollfd p[2] = {{.fd = e, .events = POLLIN}, {.fd = e2, .events = POLLIN}};
	fd_set set;

	QUIET(time, &seconds);
	say("  %s", seconds > 1000000000 ? "after 2001" : "long ago");
	CALL(poll, p, 2L, 0);
	say("  %x %x", p[0].revents, p[1].revents);
	CALL(ppoll, p, 2L, &zero, &mask, 8L);
	FD_ZERO(&set);
	FD_SET(e, &set);
	FD_SET(e2, &set);
	CALL(select, e2 + 1, &set, A(0), A(0), &tv);
	say("  %d %d", FD_ISSET(e, &set) != 0, FD_ISSET(e2, &set) != 0);
	CALL(pselect6, e2 + 1, &set, A(0), A(0), &zero, pack);
	ep = (int)CALL(epoll_create, 1);
	ep1 = (int)CALL(epoll_create1, O_CLOEXEC);
	CALL(epoll_ctl, ep, EPOLL_CTL_ADD, e, &ev);
	CALL(epoll_wait, ep, out, 2, 100);
	say("  %x %llu", out[0].events, (unsigned long long)out[0].data.u64);
	CALL(epoll_pwait, ep, out, 2, 100, &mask, 8L);
	CALL(epoll_pwait2, ep1, out, 2, &ts, &mask, 8L);
	CALL(epoll_ctl, ep, EPOLL_CTL_DEL, e, A(0));
	CALL(write, e2, &v, 8L);
	CALL(read, e2, &v, 8L);
	CALL(read, e2, &v, 8L);
	for (int i = 0; i < 4; i++)
		CALL(close, (int[]){e, e2, ep, ep1}[i]);
}

static void notification(void)
{
	int in = (int)CALL(inotify_init), in1 = (int)CALL(inotify_init1, O_NONBLOCK), wd, fd;
	struct inotify_event *e = (struct inotify_event *)buf;

	wd = (int)CALL(inotify_add_watch, in1, ".", IN_CREATE);
	fd = (int)CALL(creat, "seen", 0600);
	CALL(close, fd);
	CALL(read, in1, buf, 300L);
	say("  %x %s", e->mask, e->name);
	CALL(inotify_rm_watch, in1, wd);
	CALL(unlink, "seen");
	CALL(close, in);
	CALL(close, in1);
}

static void signals(void)
{
	struct itimerval it = {.it_value = {.tv_usec = 15000}, .it_interval = {.tv_usec = 15000}}, off = {0};
	struct {
		void (*handler)(int);
		unsigned long flags;
		void (*restorer)(void);
		uint64_t mask;
	} sa = {0};
	uint64_t usr1 = 1ULL << (SIGUSR1 - 1), old = 0, none = 0;
	struct timespec ts = {.tv_nsec = 1000000};
	stack_t ss = {.ss_flags = SS_DISABLE};
	siginfo_t si;
	int fd;

	CALL(rt_sigaction, SIGUSR2, A(0), &sa, 8L);
	say("  default %d", sa.handler == SIG_DFL);
	CALL(rt_sigprocmask, SIG_BLOCK, &usr1, &old, 8L);
	say("  %llx", (unsigned long long)old);
	must(raise(SIGUSR1) == 0);
	CALL(rt_sigpending, &old, 8L);
	say("  %llx", (unsigned long long)old);
	CALL(rt_sigtimedwait, &usr1, &si, &ts, 8L);
	say("  from me %d", si.si_pid == getpid());
	CALL(rt_sigtimedwait, &usr1, &si, &ts, 8L);
	fd = (int)CALL(signalfd, -1, &usr1, 8L);
	CALL(close, fd);
	fd = (int)CALL(signalfd4, -1, &usr1, 8L, O_NONBLOCK);
	CALL(read, fd, buf, 128L);
	CALL(close, fd);
	CALL(rt_sigprocmask, SIG_SETMASK, &none, A(0), 8L);
	CALL(sigaltstack, A(0), &ss);
	say("  disabled %d", ss.ss_flags == SS_DISABLE);
	must(signal(SIGUSR1, on_signal) != SIG_ERR);
	CALL(kill, getpid(), SIGUSR1);
	say("  handled %d", handled); /* before the call returned */
	CALL(tkill, gettid(), SIGUSR1);
	say("  handled %d", handled);
	CALL(tgkill, getpid(), gettid(), SIGUSR1);
	say("  handled %d", handled);
	si = (siginfo_t){.si_signo = SIGUSR1, .si_code = SI_QUEUE};
	CALL(rt_sigqueueinfo, getpid(), SIGUSR1, &si);
	say("  handled %d", handled);
	CALL(rt_tgsigqueueinfo, getpid(), gettid(), SIGUSR1, &si);
	say("  handled %d", handled);
	fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
	CALL(pidfd_send_signal, fd, SIGUSR1, A(0), 0);
	say("  handled %d", handled);
	must(close(fd) == 0);
	handled = 0;
	must(signal(SIGALRM, on_signal) != SIG_ERR);
	CALL(alarm, 100);
	QUIET(alarm, 0);
	CALL(setitimer, ITIMER_REAL, &it, A(0));
	CALL(pause);
	CALL(rt_sigsuspend, &none, 8L);
	CALL(getitimer, ITIMER_REAL, &it);
	say("  every %ld", (long)it.it_interval.tv_usec);
	CALL(setitimer, ITIMER_REAL, &off, A(0));
	must(handled >= 2);
}

static void times_(void)
{
	struct itimerspec it = {.it_value = {.tv_sec = 1000}}, left;
	struct timespec ts = {.tv_nsec = 2000000};
	struct sigevent ev = {.sigev_notify = SIGEV_NONE};
	struct rusage ru;
	struct sysinfo sys;
	struct tms tms;
	unsigned cpu;
	int timer = -1, fd;

	CALL(nanosleep, &ts, A(0));
	CALL(clock_nanosleep, CLOCK_MONOTONIC, 0, &ts, A(0));
	CALL(clock_getres, CLOCK_MONOTONIC, &ts);
	say("  %ld ns", ts.tv_nsec);
	fd = (int)CALL(timerfd_create, CLOCK_MONOTONIC, 0);
	CALL(timerfd_settime, fd, 0, &it, &left);
	CALL(timerfd_gettime, fd, &left);
	say("  running %d", left.it_value.tv_sec > 900);
	CALL(close, fd);
	CALL(timer_create, CLOCK_MONOTONIC, &ev, &timer);
	CALL(timer_settime, timer, 0, &it, &left);
	CALL(timer_gettime, timer, &left);
	say("  running %d", left.it_value.tv_sec > 900);
	CALL(timer_getoverrun, timer);
	CALL(timer_delete, timer);
	CALL(getrusage, RUSAGE_SELF, &ru);
	CALL(sysinfo, &sys);
	say("  memory %d", sys.totalram > 0);
	QUIET(times, &tms);
	CALL(getcpu, &cpu, A(0), A(0));
}

static void ids(void)
{
	unsigned a[3] = {9, 9, 9}, cap[2] = {_LINUX_CAPABILITY_VERSION_3, 0}, data[6];
	int groups[64], n;

	CALL(getuid);
	CALL(getgid);
	CALL(geteuid);
	CALL(getegid);
	CALL(setuid, (int)getuid());
	CALL(setgid, (int)getgid());
	CALL(setreuid, -1, -1);
	CALL(setregid, -1, -1);
	CALL(setresuid, -1, -1, -1);
	CALL(setresgid, -1, -1, -1);
	CALL(getresuid, &a[0], &a[1], &a[2]);
	say("  %u %u %u", a[0], a[1], a[2]);
	CALL(getresgid, &a[0], &a[1], &a[2]);
	say("  %u %u %u", a[0], a[1], a[2]);
	CALL(setfsuid, (int)getuid());
	CALL(setfsgid, (int)getgid());
	n = (int)CALL(getgroups, 64, groups);
	CALL(setgroups, n, groups);
	CALL(capget, cap, data);
	QUIET(getppid);
	QUIET(setpgid, 0, 0);
	QUIET(getpgid, 0);
	QUIET(getpgrp);
	QUIET(getsid, 0);
	CALL(setsid);
}

static void process(void)
{
	static struct {
		void *next;
		long offset;
		void *pending;
	} robust = {&robust, 0, NULL};
	static int tid;
	uint64_t set[128], attr[8] = {0};
	struct rlimit64_ {
		uint64_t now, max;
	} lim;
	struct utsname uts;
	struct timespec ts;
	char name[16] = "";
	void *head = NULL;
	size_t len = 0;
	long n;

	CALL(uname, &uts);
	say("  %s %s", uts.sysname, uts.nodename);
	CALL(getrlimit, RLIMIT_NOFILE, &lim);
	CALL(prlimit64, 0, RLIMIT_STACK, A(0), &lim);
	say("  %llu", (unsigned long long)lim.now);
	CALL(personality, 0xffffffffL);
	n = CALL(getpriority, PRIO_PROCESS, 0);
	CALL(setpriority, PRIO_PROCESS, 0, 20 - n); /* as it is: the next round sees the same, however nice we are */
	CALL(ioprio_set, 1, 0, 2 << 13 | 4);
	CALL(ioprio_get, 1, 0);
	CALL(sched_getparam, 0, set);
	CALL(sched_getscheduler, 0);
	CALL(sched_get_priority_max, SCHED_FIFO);
	CALL(sched_get_priority_min, SCHED_FIFO);
	QUIET(sched_rr_get_interval, 0, &ts);
	CALL(sched_getattr, 0, attr, 48, 0);
	say("  policy %u", ((unsigned *)attr)[1]);
	n = QUIET(sched_getaffinity, 0, sizeof(set), set);
	must(n > 0);
	QUIET(sched_setaffinity, 0, n, set);
	CALL(prctl, PR_SET_NAME, "calls");
	CALL(prctl, PR_GET_NAME, name);
	say("  %s", name);
	QUIET(set_tid_address, &tid);
	CALL(set_robust_list, &robust, sizeof(robust));
	CALL(get_robust_list, 0, &head, &len);
	say("  mine %d %zu", head == &robust, len);
}

static void children(void)
{
	siginfo_t si;
	int status = 0, fd;
	struct rusage ru;
	pid_t pid;

	for (int i = 0; i < 2; i++) {
		pid = promise_fork();
		must(pid >= 0);
		if (pid == 0)
			_exit(21 + i);
		fd = (int)CALL(pidfd_open, pid, 0);
		if (i) {
			QUIET(wait4, pid, &status, 0, &ru);
			say("  %#x", status);
		} else {
			QUIET(waitid, P_PID, pid, &si, WEXITED, A(0));
			say("  %d %d", si.si_code, si.si_status);
		}
		CALL(close, fd);
	}
	CALL(wait4, -1, &status, 0, A(0));
}

static void ipc(void)
{
	struct {
		long type;
		char text[16];
	} m = {3, "a message"};
	struct sembuf up = {0, 1, 0}, down = {0, -1, IPC_NOWAIT};
	struct timespec ts = {.tv_nsec = 1000000}, past = {.tv_sec = 1};
	int sem = (int)QUIET(semget, IPC_PRIVATE, 1, 0600), q = (int)QUIET(msgget, IPC_PRIVATE, 0600), mq;
	struct mq_attr attr = {.mq_maxmsg = 4, .mq_msgsize = 64}, got;
	unsigned priority = 0;
	char name[40];

	CALL(semop, sem, &up, 1L);
	CALL(semtimedop, sem, &down, 1L, &ts);
	CALL(semop, sem, &down, 1L);
	must(semctl(sem, 0, IPC_RMID) == 0);
	CALL(msgsnd, q, &m, 10L, 0);
	memset(&m, 0, sizeof(m));
	CALL(msgrcv, q, &m, 16L, 3L, 0);
	say("  %ld %s", m.type, m.text);
	must(msgctl(q, IPC_RMID, NULL) == 0);
	(void)snprintf(name, sizeof(name), "godwit-calls-%d", getpid());
	mq = (int)CALL(mq_open, name, O_CREAT | O_EXCL | O_RDWR, 0600, &attr);
	CALL(mq_timedsend, mq, "queued", 6L, 7, A(0));
	CALL(mq_timedreceive, mq, buf, 64L, &priority, A(0));
	say("  %.6s %u", buf, priority);
	CALL(mq_timedreceive, mq, buf, 64L, &priority, &past);
	CALL(mq_getsetattr, mq, A(0), &got);
	say("  %ld %ld", got.mq_maxmsg, got.mq_msgsize);
	CALL(close, mq);
	CALL(mq_unlink, name);
}

static void round_(void)
{
	(void)close_range(3, FD_AT - 1, 0);
	(void)umask(022);
	handled = 0;
	file_bytes();
	newer_files();
	names();
	attributes();
	descriptors();
	streams();
	messages();
	waiting();
	notification();
	signals();
	times_();
	ids();
	process();
	children();
	ipc();
}

int main(void)
{
	return promise_run(round_);
}
