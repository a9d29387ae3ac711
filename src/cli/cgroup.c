/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See cgroup.h. Files and their meaning: the kernel's admin-guide/cgroup-v1 and cgroup-v2. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "cgroup.h"

#define PATH_CAP 512
#define DEPTH_MAX 16
#define PERIOD_US 100000
#define PIDS_MAX "8192"
#define FREEZE_SECONDS 5
#define MEMORY_NONE (1ULL << 60) /* version 1 shows "no limit" as a number near 2^63 */

static const char *const names[CGROUP__MAX] = {"cpu", "cpuset", "memory", "freezer", "pids"};

static bool has_word(const char *list, const char *word, const char *separators)
{
	size_t n = strlen(word);

	for (const char *p = list; *p;) {
		size_t len = strcspn(p, separators);

		if (len == n && strncmp(p, word, n) == 0)
			return true;
		p += len;
		p += strspn(p, separators);
	}
	return false;
}

void cgroup_probe(struct cgroups *cg)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/mounts", "re");
	char line[1024], dir[96], type[32], options[512];

	*cg = (struct cgroups){0};
	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%*s %95s %31s %511s", dir, type, options) != 3)
			continue;
		if (strcmp(type, "cgroup2") == 0 && !*cg->v2)
			(void)snprintf(cg->v2, sizeof(cg->v2), "%s", dir);
		if (strcmp(type, "cgroup") != 0)
			continue;
		for (int k = 0; k < CGROUP__MAX; k++) {
			if (!*cg->v1[k] && has_word(options, names[k], ","))
				(void)snprintf(cg->v1[k], sizeof(cg->v1[k]), "%s", dir);
		}
	}
	if (*cg->v2) {
		char path[PATH_CAP], text[512];

		(void)snprintf(path, sizeof(path), "%s/cgroup.controllers", cg->v2);
		if (file_read_small(path, text, sizeof(text)) > 0) {
			for (int k = 0; k < CGROUP__MAX; k++)
				cg->v2_has[k] = !*cg->v1[k] && has_word(text, names[k], " \n");
		}
		cg->v2_has[CGROUP_FREEZER] = true; /* no controller: every group of version 2 can be frozen */
	}
}

bool cgroup_has(const struct cgroups *cg, enum cgroup_kind kind)
{
	return *cg->v1[kind] || cg->v2_has[kind];
}

void cgroup_missing(const struct cgroups *cg, char *buf, size_t cap)
{
	static const char *const meaning[CGROUP__MAX] = {
	    "no limit of processor time: all nodes share all processors",
	    "nodes cannot be tied to processors of their own",
	    "no limit of memory: every node sees that of the machine",
	    "nodes cannot be stalled",
	    "a node can use up the process ids of the machine",
	};
	size_t n = 0;

	*buf = '\0';
	for (int k = 0; k < CGROUP__MAX; k++) {
		if (!cgroup_has(cg, k) && n < cap)
			n += (size_t)snprintf(buf + n, cap - n, "the cgroup controller %s is missing: %s\n", names[k],
					      meaning[k]);
	}
	if (!*cg->v2 && n < cap)
		(void)snprintf(buf + n, cap - n,
			       "there is no cgroup version 2: `down` must look for processes one by one\n");
}

/* Distinct mount points, the five of version 1 and then that of version 2. NULL at the end. */
static const char *mount_point(const struct cgroups *cg, int i)
{
	if (i == CGROUP__MAX)
		return *cg->v2 ? cg->v2 : "";
	if (i > CGROUP__MAX)
		return NULL;
	for (int j = 0; j < i; j++) {
		if (strcmp(cg->v1[i], cg->v1[j]) == 0)
			return "";
	}
	return cg->v1[i];
}

static void node_path(char *buf, const char *mount, const char *sandbox, const char *node, const char *file)
{
	(void)snprintf(buf, PATH_CAP, "%s/godwit-%s%s%s%s%s", mount, sandbox, node ? "/" : "", node ? node : "",
		       file ? "/" : "", file ? file : "");
}

