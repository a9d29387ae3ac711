/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The messages of make.h. Must not: know what is placed where. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "../base/sock.h"
#include "make.h"

int make_send(int fd, const struct make_note *m)
{
	size_t n = offsetof(struct make_note, text) + strnlen(m->text, MAKE_TEXT_MAX - 1) + 1;
	ssize_t r;

	do
		r = send(fd, m, n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : 0;
}

int make_receive(int fd, struct make_note *m)
{
	const size_t least = offsetof(struct make_note, text) + 1;
	ssize_t n;

	do
		n = recv(fd, m, sizeof(*m), 0);
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		return n < 0 ? -errno : 0;
	if ((size_t)n < least || m->kind > MAKE_END)
		return -EPROTO;
	((char *)m)[n - 1] = '\0';
	m->node[sizeof(m->node) - 1] = '\0';
	return 1;
}

static socklen_t address(struct sockaddr_un *sa, const char *name)
{
	int n;

	*sa = (struct sockaddr_un){.sun_family = AF_UNIX};
	n = snprintf(sa->sun_path + 1, sizeof(sa->sun_path) - 1, "%s", name);
	if ((size_t)n >= sizeof(sa->sun_path) - 1)
		n = sizeof(sa->sun_path) - 2;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

int make_connect(const char *name)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	struct sockaddr_un sa;
	socklen_t len = address(&sa, name);
	uid_t uid;

	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, len) < 0)
		return -errno;
	if (sock_peer_cred(fd, NULL, &uid, NULL) < 0 || uid != geteuid())
		return -EPERM;
	return take_fd(&fd);
}

int make_listen(const char *name)
{
	_cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	struct sockaddr_un sa;
	socklen_t len = address(&sa, name);

	if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, len) < 0 || listen(fd, SOMAXCONN) < 0)
		return -errno;
	return take_fd(&fd);
}
