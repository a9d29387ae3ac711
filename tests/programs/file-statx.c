/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: statx tells the same as stat and fstat, of a name, a descriptor, and a link itself.
 * Proves: statx newfstatat
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct statx x;
	struct stat st;
	int fd = open("f", O_CREAT | O_EXCL | O_RDWR, 0640);

	must(fd >= 0 && write(fd, "abcde", 5) == 5 && symlink("f", "l") == 0);
	must(statx(AT_FDCWD, "f", 0, STATX_BASIC_STATS, &x) == 0 && stat("f", &st) == 0);
	say("%o %llu %u", x.stx_mode, (unsigned long long)x.stx_size, x.stx_nlink);
	must(x.stx_ino == st.st_ino && x.stx_mtime.tv_sec == st.st_mtim.tv_sec && x.stx_uid == st.st_uid);
	must(statx(fd, "", AT_EMPTY_PATH, STATX_SIZE, &x) == 0 && fstat(fd, &st) == 0);
	say("%llu %ld", (unsigned long long)x.stx_size, (long)st.st_size);
	must(statx(AT_FDCWD, "l", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x) == 0);
	say("a link %d", S_ISLNK(x.stx_mode));
	must(fstatat(fd, "", &st, AT_EMPTY_PATH) == 0 && fstatat(AT_FDCWD, "l", &st, AT_SYMLINK_NOFOLLOW) == 0);
	say("a link %d of %ld", S_ISLNK(st.st_mode), (long)st.st_size);
	say_result("no such", statx(AT_FDCWD, "none", 0, STATX_SIZE, &x));
	say_result("bad mask", statx(fd, "", AT_EMPTY_PATH, 0x80000000, &x));
	must(close(fd) == 0 && unlink("f") == 0 && unlink("l") == 0);
}

int main(void)
{
	return promise_run(round_);
}
