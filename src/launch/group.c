/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The control group of the guests' memory: see group.h. Files: the kernel's admin-guide/cgroup-v1/memory and cgroup-v2.
 * Must not: keep anything open.
 */
#include "group.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/file.h"

#define NAME "godwit-guests"
#define TEXT_MAX (256 * 1024) /* of /proc/self/mounts */

static bool has_word(const char *list, const char *word)
{
	size_t n = strlen(word), len;

	for (; *list; list += len + (list[len] != '\0')) {
		len = strcspn(list, ", \n");
		if (len == n && !strncmp(list, word, n))
			return true;
	}
	return false;
}

/* Where the hierarchy is mounted that has the memory controller (v1), or the unified one. */
static bool mounted(const char *mounts, bool v2, char *dir, size_t cap)
{
	char at[256], type[32], options[512];
	const char *line;

	for (line = mounts; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		if (sscanf(line, "%*s %255s %31s %511s", at, type, options) != 3 ||
		    strcmp(type, v2 ? "cgroup2" : "cgroup") != 0 || (!v2 && !has_word(options, "memory")))
			continue;
		return snprintf(dir, cap, "%s", at) < (int)cap;
	}
	return false;
}

/* Our path in that hierarchy: the line "N:memory:/path" or "0::/path". */
static bool own_path(const char *cgroup, bool v2, char *path, size_t cap)
{
	const char *line, *list, *at;
	char controllers[256];

	for (line = cgroup; *line; line += strcspn(line, "\n"), line += *line == '\n') {
		list = strchr(line, ':');
		at = list ? strchr(list + 1, ':') : NULL;
		if (!at || at[1] != '/')
			continue;
		(void)snprintf(controllers, sizeof(controllers), "%.*s", (int)(at - list - 1), list + 1);
		if (v2 ? *controllers != '\0' : !has_word(controllers, "memory"))
			continue;
		return snprintf(path, cap, "%.*s", (int)strcspn(at + 1, "\n"), at + 1) < (int)cap &&
		       !strstr(path, "..");
	}
	return false;
}

int group_place(struct group *g, const char *tag, const char *mounts, const char *cgroup, struct err *e)
{
	char mount[256], path[256], *base;
	int n;

	*g = (struct group){.v2 = !mounted(mounts, false, mount, sizeof(mount))};
	if ((g->v2 && !mounted(mounts, true, mount, sizeof(mount))) || !own_path(cgroup, g->v2, path, sizeof(path)))
		return err_set(e, -ENOTSUP, "this machine has no control group for memory");
	base = strrchr(path, '/');
	if (g->v2 && base[1]) {
		*base++ = '\0';
		n = snprintf(g->dir, sizeof(g->dir), "%s%s/" NAME "%s-%s", mount, path, tag, base);
	} else {
		n = snprintf(g->dir, sizeof(g->dir), "%s%s/" NAME "%s", mount, base[1] ? path : "", tag);
	}
	if (n < (int)sizeof(g->dir))
		return 0;
	g->dir[0] = '\0';
	return err_set(e, -ENAMETOOLONG, "the name of the launcher's control group is too long");
}

int group_find(struct group *g, const char *run, struct err *e)
{
	_cleanup_free_ char *mounts = NULL, *cgroup = NULL;
	char tag[24] = "";
	struct stat st;

	g->dir[0] = '\0';
	/* One launcher must not remove the empty group into which another is about to put an agent. */
	if (strcmp(run, "/run/godwit") != 0 && stat(run, &st) == 0)
		(void)snprintf(tag, sizeof(tag), "-%llx", (unsigned long long)st.st_ino);
	if (file_read_all("/proc/self/mounts", TEXT_MAX, &mounts, NULL) < 0 ||
	    file_read_all("/proc/self/cgroup", TEXT_MAX, &cgroup, NULL) < 0)
		return err_set(e, -EIO, "the launcher's control group cannot be found out");
	return group_place(g, tag, mounts, cgroup, e);
}

/* Version 2: the group gets the controller only when the one above hands it down. Most systems have done that. */
static void hand_down(const struct group *g)
{
	char path[600];

	(void)snprintf(path, sizeof(path), "%.*s/cgroup.subtree_control", (int)(strrchr(g->dir, '/') - g->dir), g->dir);
	(void)!file_write(path, "+memory", 7); /* whether it worked is seen by the limit's file */
}

int group_make(const struct group *g, uint64_t bytes, uid_t user, char *procs, size_t cap, struct err *e)
{
	char limit[600], warning[600], text[24];
	int r = 0;

	(void)snprintf(limit, sizeof(limit), "%s/%s", g->dir, g->v2 ? "memory.max" : "memory.limit_in_bytes");
	(void)snprintf(procs, cap, "%s/cgroup.procs", g->dir);
	if (mkdir(g->dir, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "%s cannot be made: %s", g->dir, strerror(errno));
	if (g->v2 && access(limit, F_OK) < 0)
		hand_down(g);
	if (chown(limit, user, (gid_t)-1) < 0)
		r = -errno;
	/* What warns the daemon before the limit is reached; without it, it looks more often. */
	(void)snprintf(warning, sizeof(warning), "%s/%s", g->dir, g->v2 ? "memory.high" : "cgroup.event_control");
	if (r == 0 && chown(warning, user, (gid_t)-1) < 0 && errno != ENOENT)
		r = -errno;
	if (r == 0 && bytes) {
		(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
		r = file_write(limit, text, strlen(text));
	}
	/* A group that is in use cannot be given less than it uses: the limit that it has then stays. */
	if (r == 0 || r == -EBUSY)
		return 0;
	(void)!group_remove(g);
	return err_set(e, r, "%s cannot be set: %s", limit, strerror(-r));
}

int group_sleep(const struct group *g, bool sleep)
{
	char path[600];

	if (!g->dir[0] || g->v2)
		return -ENOTSUP;
	(void)snprintf(path, sizeof(path), "%s/memory.oom_control", g->dir);
	return file_write(path, sleep ? "1" : "0", 1);
}

bool group_stuck(const struct group *g)
{
	char path[600], text[256];

	(void)snprintf(path, sizeof(path), "%s/memory.oom_control", g->dir);
	return file_read_small(path, text, sizeof(text)) > 0 && strstr(text, "under_oom 1");
}

int group_events(const struct group *g)
{
	_cleanup_close_ int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), of = -1;
	char path[600], text[32];
	int r;

	(void)snprintf(path, sizeof(path), "%s/memory.oom_control", g->dir);
	of = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || of < 0)
		return -errno;
	(void)snprintf(text, sizeof(text), "%d %d", fd, of);
	(void)snprintf(path, sizeof(path), "%s/cgroup.event_control", g->dir);
	r = file_write(path, text, strlen(text));
	return r < 0 ? r : take_fd(&fd);
}

int group_remove(const struct group *g)
{
	return g->dir[0] && rmdir(g->dir) < 0 && errno != ENOENT ? -errno : 0;
}
