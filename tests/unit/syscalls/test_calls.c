/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Forwarded calls against the real kernel: what arrives in the guest is what the direct call gives. */
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/openat2.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>

#define U(x) ((uint64_t)(x))

static char dir[64];

static int make_dir(void **state)
{
	const char *tmp = getenv("TMPDIR");

	(void)snprintf(dir, sizeof(dir), "%.40s/godwit-XXXXXX", tmp ? tmp : "/tmp");
	return mkdtemp(dir) ? guest_setup(state) : -1;
}

static int remove_dir(void **state)
{
	static const char *const names[] = {"a", "b", "s", "t"};
	char path[100];

	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s", dir, names[i]);
		(void)unlink(path);
	}
	(void)rmdir(dir);
	return guest_teardown(state);
}

static uint64_t path_in_dir(struct guest *g, const char *name)
{
	char path[100];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return guest_str(g, path);
}

static void pipe_read_write(void **state)
{
	struct guest *g = *state;
	uint64_t fds = guest_alloc(g, 8), in = guest_str(g, "hello"), out = guest_alloc(g, 64);
	int *fd = guest_at(g, fds);

	assert_int_equal(FORWARD(g, SYS_pipe2, fds, O_CLOEXEC), 0);
	assert_int_equal(fcntl(fd[0], F_GETFD), FD_CLOEXEC);
	assert_int_equal(FORWARD(g, SYS_write, U(fd[1]), in, 5), 5);
	memset(guest_at(g, out), 'x', 64);
	assert_int_equal(FORWARD(g, SYS_read, U(fd[0]), out, 64), 5);
	assert_memory_equal(guest_at(g, out), "helloxx", 7);
	assert_int_equal(FORWARD(g, SYS_write, U(fd[1]), in, 0), 0);
	assert_int_equal(FORWARD(g, SYS_write, U(fd[1]), 0, 5), -EFAULT);
	assert_int_equal(FORWARD(g, SYS_close, U(fd[1])), 0);
	assert_int_equal(FORWARD(g, SYS_read, U(fd[0]), out, 64), 0);
	assert_int_equal(FORWARD(g, SYS_close, U(fd[0])), 0);
	assert_int_equal(FORWARD(g, SYS_close, U(fd[0])), -EBADF);
}

/* A buffer that reaches beyond what is mapped is fine as long as the data do not. */
static void read_into_partly_mapped(void **state)
{
	struct guest *g = *state;
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	assert_int_equal(write(fd[1], "abc", 3), 3);
	assert_int_equal(FORWARD(g, SYS_read, U(fd[0]), GUEST_BASE + GUEST_SIZE - 3, 65536), 3);
	assert_memory_equal(guest_at(g, GUEST_BASE + GUEST_SIZE - 3), "abc", 3);
	close(fd[0]);
	close(fd[1]);
}

static void vectors(void **state)
{
	struct guest *g = *state;
	uint64_t one = guest_alloc(g, 16), two = guest_alloc(g, 16), three = guest_alloc(g, 16);
	struct iovec out[4] = {
	    {(void *)guest_str(g, "abc"), 3}, {NULL, 0}, {(void *)guest_str(g, "defgh"), 5}, {(void *)one, 0}};
	struct iovec in[3] = {{(void *)one, 2}, {(void *)two, 4}, {(void *)three, 16}};
	uint64_t iov_out = guest_put(g, out, sizeof(out)), iov_in = guest_put(g, in, sizeof(in));
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	assert_int_equal(FORWARD(g, SYS_writev, U(fd[1]), iov_out, 4), 8);
	memset(guest_at(g, three), 'x', 16);
	assert_int_equal(FORWARD(g, SYS_readv, U(fd[0]), iov_in, 3), 8);
	assert_memory_equal(guest_at(g, one), "ab\0", 3);
	assert_memory_equal(guest_at(g, two), "cdef\0", 5);
	assert_memory_equal(guest_at(g, three), "ghxx", 4);
	assert_memory_equal(guest_at(g, iov_in), in, sizeof(in)); /* the array itself is untouched */
	assert_int_equal(CLASS_OF(g, SYS_readv, U(fd[0]), iov_in, 1025), SYSC_HOME);
	close(fd[0]);
	close(fd[1]);
}

