/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: /proc/self leads to the program, its directory, its root and its descriptors.
 * Proves: readlink openat getdents64
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void leads(const char *link_)
{
	char to[4096];
	ssize_t n = readlink(link_, to, sizeof(to) - 1);
	const char *last;

	if (n < 0) {
		say_result(link_, -1);
		return;
	}
	to[n] = '\0';
	last = strrchr(to, '/');
	say("%s -> %s", link_, last && last[1] ? last + 1 : to);
}

static void round_(void)
{
	char path[64], me[32];
	int fd = open("f", O_CREAT | O_RDWR, 0600), n = 0, again;
	struct dirent *d;
	DIR *dir;

	must(fd >= 0 && dup2(fd, 40) == 40 && close(fd) == 0 && mkdir("d", 0700) == 0 && chdir("d") == 0);
	(void)snprintf(me, sizeof(me), "%d", getpid());
	must(readlink("/proc/self", path, sizeof(path)) == (ssize_t)strlen(me) && memcmp(path, me, strlen(me)) == 0);
	leads("/proc/self/exe");
	leads("/proc/self/cwd");
	leads("/proc/self/root");
	leads("/proc/self/fd/40");
	leads("/proc/self/fd/41");
	again = open("/proc/self/fd/40", O_RDWR);
	must(again >= 0 && write(again, "x", 1) == 1 && close(again) == 0);
	say("at %ld", (long)lseek(40, 0, SEEK_CUR));
	dir = opendir("/proc/self/fd");
	must(dir);
	while ((d = readdir(dir)))
		n += strcmp(d->d_name, "40") == 0;
	must(closedir(dir) == 0 && close(40) == 0 && chdir("..") == 0 && rmdir("d") == 0 && unlink("f") == 0);
	say("in its list %d", n);
}

int main(void)
{
	return promise_run(round_);
}
