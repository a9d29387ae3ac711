/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: The calls that C libraries no longer make for these functions still work: open, stat, pipe, dup2, mkdir
 * and their like.
 * Proves: open creat stat fstat lstat access mkdir mknod pipe dup2 select poll nanosleep getdents link symlink
 * readlink rename chmod chown time utime
 */
#include <fcntl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "promise.h"

static void round_(void)
{
	struct timespec moment = {.tv_nsec = 1000};
	struct timeval none = {0};
	char text[300] = "";
	struct stat st;
	fd_set set;
	int p[2];
	long fd = syscall(SYS_open, "f", O_CREAT | O_RDWR, 0640);

	must(fd >= 0 && syscall(SYS_fstat, fd, &st) == 0 && syscall(SYS_close, fd) == 0);
	say("%o", st.st_mode);
	must(syscall(SYS_creat, "g", 0600) == fd && syscall(SYS_close, fd) == 0);
	must(syscall(SYS_stat, "g", &st) == 0 && syscall(SYS_symlink, "g", "l") == 0 &&
	     syscall(SYS_lstat, "l", &st) == 0);
	say("link %d, readable %ld", S_ISLNK(st.st_mode), syscall(SYS_access, "l", R_OK));
	must(syscall(SYS_readlink, "l", text, sizeof(text)) == 1 && syscall(SYS_link, "g", "h") == 0);
	must(syscall(SYS_rename, "h", "i") == 0 && syscall(SYS_chmod, "i", 0604) == 0 &&
	     syscall(SYS_chown, "i", 0, 0) == 0);
	must(syscall(SYS_mkdir, "d", 0700) == 0 && syscall(SYS_mknod, "d/p", S_IFIFO | 0600, 0) == 0);
	fd = syscall(SYS_open, "d", O_RDONLY | O_DIRECTORY);
	say("entries %d", syscall(SYS_getdents, fd, text, sizeof(text)) > 0);
	must(syscall(SYS_close, fd) == 0 && syscall(SYS_pipe, p) == 0 && syscall(SYS_dup2, p[0], 40) == 40);
	must(syscall(SYS_write, p[1], "x", 1) == 1);
	FD_ZERO(&set);
	FD_SET(40, &set);
	say_result("select", syscall(SYS_select, 41, &set, NULL, NULL, &none));
	say_result("poll", syscall(SYS_poll, NULL, 0, 0));
	must(syscall(SYS_nanosleep, &moment, NULL) == 0 && syscall(SYS_time, NULL) > 1000000000);
	must(syscall(SYS_utime, "i", NULL) == 0);
	must(close(p[0]) == 0 && close(p[1]) == 0 && close(40) == 0);
	must(syscall(SYS_unlink, "d/p") == 0 && syscall(SYS_rmdir, "d") == 0);
	for (const char *name = "fgil"; *name; name++)
		must(syscall(SYS_unlink, (char[]){*name, '\0'}) == 0);
}

int main(void)
{
	return promise_run(round_);
}