static void files(void **state)
{
	struct guest *g = *state;
	uint64_t a = path_in_dir(g, "a"), b = path_in_dir(g, "b"), st = guest_alloc(g, 144), buf = guest_alloc(g, 4096);
	struct open_how how = {.flags = O_RDONLY};
	struct stat direct;
	long fd = FORWARD(g, SYS_openat, U(AT_FDCWD), a, O_RDWR | O_CREAT | O_CLOEXEC, 0640);

	assert_true(fd >= 0);
	assert_int_equal(FORWARD(g, SYS_pwrite64, U(fd), guest_str(g, "0123456789"), 10, 5), 10);
	assert_int_equal(FORWARD(g, SYS_pread64, U(fd), buf, 4, 7), 4);
	assert_memory_equal(guest_at(g, buf), "2345\0", 5);
	assert_int_equal(fstat((int)fd, &direct), 0);
	assert_int_equal(FORWARD(g, SYS_fstat, U(fd), st), 0);
	assert_memory_equal(guest_at(g, st), &direct, sizeof(direct));
	memset(guest_at(g, st), 0, sizeof(direct));
	assert_int_equal(FORWARD(g, SYS_newfstatat, U(AT_FDCWD), a, st, 0), 0);
	assert_memory_equal(guest_at(g, st), &direct, sizeof(direct));
	assert_int_equal(FORWARD(g, SYS_stat, b, st), -ENOENT);
	assert_int_equal(FORWARD(g, SYS_stat, 0, st), -EFAULT);
	assert_int_equal(FORWARD(g, SYS_symlink, guest_str(g, "a"), b), 0);
	assert_int_equal(FORWARD(g, SYS_readlink, b, buf, 4096), 1);
	assert_memory_equal(guest_at(g, buf), "a3", 2);
	assert_int_equal(FORWARD(g, SYS_readlinkat, U(AT_FDCWD), b, buf, 4096), 1);
	assert_int_equal(FORWARD(g, SYS_rename, b, path_in_dir(g, "s")), 0);
	assert_int_equal(FORWARD(g, SYS_ftruncate, U(fd), 3), 0);
	assert_int_equal(FORWARD(g, SYS_lseek, U(fd), 0, SEEK_END), 3);
	assert_int_equal(FORWARD(g, SYS_faccessat2, U(AT_FDCWD), a, R_OK, AT_EACCESS), 0);
	assert_int_equal(FORWARD(g, SYS_close, U(fd)), 0);
	fd = FORWARD(g, SYS_openat2, U(AT_FDCWD), a, guest_put(g, &how, sizeof(how)), sizeof(how));
	assert_true(fd >= 0);
	close((int)fd);
}

