/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sockets; see sock.h. */
#include "sock.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "clock.h"

static int unix_address(struct sockaddr_un *sa, const char *path, struct err *e)
{
	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	if (strlen(path) >= sizeof(sa->sun_path))
		return err_set(e, -ENAMETOOLONG, "socket path %s is too long", path);
	(void)strncpy(sa->sun_path, path, sizeof(sa->sun_path) - 1);
	return 0;
}

/* Does a program answer at the address? */
static bool in_use(const struct sockaddr_un *sa, int type)
{
	_cleanup_close_ int fd = socket(AF_UNIX, (type & ~SOCK_NONBLOCK) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	return fd >= 0 && (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN);
}

int sock_listen_unix(const char *path, int type, unsigned mode, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa;
	int r = unix_address(&sa, path, e);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return err_set(e, -errno, "a socket cannot be made: %s", strerror(errno));
	if (in_use(&sa, type))
		return err_set(e, -EADDRINUSE, "a program already listens at %s", path);
	(void)unlink(path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0 || chmod(path, mode) < 0 || listen(fd, 64) < 0)
		return err_set(e, -errno, "socket %s cannot be opened: %s", path, strerror(errno));
	return take_fd(&fd);
}

int sock_connect_unix(const char *path, int type, struct err *e)
{
	_cleanup_close_ int fd = -1;
	struct sockaddr_un sa;
	int r = unix_address(&sa, path, e);

	if (r < 0)
		return r;
	fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0)
		return err_set(e, -errno, "nobody answers at %s: %s", path, strerror(errno));
	return take_fd(&fd);
}

static void tcp_options(int fd)
{
	int on = 1, idle = 10, interval = 5, count = 3;

	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof(interval));
	(void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof(count));
}

static int resolve(const char *host, uint16_t port, bool passive, struct addrinfo **ret, struct err *e)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = passive ? AI_PASSIVE : 0};
	char service[8];
	int r;

	if (host && (!*host || strcmp(host, "*") == 0))
		host = NULL;
	(void)snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(host, service, &hints, ret);
	if (r != 0)
		return err_set(e, -EHOSTUNREACH, "address %s is not known: %s", host ? host : "*", gai_strerror(r));
	return 0;
}

int sock_listen_tcp(const char *host, uint16_t port, struct err *e)
{
	struct addrinfo *list = NULL;
	int fd = -1, on = 1, r = resolve(host, port, true, &list, e);

	if (r < 0)
		return r;
	r = -EADDRNOTAVAIL;
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd < 0) {
			r = -errno;
			continue;
		}
		(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, a->ai_addr, a->ai_addrlen) == 0 && listen(fd, 128) == 0)
			break;
		r = -errno;
		(void)close(fd);
		fd = -1;
	}
	freeaddrinfo(list);
	if (fd < 0)
		return err_set(e, r, "port %u cannot be opened: %s", port, strerror(-r));
	tcp_options(fd); /* accepted sockets inherit them */
	return fd;
}

int sock_start_tcp(const char *host, uint16_t port, struct err *e)
{
	struct addrinfo *list = NULL;
	int fd = -1, r = resolve(host, port, false, &list, e);

	if (r < 0)
		return r;
	r = -EHOSTUNREACH;
	for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) {
			r = -errno;
			(void)close(fd);
			fd = -1;
		} else if (fd < 0) {
			r = -errno;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		return err_set(e, r, "%s port %u cannot be reached: %s", host, port, strerror(-r));
	tcp_options(fd);
	return fd;
}

int sock_connect_tcp(const char *host, uint16_t port, uint64_t deadline_ns, struct err *e)
{
	_cleanup_close_ int fd = sock_start_tcp(host, port, e);
	int error = 0, r;
	socklen_t len = sizeof(error);

	if (fd < 0)
		return fd;
	r = sock_wait(fd, POLLOUT, deadline_ns);
	if (r > 0 && getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0)
		r = error ? -error : 0;
	if (r < 0)
		return err_set(e, r, "%s port %u cannot be reached: %s", host, port, strerror(-r));
	return take_fd(&fd);
}

ssize_t sock_send_fd(int sock, const void *p, size_t n, int fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control = {0};
	struct iovec iov = {(void *)(uintptr_t)p, n};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t r;

	if (fd >= 0) {
		struct cmsghdr *c;

		msg.msg_control = control.bytes;
		msg.msg_controllen = sizeof(control.bytes);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(c), &fd, sizeof(int));
	}
	r = sendmsg(sock, &msg, MSG_NOSIGNAL);
	return r < 0 ? -errno : r;
}

ssize_t sock_recv_fd(int sock, void *p, size_t n, int *ret_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int) * 8)];
		struct cmsghdr align;
	} control;
	struct iovec iov = {p, n};
	struct msghdr msg = {
	    .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
	ssize_t r = recvmsg(sock, &msg, MSG_CMSG_CLOEXEC);
	int got = -1;

	if (r < 0)
		return -errno;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c)) {
		size_t count = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (got < 0)
				got = fd;
			else
				(void)close(fd);
		}
	}
	if (msg.msg_flags & MSG_TRUNC) {
		if (got >= 0)
			(void)close(got);
		return -EMSGSIZE;
	}
	if (ret_fd)
		*ret_fd = got;
	else if (got >= 0)
		(void)close(got);
	return r;
}

int sock_peer_cred(int sock, pid_t *ret_pid, uid_t *ret_uid, gid_t *ret_gid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(sock, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		return -errno;
	if (ret_pid)
		*ret_pid = cred.pid;
	if (ret_uid)
		*ret_uid = cred.uid;
	if (ret_gid)
		*ret_gid = cred.gid;
	return 0;
}

int sock_wait(int fd, short events, uint64_t deadline_ns)
{
	struct pollfd p = {.fd = fd, .events = events};

	for (;;) {
		int r = poll(&p, 1, clock_ms_until(deadline_ns));

		if (r > 0)
			return p.revents;
		if (r == 0 && clock_mono_ns() >= deadline_ns)
			return -ETIMEDOUT;
		if (r < 0 && errno != EINTR)
			return -errno;
	}
}