static int put(const char *path, const char *text, struct err *e)
{
	int r = file_write(path, text, strlen(text));

	if (r < 0)
		return err_set(e, r, "cannot write %s to %s: %s", text, path, strerror(-r));
	return 0;
}

/* A new group of the cpuset hierarchy has no processors and takes no process until it is given some. */
static int inherit_cpuset(const char *parent, const char *child, struct err *e)
{
	static const char *const files[] = {"cpuset.cpus", "cpuset.mems"};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char from[PATH_CAP], to[PATH_CAP], text[512];
		int r;

		(void)snprintf(from, sizeof(from), "%.400s/%s", parent, files[i]);
		(void)snprintf(to, sizeof(to), "%.400s/%s", child, files[i]);
		if (file_read_small(from, text, sizeof(text)) <= 0)
			return err_set(e, -EIO, "cannot read %s", from);
		text[strcspn(text, "\n")] = '\0';
		r = put(to, text, e);
		if (r < 0)
			return r;
	}
	return 0;
}

/* Version 2: children get a controller only when the parent hands it down. Refused where another program has said so.
 */
static void hand_down(const struct cgroups *cg, const char *dir)
{
	char path[PATH_CAP];

	(void)snprintf(path, sizeof(path), "%.400s/cgroup.subtree_control", dir);
	for (int k = 0; k < CGROUP__MAX; k++) {
		char word[16];

		if (k == CGROUP_FREEZER || !cg->v2_has[k])
			continue;
		(void)snprintf(word, sizeof(word), "+%s", names[k]);
		(void)put(path, word, NULL); /* the limit's own file tells later whether it worked */
	}
}

static int make_dir(const char *path, struct err *e)
{
	if (mkdir(path, 0755) < 0 && errno != EEXIST)
		return err_set(e, -errno, "cannot make the control group %s: %s", path, strerror(errno));
	return 0;
}

int cgroup_make(const struct cgroups *cg, const char *sandbox, const char *node, struct err *e)
{
	const char *mount;

	for (int i = 0; (mount = mount_point(cg, i)); i++) {
		char above[PATH_CAP], path[PATH_CAP];
		int r;

		if (!*mount)
			continue;
		node_path(above, mount, sandbox, NULL, NULL);
		node_path(path, mount, sandbox, node, NULL);
		if (i == CGROUP__MAX)
			hand_down(cg, mount);
		r = make_dir(above, e);
		if (r == 0 && i == CGROUP__MAX)
			hand_down(cg, above);
		if (r == 0 && i == CGROUP_CPUSET)
			r = inherit_cpuset(mount, above, e);
		if (r == 0)
			r = make_dir(path, e);
		if (r == 0 && i == CGROUP_CPUSET)
			r = inherit_cpuset(above, path, e);
		if (r < 0)
			return r;
	}
	if (cgroup_has(cg, CGROUP_PIDS)) {
		char path[PATH_CAP];

		node_path(path, *cg->v1[CGROUP_PIDS] ? cg->v1[CGROUP_PIDS] : cg->v2, sandbox, node, "pids.max");
		(void)put(path, PIDS_MAX, NULL); /* protects the machine; the sandbox works without */
	}
	return 0;
}

int cgroup_enter(const struct cgroups *cg, const char *sandbox, const char *node, struct err *e)
{
	const char *mount;

	for (int i = 0; (mount = mount_point(cg, i)); i++) {
		char path[PATH_CAP];
		int r;

		if (!*mount)
			continue;
		node_path(path, mount, sandbox, node, "cgroup.procs");
		r = put(path, "0", e); /* 0: the writer itself */
		if (r < 0)
			return r;
	}
	return 0;
}

int cgroup_set_cpus(const struct cgroups *cg, const char *sandbox, const char *node, const char *list, double cpus,
		    struct err *e)
{
	char path[PATH_CAP], text[64];
	long quota = (long)(cpus * PERIOD_US);
	int r = 0;

