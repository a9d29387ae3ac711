/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: A file that was opened with O_TMPFILE has no name until it is given one through /proc/self/fd.
 * Proves: openat linkat newfstatat
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	char path[40], text[8] = "";
	int fd = open(".", O_TMPFILE | O_RDWR, 0600), again;
	struct stat st;

	if (fd < 0) {
		must(errno == EOPNOTSUPP || errno == EISDIR);
		say("nameless kept");
		return;
	}
	must(write(fd, "kept", 4) == 4 && fstat(fd, &st) == 0 && st.st_nlink == 0);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	must(linkat(AT_FDCWD, path, AT_FDCWD, "named", AT_SYMLINK_FOLLOW) == 0);
	again = open("named", O_RDONLY);
	must(again >= 0 && read(again, text, sizeof(text)) == 4 && fstat(fd, &st) == 0 && st.st_nlink == 1);
	say("nameless %s", text);
	must(close(fd) == 0 && close(again) == 0 && unlink("named") == 0);
}

int main(void)
{
	return promise_run(round_);
}
