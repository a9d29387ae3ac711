/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: Owners are changed by name, by descriptor and of a link itself; -1 keeps what is, and set-id bits are
 * lost.
 * Proves: chown fchown lchown fchownat
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "promise.h"

static void show(const char *name)
{
	struct stat st;

	must(lstat(name, &st) == 0);
	say("%s: %u:%u mode %o", name, st.st_uid, st.st_gid, st.st_mode & 07777);
}

static void round_(void)
{
	int fd = open("f", O_CREAT | O_EXCL | O_WRONLY, 0600), status;
	pid_t pid;

	must(fd >= 0 && symlink("f", "l") == 0);
	must(chown("f", 11, 12) == 0);
	show("f");
	must(fchown(fd, (uid_t)-1, 13) == 0 && fchmod(fd, 06755) == 0);
	show("f");
	must(lchown("l", 21, 22) == 0);
	show("l");
	show("f");
	must(fchownat(AT_FDCWD, "l", 31, (gid_t)-1, 0) == 0);
	show("f");
	must(fchownat(AT_FDCWD, "l", 41, 42, AT_SYMLINK_NOFOLLOW) == 0);
	show("l");
	pid = promise_fork();
	if (pid == 0) {
		must(setgid(100) == 0 && setuid(100) == 0);
		must(fchown(fd, 100, 100) == -1 && errno == EPERM);
		_exit(0);
	}
	must(waitpid(pid, &status, 0) == pid && status == 0);
	must(close(fd) == 0 && unlink("f") == 0 && unlink("l") == 0);
}

int main(void)
{
	return promise_run(round_);
}
