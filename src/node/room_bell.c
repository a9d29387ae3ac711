/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel tells that the guests' group uses much memory, before anybody has looked.
 * Promise: who fills memory as fast as a CPU can is noticed when he comes to the mark, and when he waits at the limit.
 * Version 1 rings: an eventfd for a threshold of the usage, and for memory.oom_control. In version 2 memory.high does
 * without a bell: the kernel slows down whoever is above it, more and more. Must not: decide anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "base/file.h"
#include "node.h"

struct room_bell {
	struct node *node;
	struct loop_watch *watch;
	void (*fn)(struct node *n);
	uint64_t used; /* rings there */
	int fd;
};

static void group_path(const struct node *n, const char *name, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s/%s", n->room.dir, name);
}

static void rings(void *arg, int fd, uint32_t events)
{
	struct room_bell *b = arg;
	uint64_t count;

	(void)events;
	(void)!read(fd, &count, sizeof(count));
	b->fn(b->node);
}

static int ask(const struct node *n, const char *name, int fd, const char *what)
{
	_cleanup_close_ int of = -1;
	char path[640], text[64];

	group_path(n, name, path, sizeof(path));
	of = open(path, O_RDONLY | O_CLOEXEC);
	if (of < 0)
		return -errno;
	(void)snprintf(text, sizeof(text), "%d %d %s", fd, of, what);
	group_path(n, "cgroup.event_control", path, sizeof(path));
	return file_write(path, text, strlen(text));
}

/* Closing an eventfd is what takes a threshold back, so that each has its own. */
static struct room_bell *hang(struct node *n, uint64_t used, void (*fn)(struct node *n))
{
	struct room_bell *b = calloc(1, sizeof(*b));
	char what[24];

	if (!b)
		return NULL;
	*b = (struct room_bell){.node = n, .fn = fn, .used = used, .fd = -1};
	if (!n->room.v2)
		b->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	(void)snprintf(what, sizeof(what), "%llu", (unsigned long long)used);
	if (b->fd >= 0 && ask(n, "memory.usage_in_bytes", b->fd, what) == 0 &&
	    ask(n, "memory.oom_control", b->fd, "") == 0)
		b->watch = loop_add_fd(n->loop, b->fd, EPOLLIN, rings, b);
	return b;
}

void room_bell_set(struct node *n, uint64_t used, void (*fn)(struct node *n))
{
	const struct room_bell *old = n->room.bell;
	uint64_t step = n->sampler.mem_total / 500 + 1;
	char path[640], text[24];

	if (!n->room.dir[0] || (old && used < old->used + step && old->used < used + step))
		return;
	room_bell_close(n);
	n->room.bell = hang(n, used, fn);
	if (!n->room.v2)
		return;
	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)used);
	group_path(n, "memory.high", path, sizeof(path));
	(void)!file_write(path, text, strlen(text)); /* memory.max holds without it */
}

void room_bell_close(struct node *n)
{
	struct room_bell *b = take_ptr(n->room.bell);

	if (!b)
		return;
	loop_remove(b->watch);
	if (b->fd >= 0)
		(void)close(b->fd);
	free(b);
}

bool room_stuck(const struct node *n)
{
	char path[640], text[256];

	if (!n->room.dir[0] || n->room.v2)
		return false;
	group_path(n, "memory.oom_control", path, sizeof(path));
	return file_read_small(path, text, sizeof(text)) > 0 && strstr(text, "under_oom 1");
}
