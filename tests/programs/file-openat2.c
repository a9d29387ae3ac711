/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Promise: openat2 keeps below a directory, out of links and of mounts as told, and refuses what it does not know.
 * Proves: openat2
 */
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "promise.h"

static long open_how_(int dir, const char *name, uint64_t flags, uint64_t resolve)
{
	struct open_how how = {.flags = flags, .mode = flags & O_CREAT ? 0600 : 0, .resolve = resolve};

	return syscall(SYS_openat2, dir, name, &how, sizeof(how));
}

static void attempt(const char *what, long fd)
{
	say_result(what, fd < 0 ? fd : 0);
	if (fd >= 0)
		must(close((int)fd) == 0);
}

static void round_(void)
{
	int dir;

	must(mkdir("d", 0700) == 0 && symlink("..", "d/up") == 0 && symlink("f", "d/l") == 0);
	dir = open("d", O_PATH);
	must(dir >= 0);
	attempt("made", open_how_(dir, "f", O_CREAT | O_EXCL | O_RDWR, RESOLVE_BENEATH));
	attempt("above", open_how_(dir, "../d/f", O_RDONLY, RESOLVE_BENEATH));
	attempt("by a link above", open_how_(dir, "up", O_RDONLY, RESOLVE_BENEATH));
	attempt("a link", open_how_(dir, "l", O_RDONLY, RESOLVE_NO_SYMLINKS));
	attempt("a link inside", open_how_(dir, "l", O_RDONLY, RESOLVE_BENEATH));
	attempt("as root", open_how_(dir, "/../../f", O_RDONLY, RESOLVE_IN_ROOT));
	attempt("magic", open_how_(dir, "/proc/self/cwd", O_RDONLY, RESOLVE_NO_MAGICLINKS));
	attempt("unknown", open_how_(dir, "f", O_RDONLY, 1ULL << 40));
	must(unlink("d/f") == 0 && unlink("d/l") == 0 && unlink("d/up") == 0 && rmdir("d") == 0 && close(dir) == 0);
}

int main(void)
{
	return promise_run(round_);
}