static void file_attributes(void **state)
{
	struct guest *g = *state;
	uint64_t a = path_in_dir(g, "a"), name = guest_str(g, "user.godwit"), value = guest_alloc(g, 64);
	struct timespec ts[2] = {{1000, 5000}, {2000, 6000}};
	struct timeval tv[2] = {{3000, 7}, {4000, 8}};
	int fd = open(guest_at(g, a), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	struct statx direct, *through = guest_at(g, guest_alloc(g, sizeof(direct)));
	struct stat st;
	long r;

	assert_true(fd >= 0);
	assert_int_equal(FORWARD(g, SYS_utimensat, U(AT_FDCWD), a, guest_put(g, ts, sizeof(ts)), 0), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_atim.tv_sec, 1000);
	assert_int_equal(st.st_mtim.tv_nsec, 6000);
	assert_int_equal(FORWARD(g, SYS_utimes, a, guest_put(g, tv, sizeof(tv))), 0);
	assert_int_equal(fstat(fd, &st), 0);
	assert_int_equal(st.st_mtim.tv_sec, 4000);
	assert_int_equal(FORWARD(g, SYS_utimensat, U(fd), 0, guest_put(g, ts, sizeof(ts)), 0), 0);
	assert_int_equal(FORWARD(g, SYS_statx, U(AT_FDCWD), a, 0, STATX_ALL, GUEST_BASE + (U(through) - U(g->bytes))),
			 0);
	memset(&direct, 0, sizeof(direct));
	assert_int_equal(statx(AT_FDCWD, guest_at(g, a), 0, STATX_ALL, &direct), 0);
	assert_int_equal(direct.stx_ino, through->stx_ino);
	assert_memory_equal(&direct.stx_mtime, &through->stx_mtime, sizeof(direct.stx_mtime));
	r = FORWARD(g, SYS_setxattr, a, name, guest_str(g, "value"), 5, 0);
	if (r == 0) {
		assert_int_equal(FORWARD(g, SYS_getxattr, a, name, 0, 0), 5);
		assert_int_equal(FORWARD(g, SYS_getxattr, a, name, value, 64), 5);
		assert_memory_equal(guest_at(g, value), "value\0", 6);
		assert_int_equal(FORWARD(g, SYS_fgetxattr, U(fd), name, value, 2), -ERANGE);
		assert_true(FORWARD(g, SYS_listxattr, a, value, 64) >= 12);
		assert_int_equal(FORWARD(g, SYS_removexattr, a, name), 0);
	} else {
		assert_int_equal(r, -EOPNOTSUPP); /* the file system has none; that too must come through */
	}
	close(fd);
}

static void directories(void **state)
{
	struct guest *g = *state;
	uint64_t buf = guest_alloc(g, 8192), cwd = guest_alloc(g, 4096);
	_Alignas(8) char direct[8192];
	char here[4096];
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	long n, m;

	assert_true(fd >= 0);
	n = FORWARD(g, SYS_getdents64, U(fd), buf, 8192);
	assert_true(n > 0);
	assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
	m = syscall(SYS_getdents64, fd, direct, sizeof(direct));
	assert_int_equal(n, m);
	/* Entry by entry: the kernel leaves the padding between them as it was. */
	for (long at = 0; at < n;) {
		const struct dirent64 *e = (void *)(direct + at), *f = guest_at(g, buf + U(at));

		assert_true(e->d_ino == f->d_ino && e->d_off == f->d_off && e->d_reclen == f->d_reclen);
		assert_string_equal(e->d_name, f->d_name);
		at += e->d_reclen;
	}
	close(fd);
	assert_non_null(getcwd(here, sizeof(here)));
	assert_int_equal(FORWARD(g, SYS_getcwd, cwd, 4096), (long)strlen(here) + 1);
	assert_string_equal(guest_at(g, cwd), here);
	assert_int_equal(FORWARD(g, SYS_getcwd, cwd, 1), -ERANGE);
}

static void file_positions(void **state)
{
	struct guest *g = *state;
	uint64_t a = path_in_dir(g, "a"), off = guest_alloc(g, 8), off2 = guest_alloc(g, 8);
	int fd = open(guest_at(g, a), O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600), p[2];
	int64_t *pos = guest_at(g, off), *pos2 = guest_at(g, off2);
	char got[16] = "";

	assert_int_equal(write(fd, "0123456789", 10), 10);
	assert_int_equal(pipe(p), 0);
	*pos = 4;
	assert_int_equal(FORWARD(g, SYS_splice, U(fd), off, U(p[1]), 0, 3, 0), 3);
	assert_int_equal(*pos, 7);
	assert_int_equal(FORWARD(g, SYS_sendfile, U(p[1]), U(fd), off, 2), 2);
	assert_int_equal(*pos, 9);
	assert_int_equal(read(p[0], got, sizeof(got)), 5);
	assert_memory_equal(got, "45678", 5);
	*pos = 0;
	*pos2 = 20;
	assert_int_equal(FORWARD(g, SYS_copy_file_range, U(fd), off, U(fd), off2, 10, 0), 10);
	assert_int_equal(*pos, 10);
	assert_int_equal(*pos2, 30);
	close(fd);
	close(p[0]);
	close(p[1]);
}

static void waiting(void **state)
{
	struct guest *g = *state;
	struct pollfd pf[2] = {{.fd = -1}, {.events = POLLIN}};
	struct timespec zero = {0, 0};
	struct timeval tv = {5, 0};
	uint64_t polls, set = guest_alloc(g, 128), ev = guest_alloc(g, 12 * 8), tvp = guest_put(g, &tv, sizeof(tv));
	uint64_t tsp = guest_put(g, &zero, sizeof(zero)), mask = guest_alloc(g, 8);
	uint64_t pack[2] = {mask, 8};
	struct epoll_event want = {EPOLLIN, {.u64 = 0x1122334455667788}}, *back = guest_at(g, ev);
	int fd = eventfd(0, EFD_CLOEXEC), ep;

	pf[1].fd = fd;
	polls = guest_put(g, pf, sizeof(pf));
	assert_int_equal(FORWARD(g, SYS_poll, polls, 2, 0), 0);
	assert_int_equal(((struct pollfd *)guest_at(g, polls))[1].revents, 0);
	assert_int_equal(eventfd_write(fd, 1), 0);
	assert_int_equal(FORWARD(g, SYS_poll, polls, 2, 0), 1);
	assert_int_equal(((struct pollfd *)guest_at(g, polls))[1].revents, POLLIN);
	assert_int_equal(FORWARD(g, SYS_ppoll, polls, 2, tsp, mask, 8), 1);
	FD_SET(fd, (fd_set *)guest_at(g, set));
	assert_int_equal(FORWARD(g, SYS_select, U(fd + 1), set, 0, 0, tvp), 1);
	assert_true(FD_ISSET(fd, (fd_set *)guest_at(g, set)));
	assert_true(((struct timeval *)guest_at(g, tvp))->tv_sec < 5); /* Linux writes what is left */
	assert_int_equal(FORWARD(g, SYS_pselect6, U(fd + 1), 0, set, 0, tsp, guest_put(g, pack, sizeof(pack))), 1);
	ep = (int)FORWARD(g, SYS_epoll_create1, EPOLL_CLOEXEC);
	assert_int_equal(FORWARD(g, SYS_epoll_ctl, U(ep), EPOLL_CTL_ADD, U(fd), guest_put(g, &want, sizeof(want))), 0);
	assert_int_equal(FORWARD(g, SYS_epoll_wait, U(ep), ev, 8, 0), 1);
	assert_true(back[0].data.u64 == 0x1122334455667788 && back[1].events == 0);
	assert_int_equal(FORWARD(g, SYS_epoll_pwait2, U(ep), ev, 8, tsp, mask, 8), 1);
	assert_int_equal(FORWARD(g, SYS_epoll_ctl, U(ep), EPOLL_CTL_DEL, U(fd), 1), 0);
	close(ep);
	close(fd);
}

/* A timeout in memory that cannot be written: the kernel does not mind either. */
static void timeout_in_read_only_memory(void **state)
{
	struct guest *g = *state;
	struct timeval tv = {0, 0};
	uint64_t tvp = guest_put(g, &tv, sizeof(tv));

	g->read_only_below = g->used;
	assert_int_equal(FORWARD(g, SYS_select, 0, 0, 0, 0, tvp), 0);
	g->read_only_below = 0;
}

static void sockets(void **state)
{
	struct guest *g = *state;
	uint64_t sv = guest_alloc(g, 8), len = guest_alloc(g, 4), name = guest_alloc(g, 128), opt = guest_alloc(g, 64);
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int *fd = guest_at(g, sv), *lenp = guest_at(g, len);
	uint64_t on = guest_put(g, &(int){1}, 4);
	long srv, c, conn;

	assert_int_equal(FORWARD(g, SYS_socketpair, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
	*lenp = 4;
	assert_int_equal(FORWARD(g, SYS_getsockopt, U(fd[0]), SOL_SOCKET, SO_TYPE, opt, len), 0);
	assert_int_equal(*(int *)guest_at(g, opt), SOCK_STREAM);
	*lenp = 64;
	assert_int_equal(FORWARD(g, SYS_getsockopt, U(fd[0]), SOL_SOCKET, SO_PEERCRED, opt, len), 0);
	assert_int_equal(*lenp, 12);
	assert_int_equal(*(int *)guest_at(g, opt), getpid());
	assert_int_equal(FORWARD(g, SYS_setsockopt, U(fd[0]), SOL_SOCKET, SO_PASSCRED, on, 4), 0);
	close(fd[0]);
	close(fd[1]);

	(void)snprintf(sun.sun_path, sizeof(sun.sun_path), "%s/t", dir);
	srv = FORWARD(g, SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(FORWARD(g, SYS_bind, U(srv), guest_put(g, &sun, sizeof(sun)), sizeof(sun)), 0);
	assert_int_equal(FORWARD(g, SYS_listen, U(srv), 5), 0);
	c = FORWARD(g, SYS_socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(FORWARD(g, SYS_connect, U(c), guest_put(g, &sun, sizeof(sun)), sizeof(sun)), 0);
	*lenp = 0x7fffffff; /* a length that nobody set: the kernel takes it as "large enough" */
	conn = FORWARD(g, SYS_accept4, U(srv), name, len, SOCK_CLOEXEC);
	assert_true(conn >= 0);
	assert_int_equal(*lenp, 2); /* an unnamed peer */
	*lenp = 4; /* too short: cut, and the true length comes back */
	memset(guest_at(g, name), 'x', 128);
	assert_int_equal(FORWARD(g, SYS_getsockname, U(conn), name, len), 0);
	assert_memory_equal((char *)guest_at(g, name) + 4, "xxxx", 4);
	assert_true(*lenp > 4);
	assert_int_equal(FORWARD(g, SYS_getpeername, U(conn), 0, 0), -EFAULT);
	assert_int_equal(FORWARD(g, SYS_getsockname, U(conn), name, 0), -EFAULT);
	assert_int_equal(FORWARD(g, SYS_sendto, U(c), guest_str(g, "ping"), 4, MSG_NOSIGNAL, 0, 0), 4);
	*lenp = 128;
	assert_int_equal(FORWARD(g, SYS_recvfrom, U(conn), opt, 64, 0, name, len), 4);
	assert_memory_equal(guest_at(g, opt), "ping", 4);
	assert_int_equal(*lenp, 0);
	close((int)c);
	close((int)conn);
	close((int)srv);
}

static void messages(void **state)
{
	struct guest *g = *state;
	union {
		char raw[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {.raw = {0}};
	struct cmsghdr *cm = &control.align;
	uint64_t b1 = guest_alloc(g, 8), b2 = guest_alloc(g, 8), ctl = guest_alloc(g, 64), name = guest_alloc(g, 128);
	struct iovec out = {(void *)guest_str(g, "message"), 7}, in[2] = {{(void *)b1, 4}, {(void *)b2, 8}};
	struct msghdr m = {0}, *back;
	uint64_t msg;
	int sv[2], fd;

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	cm->cmsg_level = SOL_SOCKET;
	cm->cmsg_type = SCM_RIGHTS;
	cm->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cm), &sv[0], sizeof(int));
	m.msg_iov = (void *)guest_put(g, &out, sizeof(out));
	m.msg_iovlen = 1;
	m.msg_control = (void *)guest_put(g, &control, sizeof(control));
	m.msg_controllen = sizeof(control);
	assert_int_equal(FORWARD(g, SYS_sendmsg, U(sv[1]), guest_put(g, &m, sizeof(m)), 0), 7);

	m = (struct msghdr){.msg_name = (void *)name,
			    .msg_namelen = 128,
			    .msg_iov = (void *)guest_put(g, in, sizeof(in)),
			    .msg_iovlen = 2,
			    .msg_control = (void *)ctl,
			    .msg_controllen = 64,
			    .msg_flags = -1};
	msg = guest_put(g, &m, sizeof(m));
	assert_int_equal(FORWARD(g, SYS_recvmsg, U(sv[0]), msg, MSG_CMSG_CLOEXEC), 7);
	back = guest_at(g, msg);
	assert_memory_equal(guest_at(g, b1), "mess", 4);
	assert_memory_equal(guest_at(g, b2), "age\0", 4);
	assert_ptr_equal(back->msg_name, m.msg_name); /* the guest's own pointers */
	assert_ptr_equal(back->msg_iov, m.msg_iov);
	assert_ptr_equal(back->msg_control, m.msg_control);
	assert_int_equal(back->msg_namelen, 0);
	assert_int_equal(back->msg_controllen, CMSG_SPACE(sizeof(int)));
	assert_int_equal(back->msg_flags & ~MSG_CMSG_CLOEXEC, 0);
	cm = guest_at(g, ctl);
	assert_int_equal(cm->cmsg_type, SCM_RIGHTS);
	memcpy(&fd, CMSG_DATA(cm), sizeof(fd));
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	close(fd);
	/* Lengths that nobody set are as good as "large enough". */
	back->msg_namelen = 0x7fffffff;
	assert_int_equal(CLASS_OF(g, SYS_recvmsg, U(sv[0]), msg, 0), SYSC_FORWARD);
	close(sv[0]);
	close(sv[1]);
}

static void many_messages(void **state)
{
	struct guest *g = *state;
	struct iovec v[2] = {{(void *)guest_str(g, "first"), 5}, {(void *)guest_str(g, "second"), 6}};
	uint64_t iov = guest_put(g, v, sizeof(v)), vec;
	struct mmsghdr m[2] = {{{.msg_iov = (void *)iov, .msg_iovlen = 1}, 0},
			       {{.msg_iov = (void *)(iov + sizeof(*v)), .msg_iovlen = 1}, 0}};
	struct mmsghdr *back;
	char got[16];
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
	vec = guest_put(g, m, sizeof(m));
	assert_int_equal(FORWARD(g, SYS_sendmmsg, U(sv[1]), vec, 2, 0), 2);
	back = guest_at(g, vec);
	assert_int_equal(back[0].msg_len, 5);
	assert_int_equal(back[1].msg_len, 6);
	assert_ptr_equal(back[1].msg_hdr.msg_iov, m[1].msg_hdr.msg_iov);
	assert_int_equal(recv(sv[0], got, sizeof(got), 0), 5);
	assert_int_equal(recv(sv[0], got, sizeof(got), 0), 6);
	assert_memory_equal(got, "second", 6);
	close(sv[0]);
	close(sv[1]);
}

static void identity_and_limits(void **state)
{
	struct guest *g = *state;
	uint64_t buf = guest_alloc(g, 512), ids = guest_alloc(g, 12), groups = guest_alloc(g, 4096);
	struct utsname uts;
	struct rlimit rl;
	gid_t direct[1024];
	uid_t *id = guest_at(g, ids);
	int n = getgroups(1024, direct);

	assert_int_equal(FORWARD(g, SYS_uname, buf), 0);
	assert_int_equal(uname(&uts), 0);
	assert_memory_equal(guest_at(g, buf), &uts, sizeof(uts));
	assert_int_equal(FORWARD(g, SYS_getrlimit, RLIMIT_NOFILE, buf), 0);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &rl), 0);
	assert_memory_equal(guest_at(g, buf), &rl, sizeof(rl));
	memset(guest_at(g, buf), 0, sizeof(rl));
	assert_int_equal(FORWARD(g, SYS_prlimit64, 0, RLIMIT_NOFILE, 0, buf), 0);
	assert_memory_equal(guest_at(g, buf), &rl, sizeof(rl));
	assert_int_equal(CLASS_OF(g, SYS_prlimit64, 0, RLIMIT_NOFILE, buf, 0), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_prlimit64, 0, RLIMIT_NOFILE, 1ULL << 32, 0), SYSC_HOME);
	assert_int_equal(FORWARD(g, SYS_getresuid, ids, ids + 4, ids + 8), 0);
	assert_true(id[0] == getuid() && id[1] == geteuid());
	assert_int_equal(FORWARD(g, SYS_getgroups, 0, 0), n);
	assert_int_equal(FORWARD(g, SYS_getgroups, 1024, groups), n);
	assert_memory_equal(guest_at(g, groups), direct, (size_t)n * sizeof(gid_t));
	assert_int_equal(FORWARD(g, SYS_getppid, 0), getppid());
	assert_int_equal(FORWARD(g, SYS_sched_getaffinity, 0, 128, buf) > 0, 1);
	assert_int_equal(FORWARD(g, SYS_sysinfo, buf), 0);
	assert_true(((struct sysinfo *)guest_at(g, buf))->totalram > 0);
	assert_int_equal(FORWARD(g, SYS_getcpu, buf, buf + 4, 0), 0);
}

static void capabilities_and_names(void **state)
{
	struct guest *g = *state;
	struct __user_cap_header_struct h = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct direct[2], *through;
	uint64_t data = guest_alloc(g, 24), name = guest_alloc(g, 16), hdr = guest_put(g, &h, sizeof(h));
	char before[16];

	assert_int_equal(syscall(SYS_capget, &h, direct), 0);
	assert_int_equal(FORWARD(g, SYS_capget, hdr, data), 0);
	through = guest_at(g, data);
	assert_memory_equal(through, direct, sizeof(direct));
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	/* The kernel takes 15 bytes and wants no NUL behind them. */
	assert_int_equal(FORWARD(g, SYS_prctl, PR_SET_NAME, guest_str(g, "a-name-of-more-than-sixteen")), 0);
	assert_int_equal(FORWARD(g, SYS_prctl, PR_GET_NAME, name), 0);
	assert_string_equal(guest_at(g, name), "a-name-of-more-");
	assert_int_equal(prctl(PR_SET_NAME, before), 0);
	assert_int_equal(CLASS_OF(g, SYS_prctl, PR_SET_SECCOMP, 1), SYSC_HOME);
}

static void children(void **state)
{
	struct guest *g = *state;
	uint64_t status = guest_alloc(g, 4), ru = guest_alloc(g, 144), info = guest_alloc(g, 128);
	siginfo_t *si = guest_at(g, info);
	int *st = guest_at(g, status), hold[2];
	pid_t pid;

	assert_int_equal(pipe(hold), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char c;

		close(hold[1]);
		_exit(read(hold[0], &c, 1) == 0 ? 7 : 8);
	}
	close(hold[0]);
	*st = 0x55;
	assert_int_equal(FORWARD(g, SYS_wait4, U(pid), status, WNOHANG, ru), 0);
	assert_int_equal(*st, 0x55); /* nothing ended: the kernel writes nothing */
	close(hold[1]);
	assert_int_equal(FORWARD(g, SYS_waitid, P_PID, U(pid), info, WEXITED | WNOWAIT, ru), 0);
	assert_true(si->si_pid == pid && si->si_status == 7 && si->si_code == CLD_EXITED);
	assert_int_equal(FORWARD(g, SYS_wait4, U(pid), status, 0, ru), pid);
	assert_true(WIFEXITED(*st) && WEXITSTATUS(*st) == 7);
	assert_int_equal(FORWARD(g, SYS_wait4, U(pid), status, 0, 0), -ECHILD);
}

static void on_alarm(int sig)
{
	(void)sig;
}

static void sleeping(void **state)
{
	struct guest *g = *state;
	struct timespec none = {0, 1000}, ten = {10, 0}, *rem;
	uint64_t remp = guest_alloc(g, 16), ten_p = guest_put(g, &ten, sizeof(ten));
	struct itimerval it = {{0, 20000}, {0, 20000}}, off = {{0, 0}, {0, 0}};
	struct sigaction sa = {.sa_handler = on_alarm};

	rem = guest_at(g, remp);
	rem->tv_sec = 77;
	assert_int_equal(FORWARD(g, SYS_nanosleep, guest_put(g, &none, sizeof(none)), remp), 0);
	assert_int_equal(rem->tv_sec, 77); /* written only when interrupted */
	assert_int_equal(
	    FORWARD(g, SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, guest_put(g, &none, sizeof(none)), remp),
	    0);
	assert_int_equal(sigaction(SIGALRM, &sa, NULL), 0);
	assert_int_equal(FORWARD(g, SYS_setitimer, ITIMER_REAL, guest_put(g, &it, sizeof(it)), 0), 0);
	assert_int_equal(FORWARD(g, SYS_nanosleep, ten_p, remp), -EINTR);
	assert_int_equal(FORWARD(g, SYS_setitimer, ITIMER_REAL, guest_put(g, &off, sizeof(off)), 0), 0);
	assert_true(rem->tv_sec >= 8 && rem->tv_sec < 10);
	assert_int_equal(CLASS_OF(g, SYS_setitimer, ITIMER_PROF, 0, 0), SYSC_HOME);
}

static void timers_and_signals(void **state)
{
	struct guest *g = *state;
	struct itimerspec its = {{0, 0}, {0, 1}}, *cur;
	uint64_t value = guest_put(g, &its, sizeof(its)), now = guest_alloc(g, 32), n = guest_alloc(g, 8);
	uint64_t act = guest_alloc(g, 32), old = guest_alloc(g, 32), set = guest_alloc(g, 8), id = guest_alloc(g, 4);
	struct timespec zero = {0, 0};
	struct sigevent sev = {.sigev_notify = SIGEV_NONE};
	long fd = FORWARD(g, SYS_timerfd_create, CLOCK_MONOTONIC, TFD_CLOEXEC);

	assert_int_equal(FORWARD(g, SYS_timerfd_settime, U(fd), 0, value, 0), 0);
	assert_int_equal(FORWARD(g, SYS_read, U(fd), n, 8), 8);
	assert_true(*(uint64_t *)guest_at(g, n) >= 1);
	assert_int_equal(FORWARD(g, SYS_timerfd_gettime, U(fd), now), 0);
	cur = guest_at(g, now);
	assert_int_equal(cur->it_value.tv_nsec, 0);
	close((int)fd);
	assert_int_equal(FORWARD(g, SYS_timer_create, CLOCK_REALTIME, guest_put(g, &sev, sizeof(sev)), id), 0);
	assert_int_equal(FORWARD(g, SYS_timer_delete, U(*(int *)guest_at(g, id))), 0);
	assert_int_equal(CLASS_OF(g, SYS_timer_create, CLOCK_PROCESS_CPUTIME_ID, 0, id), SYSC_HOME);
	*(uint64_t *)guest_at(g, act) = (uint64_t)(uintptr_t)SIG_IGN;
	assert_int_equal(FORWARD(g, SYS_rt_sigaction, SIGUSR2, act, old, 8), 0);
	assert_int_equal(FORWARD(g, SYS_rt_sigaction, SIGUSR2, old, act, 8), 0);
	assert_true(*(uint64_t *)guest_at(g, act) == (uint64_t)(uintptr_t)SIG_IGN);
	*(uint64_t *)guest_at(g, set) = 1ULL << (SIGUSR1 - 1);
	assert_int_equal(FORWARD(g, SYS_rt_sigprocmask, SIG_BLOCK, set, old, 8), 0);
	assert_int_equal(kill(getpid(), SIGUSR1), 0);
	assert_int_equal(FORWARD(g, SYS_rt_sigpending, now, 8), 0);
	assert_true(*(uint64_t *)guest_at(g, now) & 1ULL << (SIGUSR1 - 1));
	assert_int_equal(FORWARD(g, SYS_rt_sigtimedwait, set, 0, guest_put(g, &zero, sizeof(zero)), 8), SIGUSR1);
	assert_int_equal(FORWARD(g, SYS_rt_sigprocmask, SIG_SETMASK, old, 0, 8), 0);
}

static void controls(void **state)
{
	struct guest *g = *state;
	struct flock fl = {.l_type = F_WRLCK, .l_whence = SEEK_SET}, *back;
	uint64_t a = path_in_dir(g, "a"), n = guest_alloc(g, 4), lock = guest_put(g, &fl, sizeof(fl));
	int fd = open(guest_at(g, a), O_CREAT | O_RDWR | O_CLOEXEC, 0600), p[2];
	long dup;

	assert_int_equal(FORWARD(g, SYS_fcntl, U(fd), F_GETLK, lock), 0);
	back = guest_at(g, lock);
	assert_int_equal(back->l_type, F_UNLCK);
	assert_int_equal(FORWARD(g, SYS_fcntl, U(fd), F_SETFD, 0), 0);
	dup = FORWARD(g, SYS_fcntl, U(fd), F_DUPFD_CLOEXEC, 100);
	assert_true(dup >= 100);
	close((int)dup);
	assert_int_equal(CLASS_OF(g, SYS_fcntl, U(fd), 9999, 1), SYSC_HOME);
	assert_int_equal(pipe(p), 0);
	assert_int_equal(write(p[1], "abc", 3), 3);
	assert_int_equal(FORWARD(g, SYS_ioctl, U(p[0]), FIONREAD, n), 0);
	assert_int_equal(*(int *)guest_at(g, n), 3);
	assert_int_equal(FORWARD(g, SYS_ioctl, U(p[0]), TCGETS, guest_alloc(g, 64)), -ENOTTY);
	assert_int_equal(CLASS_OF(g, SYS_ioctl, 0, TIOCSTI, n), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_ioctl, 0, 0x12345678, n), SYSC_HOME);
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void queues(void **state)
{
	struct guest *g = *state;
	struct {
		long type;
		char text[8];
	} m = {3, "queued"};
	uint64_t out = guest_put(g, &m, sizeof(m)), in = guest_alloc(g, 64);
	long q = FORWARD(g, SYS_msgget, IPC_PRIVATE, 0600);

	if (q == -ENOSYS)
		skip();
	assert_true(q >= 0);
	assert_int_equal(FORWARD(g, SYS_msgsnd, U(q), out, 7, 0), 0);
	assert_int_equal(FORWARD(g, SYS_msgrcv, U(q), in, 40, 0, 0), 7);
	assert_memory_equal(guest_at(g, in), &m, 15);
	assert_int_equal(msgctl((int)q, IPC_RMID, NULL), 0);
}

/* Lists of strings arrive as they are, up to a bound; what cannot be read is for home. */
static void programs(void **state)
{
	static const char script[] = "test \"$# $0 $1 $2 $A\" = '2 zero one  yes'";
	struct guest *g = *state;
	uint64_t sh = guest_str(g, "/bin/sh"), empty = guest_str(g, ""), many[200] = {0},
		 end = GUEST_BASE + GUEST_SIZE - 8;
	uint64_t argv[] = {
	    sh, guest_str(g, "-c"), guest_str(g, script), guest_str(g, "zero"), guest_str(g, "one"), empty, 0};
	uint64_t envp[] = {guest_str(g, "A=yes"), 0};
	uint64_t args = guest_put(g, argv, sizeof(argv)), env = guest_put(g, envp, sizeof(envp));
	uint64_t long_one = guest_alloc(g, 100 << 10), list = guest_alloc(g, sizeof(many)),
		 odd = guest_alloc(g, 4096 + 64);
	int status;
	pid_t pid;
	long r;

	odd = (odd | 4095) - 4; /* its first pointer lies in two pages */
	memcpy(guest_at(g, odd), argv, sizeof(argv));
	for (unsigned i = 0; i < 2; i++) {
		pid = fork();
		if (pid == 0) {
			(void)FORWARD(g, SYS_execve, sh, i ? odd : args, env);
			_exit(99);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_int_equal(status, 0);
	}
	assert_int_equal(FORWARD(g, SYS_execve, guest_str(g, "/none"), args, env), -ENOENT);
	assert_int_equal(FORWARD(g, SYS_execve, guest_str(g, "/none"), 0, 0), -ENOENT);
	assert_int_equal(FORWARD(g, SYS_execveat, U(-1), guest_str(g, "x"), args, env, 0), -EBADF);
	r = FORWARD(g, SYS_execveat, U(AT_FDCWD), sh, args, env, 0x10000); /* AT_EXECVE_CHECK, Linux 6.14 */
	assert_true(r == 0 || r == -EINVAL);
	/* The memory ends before the list does, or before the string. */
	memcpy(guest_at(g, end), &sh, 8);
	assert_int_equal(CLASS_OF(g, SYS_execve, sh, end, env), SYSC_HOME);
	memset(guest_at(g, end), 'x', 8);
	argv[1] = end;
	assert_int_equal(CLASS_OF(g, SYS_execve, sh, guest_put(g, argv, sizeof(argv)), env), SYSC_HOME);
	assert_int_equal(CLASS_OF(g, SYS_execve, sh, 8, env), SYSC_HOME);
	/* 16 MiB together: pointers, strings, the other arguments. */
	memset(guest_at(g, long_one), 'x', (100 << 10) - 1);
	for (unsigned i = 0; i < 163; i++)
		many[i] = long_one;
	memcpy(guest_at(g, list), many, sizeof(many));
	assert_int_equal(CLASS_OF(g, SYS_execve, sh, list, env), SYSC_FORWARD);
	assert_int_equal(CLASS_OF(g, SYS_execve, sh, list, list), SYSC_HOME);
	memcpy(guest_at(g, list + 8ULL * 163), &long_one, 8);
	assert_int_equal(CLASS_OF(g, SYS_execve, sh, list, env), SYSC_HOME);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(pipe_read_write, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(read_into_partly_mapped, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(vectors, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(files, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(file_attributes, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(directories, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(file_positions, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(waiting, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(timeout_in_read_only_memory, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(sockets, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(messages, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(many_messages, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(identity_and_limits, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(capabilities_and_names, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(children, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(sleeping, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(timers_and_signals, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(controls, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(queues, make_dir, remove_dir),
	    cmocka_unit_test_setup_teardown(programs, make_dir, remove_dir),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