	if (quota && quota < 1000) /* the kernel's minimum */
		quota = 1000;
	if (cgroup_has(cg, CGROUP_CPUSET)) {
		const char *mount = *cg->v1[CGROUP_CPUSET] ? cg->v1[CGROUP_CPUSET] : cg->v2;
		char above[PATH_CAP];

		node_path(path, mount, sandbox, node, "cpuset.cpus");
		if (list) {
			r = put(path, list, e);
		} else if (*cg->v1[CGROUP_CPUSET]) {
			node_path(above, mount, sandbox, NULL, NULL);
			node_path(path, mount, sandbox, node, NULL);
			r = inherit_cpuset(above, path, e);
		} else {
			(void)put(path, "\n", NULL);
		}
	}
	if (r == 0 && *cg->v1[CGROUP_CPU]) {
		(void)snprintf(text, sizeof(text), "%ld", quota ? quota : -1L);
		node_path(path, cg->v1[CGROUP_CPU], sandbox, node, "cpu.cfs_quota_us");
		r = put(path, text, e);
	} else if (r == 0 && cg->v2_has[CGROUP_CPU]) {
		if (quota)
			(void)snprintf(text, sizeof(text), "%ld %d", quota, PERIOD_US);
		else
			(void)snprintf(text, sizeof(text), "max %d", PERIOD_US);
		node_path(path, cg->v2, sandbox, node, "cpu.max");
		r = put(path, text, e);
	}
	return r;
}

int cgroup_set_memory(const struct cgroups *cg, const char *sandbox, const char *node, uint64_t bytes, struct err *e)
{
	char path[PATH_CAP], text[32];

	(void)snprintf(text, sizeof(text), "%llu", (unsigned long long)bytes);
	if (*cg->v1[CGROUP_MEMORY])
		node_path(path, cg->v1[CGROUP_MEMORY], sandbox, node, "memory.limit_in_bytes");
	else if (cg->v2_has[CGROUP_MEMORY])
		node_path(path, cg->v2, sandbox, node, "memory.max");
	else
		return err_set(e, -ENOTSUP, "there is no cgroup controller for memory");
	return put(path, text, e);
}

double cgroup_get_cpus(const struct cgroups *cg, const char *sandbox, const char *node)
{
	char path[PATH_CAP], text[64];

	if (*cg->v1[CGROUP_CPU])
		node_path(path, cg->v1[CGROUP_CPU], sandbox, node, "cpu.cfs_quota_us");
	else
		node_path(path, cg->v2, sandbox, node, "cpu.max");
	if (file_read_small(path, text, sizeof(text)) <= 0)
		return 0;
	return strtod(text, NULL) > 0 ? strtod(text, NULL) / PERIOD_US : 0;
}

uint64_t cgroup_get_memory(const struct cgroups *cg, const char *sandbox, const char *node)
{
	char path[PATH_CAP], text[64];
	uint64_t v;

	if (*cg->v1[CGROUP_MEMORY])
		node_path(path, cg->v1[CGROUP_MEMORY], sandbox, node, "memory.limit_in_bytes");
	else
		node_path(path, cg->v2, sandbox, node, "memory.max");
	if (file_read_small(path, text, sizeof(text)) <= 0)
		return 0;
	v = strtoull(text, NULL, 10);
	return v < MEMORY_NONE ? v : 0;
}

/* The freezer's file and the words that it takes and shows. */
static bool frozen_now(const struct cgroups *cg, const char *sandbox, const char *node)
{
	char path[PATH_CAP], text[256];

	if (*cg->v1[CGROUP_FREEZER]) {
		node_path(path, cg->v1[CGROUP_FREEZER], sandbox, node, "freezer.state");
		return file_read_small(path, text, sizeof(text)) > 0 && strncmp(text, "FROZEN", 6) == 0;
	}
	node_path(path, cg->v2, sandbox, node, "cgroup.events");
	return file_read_small(path, text, sizeof(text)) > 0 && strstr(text, "frozen 1");
}

bool cgroup_is_frozen(const struct cgroups *cg, const char *sandbox, const char *node)
{
	return cgroup_has(cg, CGROUP_FREEZER) && frozen_now(cg, sandbox, node);
}

