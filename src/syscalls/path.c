/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which paths bring a process home when it opens them; the promise is in path.h. */
#include <stdio.h>
#include <string.h>

#include "path.h"
#include "../base/cleanup.h"

/* Splits off the first component: returns the rest, *ret and *ret_len the component (length 0: the path has ended).
 * Slashes and "." components are skipped. */
static const char *component(const char *p, const char **ret, size_t *ret_len)
{
	do {
		while (*p == '/')
			p++;
		*ret = p;
		p += strcspn(p, "/");
		*ret_len = (size_t)(p - *ret);
	} while (*ret_len == 1 && **ret == '.');
	return p;
}

static bool is(const char *c, size_t len, const char *word)
{
	return len == strlen(word) && memcmp(c, word, len) == 0;
}

static bool has_component(const char *p, const char *word)
{
	const char *c;
	size_t len;

	do {
		p = component(p, &c, &len);
		if (is(c, len, word))
			return true;
	} while (len);
	return false;
}

/* Files of /proc/PID that tell of what stays with the deputy, so that it may open them. */
static bool stays_with_deputy(const char *rest)
{
	static const char *const names[] = {"fd",        "fdinfo",    "cgroup",    "comm",          "gid_map",
					    "limits",    "loginuid",  "mountinfo", "mounts",        "mountstats",
					    "net",       "oom_adj",   "oom_score", "oom_score_adj", "projid_map",
					    "sessionid", "setgroups", "timers",    "uid_map"};
	const char *c, *name;
	size_t len, name_len;

	rest = component(rest, &name, &name_len);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!is(name, name_len, names[i]))
			continue;
		rest = component(rest, &c, &len);
		/* Behind /proc/self/fd/N another path may begin. */
		if (strspn(c, "0123456789") < len && !is(name, name_len, "net"))
			return false;
		(void)component(rest, &c, &len);
		return len == 0;
	}
	return false;
}

static bool is_device_of_memory(const char *rest)
{
	static const char *const names[] = {"mem", "kmem", "port", "kvm"};
	const char *c;
	size_t len;

	(void)component(rest, &c, &len);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (is(c, len, names[i]))
			return true;
	}
	return false;
}

bool path_shows_process(const char *path, int64_t pid)
{
	char own[24];
	const char *c, *rest;
	size_t len;

	if (path[0] != '/')
		return false;
	/* Where ".." leads is for the kernel to say. */
	if (has_component(path, "..") && has_component(path, "proc"))
		return true;
	rest = component(path, &c, &len);
	if (is(c, len, "dev"))
		return is_device_of_memory(rest);
	if (!is(c, len, "proc"))
		return false;
	(void)snprintf(own, sizeof(own), "%lld", (long long)pid);
	rest = component(rest, &c, &len);
	if (is(c, len, "self") || is(c, len, own) || is(c, len, "thread-self"))
		return !stays_with_deputy(rest);
	return false;
}
