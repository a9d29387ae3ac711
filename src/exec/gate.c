/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command of a client outside of the cluster: an executor of its user executes `godwit exec`, which sends it on.
 * Promise: it finds what a login of the user would set, and what the client says; one command for each link. Must not:
 * look at what it is, or do anything that the user could not do here himself.
 */
#include "gate.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "../base/file.h"
#include "../wire/reasons.h"

#define WORDS_MAX 262144
#define OWN_WORDS 10 /* of godwit exec, before the client's */
#define OWN_VARIABLES 5
#define SEARCH "/usr/local/bin:/usr/bin:/bin"

/* Strings that end with a NUL each: how many, or -EPROTO. */
static ssize_t count(struct wire_bytes b)
{
	ssize_t n = 0;
	size_t i;

	if (b.len && b.data[b.len - 1])
		return -EPROTO;
	for (i = 0; i < b.len; i++)
		n += !b.data[i];
	return n > WORDS_MAX ? -EPROTO : n;
}

/* Appends them to list, which has room. */
static size_t append(char **list, size_t n, struct wire_bytes b)
{
	char *p = (char *)(uintptr_t)b.data, *end = p + b.len;

	for (; p < end; p += strlen(p) + 1)
		list[n++] = p;
	return n;
}

static const char *godwit(void)
{
	static char path[PATH_MAX];
	char dir[PATH_MAX - 32];

	if (file_find_program("godwit", path, sizeof(path)) == 0)
		return path;
	/* Installed, we are in PREFIX/libexec/godwit. */
	if (file_self_dir(dir, sizeof(dir)) == 0) {
		(void)snprintf(path, sizeof(path), "%s/../../bin/godwit", dir);
		if (access(path, X_OK) == 0)
			return path;
	}
	return "godwit";
}

static int make_argv(struct gate *g, const struct wire_client_start *m, const char *run)
{
	ssize_t n = count(m->argv);
	size_t k = 0;

	if (n <= 0)
		return -EPROTO;
	g->argv = calloc((size_t)n + OWN_WORDS, sizeof(*g->argv));
	if (!g->argv)
		return -ENOMEM;
	(void)snprintf(g->socket, sizeof(g->socket), "%s/control.sock", run);
	(void)wire_str_copy(g->node, sizeof(g->node), m->node);
	g->argv[k++] = (char *)(uintptr_t)godwit();
	g->argv[k++] = (char *)"exec";
	g->argv[k++] = (char *)"--at";
	g->argv[k++] = g->socket;
	g->argv[k++] = (char *)(*g->node ? "--node" : "--best");
	if (*g->node)
		g->argv[k++] = g->node;
	if (!m->tty)
		g->argv[k++] = (char *)"--no-tty";
	g->argv[k++] = (char *)"--";
	(void)append(g->argv, k, m->argv);
	return 0;
}

/* Where a variable stands twice the client's counts: getenv(3) takes the first. */
static int make_env(struct gate *g, const struct wire_client_start *m, const struct passwd *pw)
{
	ssize_t n = count(m->env);
	size_t k;

	if (n < 0)
		return -EPROTO;
	g->env = calloc((size_t)n + OWN_VARIABLES + 1, sizeof(*g->env));
	if (!g->env)
		return -ENOMEM;
	k = append(g->env, 0, m->env);
	(void)snprintf(g->home, sizeof(g->home), "HOME=%s", pw->pw_dir);
	(void)snprintf(g->user, sizeof(g->user), "USER=%s", pw->pw_name);
	(void)snprintf(g->logname, sizeof(g->logname), "LOGNAME=%s", pw->pw_name);
	(void)snprintf(g->shell, sizeof(g->shell), "SHELL=%s", *pw->pw_shell ? pw->pw_shell : "/bin/sh");
	char *own[OWN_VARIABLES] = {g->home, g->user, g->logname, g->shell, (char *)"PATH=" SEARCH};

	for (size_t i = 0; i < OWN_VARIABLES; i++) {
		size_t len = strcspn(own[i], "=") + 1, j;

		for (j = 0; j < k && strncmp(g->env[j], own[i], len) != 0; j++)
			;
		if (j == k)
			g->env[k++] = own[i];
	}
	return 0;
}

static int enter(const struct wire_client_start *m, const char *home, struct place *ret, struct err *e)
{
	char dir[PATH_MAX];

	if (wire_str_copy(dir, sizeof(dir), m->dir) < 0 || (*dir && *dir != '/'))
		return err_reason(e, REASON_DIRECTORY, -EINVAL, "%.200s is no absolute path of a directory", dir);
	if (chdir(*dir ? dir : home) < 0)
		return err_reason(e, REASON_DIRECTORY, -errno, "the directory %.200s cannot be entered: %s",
				  *dir ? dir : home, strerror(errno));
	return place_read(ret, e);
}

int gate_start(struct gate *g, const struct wire_client_start *m, const char *run, struct place *place, struct err *e)
{
	const struct passwd *pw = getpwuid(geteuid());
	int r;

	if (!pw)
		return err_reason(e, REASON_USER, -ENOENT, "user id %u has no name here any more", geteuid());
	r = make_argv(g, m, run);
	if (r == 0)
		r = make_env(g, m, pw);
	if (r == 0)
		return enter(m, pw->pw_dir, place, e);
	return err_reason(e, REASON_PROTOCOL, r, "the client's command cannot be read: %s", strerror(-r));
}

void gate_release(struct gate *g)
{
	free(take_ptr(g->argv));
	free(take_ptr(g->env));
}