int cgroup_freeze(const struct cgroups *cg, const char *sandbox, const char *node, bool frozen, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + FREEZE_SECONDS * NSEC_PER_SEC;
	bool v1 = *cg->v1[CGROUP_FREEZER];
	char path[PATH_CAP];
	int r;

	if (!cgroup_has(cg, CGROUP_FREEZER))
		return err_set(e, -ENOTSUP, "this kernel offers no cgroup freezer, so nodes cannot be stalled");
	node_path(path, v1 ? cg->v1[CGROUP_FREEZER] : cg->v2, sandbox, node, v1 ? "freezer.state" : "cgroup.freeze");
	r = put(path, v1 ? (frozen ? "FROZEN" : "THAWED") : (frozen ? "1" : "0"), e);
	if (r < 0)
		return r;
	while (frozen_now(cg, sandbox, node) != frozen) {
		if (clock_mono_ns() > deadline)
			return err_set(e, -ETIMEDOUT, "%s did not %s within %d s", node, frozen ? "freeze" : "thaw",
				       FREEZE_SECONDS);
		(void)poll(NULL, 0, 2);
	}
	return 0;
}

static void thaw_tree(const char *path, bool v1, unsigned depth)
{
	_cleanup_closedir_ DIR *d = opendir(path);
	const struct dirent *entry;
	char file[PATH_CAP];

	(void)snprintf(file, sizeof(file), "%.480s/%s", path, v1 ? "freezer.state" : "cgroup.freeze");
	if (d)
		(void)put(file, v1 ? "THAWED" : "0", NULL);
	while (d && depth < DEPTH_MAX && (entry = readdir(d))) {
		char below[PATH_CAP];

		if (entry->d_type == DT_DIR && entry->d_name[0] != '.' &&
		    snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < (int)sizeof(below))
			thaw_tree(below, v1, depth + 1);
	}
}

void cgroup_thaw_all(const struct cgroups *cg, const char *sandbox)
{
	bool v1 = *cg->v1[CGROUP_FREEZER];
	char path[PATH_CAP];

	node_path(path, v1 ? cg->v1[CGROUP_FREEZER] : cg->v2, sandbox, NULL, NULL);
	if (cgroup_has(cg, CGROUP_FREEZER))
		thaw_tree(path, v1, 0);
}

void cgroup_kill(const struct cgroups *cg, const char *sandbox)
{
	char path[PATH_CAP];

	if (!*cg->v2)
		return;
	node_path(path, cg->v2, sandbox, NULL, "cgroup.kill");
	(void)put(path, "1", NULL);
}

/* Depth first: a group goes when its children are gone. The processes have ended, but the kernel may still hold it. */
static int remove_tree(const char *path, unsigned depth, uint64_t deadline)
{
	_cleanup_closedir_ DIR *d = opendir(path);
	const struct dirent *entry;

	if (!d)
		return errno == ENOENT ? 0 : -errno;
	while (depth < DEPTH_MAX && (entry = readdir(d))) {
		char below[PATH_CAP];
		int r;

		if (entry->d_type != DT_DIR || entry->d_name[0] == '.')
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= (int)sizeof(below))
			return -ENAMETOOLONG;
		r = remove_tree(below, depth + 1, deadline);
		if (r < 0)
			return r;
	}
	while (rmdir(path) < 0 && errno != ENOENT) {
		if (errno != EBUSY || clock_mono_ns() > deadline)
			return -errno;
		(void)poll(NULL, 0, 2);
	}
	return 0;
}

int cgroup_remove(const struct cgroups *cg, const char *sandbox, uint64_t deadline, struct err *e)
{
	const char *mount;
	int result = 0;

	for (int i = 0; (mount = mount_point(cg, i)); i++) {
		char path[PATH_CAP];
		int r;

		if (!*mount)
			continue;
		node_path(path, mount, sandbox, NULL, NULL);
		r = remove_tree(path, 0, deadline);
		if (r < 0 && result == 0)
			result = err_set(e, r, "the control group %s is left: %s", path, strerror(-r));
	}
	return result;
}
