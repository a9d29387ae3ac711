/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit sandbox down. Promise: works from the name alone, whatever state the sandbox is in, and ends with a look at
 * what is left. Must not: touch anything that is not named after the sandbox.
 */
#include <errno.h>
#include <ftw.h>
#include <string.h>
#include <unistd.h>
#include "base/clock.h"
#include "cgroup.h"
#include "sandbox.h"

#define DOWN_SECONDS 15

int sandbox_sweep(struct sandbox *s, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + DOWN_SECONDS * NSEC_PER_SEC;
	struct cgroups cg;
	int r, result;

	cgroup_probe(&cg);
	/* the kernel's own kill comes first: it cannot be outrun by a process that forks */
	cgroup_kill(&cg, s->name);
	cgroup_thaw_all(&cg, s->name);
	result = sandbox_kill_processes(s, NULL, deadline, e);
	/* go on after an error: the less is left, the better; the first sentence is kept */
	r = cgroup_remove(&cg, s->name, deadline, result ? NULL : e);
	result = result ? result : r;
	r = net_remove(s, result ? NULL : e);
	return result ? result : r;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)at;
	if ((type == FTW_DP ? rmdir(path) : unlink(path)) < 0 && errno != ENOENT)
		return errno;
	return 0;
}

int sandbox_destroy(struct sandbox *s, struct err *e)
{
	int r = sandbox_sweep(s, e), removed;

	if (r < 0)
		return r;
	removed = nftw(s->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS | FTW_MOUNT);
	if (removed != 0 && access(s->dir, F_OK) == 0)
		return err_set(e, -EIO, "%s is left: %s", s->dir, strerror(removed > 0 ? removed : errno));
	(void)rmdir(SANDBOX_ROOT); /* stays while there are others */
	return 0;
}

int verb_sandbox_down(struct cli *cx)
{
	_cleanup_(sandbox_release) struct sandbox s = {.lock = -1};
	struct err e = {0};
	bool was_there;
	int r = sandbox_named(&s, cli_value(cx, "name"), &e);

	if (r == 0)
		r = sandbox_need_root(&e);
	if (r < 0)
		return cli_fail(&e);
	was_there = access(s.dir, F_OK) == 0;
	/* made if it is not there: somebody may have removed the directory, but not what it stands for */
	r = sandbox_lock(&s, true, &e);
	if (r == 0)
		r = sandbox_destroy(&s, &e);
	if (r < 0)
		return cli_fail(&e);
	(void)fprintf(stderr, was_there ? "nothing is left of the sandbox \"%s\"\n" : "there is no sandbox \"%s\"\n",
		      s.name);
	return CLI_OK;
}
