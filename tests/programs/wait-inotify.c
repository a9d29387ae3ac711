/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: What happens to files is told in order, with names, the cookie of a rename and the end of a watch.
 * Proves: inotify_init1 inotify_add_watch inotify_rm_watch read
 */
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void tell(int fd)
{
	char buf[4096] __attribute__((aligned(8)));
	ssize_t n = read(fd, buf, sizeof(buf));
	uint32_t cookie = 0;

	for (ssize_t at = 0; at < n;) {
		const struct inotify_event *e = (const struct inotify_event *)(buf + at);

		say("  %x %s%s", e->mask, e->len ? e->name : "-", e->cookie && e->cookie == cookie ? " (same)" : "");
		cookie = e->cookie;
		at += (ssize_t)(sizeof(*e) + e->len);
	}
}

static void round_(void)
{
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC), wd, f;

	must(fd >= 0 && mkdir("d", 0700) == 0);
	say_result("quiet", read(fd, &f, 4));
	wd = inotify_add_watch(fd, "d", IN_ALL_EVENTS);
	must(wd >= 0);
	f = open("d/f", O_CREAT | O_RDWR, 0600);
	must(f >= 0 && write(f, "x", 1) == 1 && close(f) == 0);
	tell(fd);
	must(rename("d/f", "d/g") == 0 && chmod("d/g", 0640) == 0);
	tell(fd);
	must(unlink("d/g") == 0 && rmdir("d") == 0);
	tell(fd);
	say_result("gone already", inotify_rm_watch(fd, wd));
	say_result("no such file", inotify_add_watch(fd, "none", IN_OPEN));
	wd = inotify_add_watch(fd, ".", IN_DELETE);
	must(wd >= 0 && inotify_rm_watch(fd, wd) == 0);
	tell(fd);
	must(close(fd) == 0);
}

int main(void)
{
	return promise_run(round_);
}
