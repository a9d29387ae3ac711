/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A directory that is read shows each entry once, also when it is read in pieces, again, and from a place
 * that was kept.
 * Proves: mkdir rmdir getdents64 lseek
 */
#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static int by_name(const void *a, const void *b)
{
	return strcmp(a, b);
}

static void round_(void)
{
	char all[120][16], name[40];
	struct dirent *d;
	long place = 0;
	int n = 0, again = 0, fd;
	DIR *dir;

	must(mkdir("dir", 0755) == 0);
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "dir/entry%d", i);
		fd = open(name, O_CREAT | O_WRONLY, 0600);
		must(fd >= 0 && close(fd) == 0);
	}
	dir = opendir("dir");
	must(dir);
	while ((d = readdir(dir))) {
		(void)snprintf(all[n++], 16, "%.15s", d->d_name);
		if (n == 20)
			place = telldir(dir);
	}
	seekdir(dir, place);
	while (readdir(dir))
		again++;
	qsort(all, (size_t)n, 16, by_name);
	say("%d entries, %d after the place, from %s to %s", n, again, all[0], all[n - 1]);
	say_result("not empty", rmdir("dir"));
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "dir/entry%d", i);
		must(unlink(name) == 0);
	}
	must(rmdir("dir") == 0);
	/* The descriptor is still there, the directory is empty for ever. */
	rewinddir(dir);
	say("after its end %d", readdir(dir) != NULL);
	must(closedir(dir) == 0);
}

int main(void)
{
	return promise_run(round_);
}
