/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libgodwit-make.so: lets GNU make and ninja start their recipes by "godwit recipe", which finds a node for each.
 * Promise: in any other program, and for whatever is no recipe, the calls do what they did without us; a recipe finds
 * LD_PRELOAD as the user had it. Must not: allocate memory or need anything but libc, for make may have called vfork().
 *
 * GODWIT_MAKE is "SOCKET PROGRAM": the coordinator's name, and the path of godwit. No recipes are: what $(shell) runs,
 * which has make's own MAKELEVEL and not the next one; and make or ninja themselves, whose recipes are placed each by
 * itself. make hands its jobserver only to those that it holds for a make, so an inheritable one tells them.
 */
#include <alloca.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME "libgodwit-make.so"
#define PUBLIC __attribute__((visibility("default")))
#define EXTRA 3 /* words before the recipe's file: godwit, recipe, SOCKET */

typedef int spawn_fn(pid_t *, const char *, const posix_spawn_file_actions_t *, const posix_spawnattr_t *,
		     char *const *, char *const *);

static spawn_fn *real_spawn, *real_spawnp;
static int (*real_execve)(const char *, char *const *, char *const *);
static int (*real_execv)(const char *, char *const *);
static int (*real_execvp)(const char *, char *const *);

static char coordinator[128], program[1024], preload[4096]; /* "" : we do nothing */
static bool is_make;
static int own_level;
extern char **environ;

/* A function pointer from dlsym(3), in the way that POSIX wants it. */
static void find(void *ret, const char *name)
{
	void *p = dlsym(RTLD_NEXT, name);

	memcpy(ret, &p, sizeof(p));
}

static const char *value_of(char *const *env, const char *name)
{
	size_t n = strlen(name);

	for (; env && *env; env++)
		if (!strncmp(*env, name, n) && (*env)[n] == '=')
			return *env + n + 1;
	return NULL;
}

static bool is_tool(const char *word, size_t n)
{
	static const char *const tools[] = {"make", "gmake", "ninja", "samu"};

	for (size_t i = 0; i < sizeof(tools) / sizeof(*tools); i++)
		if (strlen(tools[i]) == n && !memcmp(word, tools[i], n))
			return true;
	return false;
}

/* LD_PRELOAD without us. */
static void find_preload(const char *value)
{
	const char *end;

	if (!value)
		return;
	end = value + strcspn(value, ": ");
	if (end - value < (long)strlen(NAME) || strncmp(end - strlen(NAME), NAME, strlen(NAME)) != 0)
		return;
	if (*end)
		(void)snprintf(preload, sizeof(preload), "LD_PRELOAD=%s", end + 1);
}

__attribute__((constructor)) static void begin(void)
{
	const char *name = program_invocation_short_name, *said = getenv("GODWIT_MAKE"), *level = getenv("MAKELEVEL"),
		   *space = said ? strchr(said, ' ') : NULL;

	find(&real_spawn, "posix_spawn");
	find(&real_spawnp, "posix_spawnp");
	find(&real_execve, "execve");
	find(&real_execv, "execv");
	find(&real_execvp, "execvp");
	if (!space || (size_t)(space - said) >= sizeof(coordinator) || strlen(space + 1) >= sizeof(program) ||
	    !is_tool(name, strlen(name)))
		return;
	is_make = strstr(name, "make") != NULL;
	own_level = level ? atoi(level) : 0;
	memcpy(coordinator, said, (size_t)(space - said));
	memcpy(program, space + 1, strlen(space + 1) + 1);
	find_preload(getenv("LD_PRELOAD"));
}

/* Has make made its jobserver inheritable? Then what it starts is a make to it. */
static bool has_jobserver(char *const *env)
{
	static const char *const words[] = {"--jobserver-auth=", "--jobserver-fds="};
	const char *flags = value_of(env, "MAKEFLAGS"), *p;
	int fd, r;

	for (size_t i = 0; flags && i < 2; i++) {
		p = strstr(flags, words[i]);
		if (!p || sscanf(p + strlen(words[i]), "%d", &fd) != 1)
			continue;
		r = fcntl(fd, F_GETFD);
		return r >= 0 && !(r & FD_CLOEXEC);
	}
	return false;
}

/* Is there a make among the words of the command, or of the script that a shell is given? */
static bool names_tool(char *const *argv)
{
	for (; *argv; argv++) {
		const char *p = *argv;

		while (*p) {
			size_t n;

			p += strspn(p, " \t\n;&|()`'\"@+-");
			n = strcspn(p, " \t\n;&|()`'\"");
			for (size_t i = n; i > 0; i--) {
				if (p[i - 1] != '/')
					continue;
				p += i;
				n -= i;
				break;
			}
			if (n && is_tool(p, n))
				return true;
			p += n;
		}
	}
	return false;
}

/* What the kernel would not execute, make treats in its own way. */
static bool is_executable(const char *file)
{
	unsigned char head[4] = {0};
	int fd;

	if (!strchr(file, '/'))
		return true;
	if (access(file, X_OK) < 0)
		return false;
	fd = open(file, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES;
	if (read(fd, head, sizeof(head)) < 2)
		head[0] = 0;
	(void)close(fd);
	return !memcmp(head, "#!", 2) || !memcmp(head, "\177ELF", 4);
}

enum kind {
	KEPT, /* another make, or anything where we do nothing */
	LOCAL, /* what $(shell) runs: here, and without us */
	RECIPE,
};

static enum kind kind_of(const char *file, char *const *argv, char *const *env)
{
	const char *level = value_of(env, "MAKELEVEL");

	if (!*coordinator || !file || !argv || !argv[0] || !env || (is_make && has_jobserver(env)) || names_tool(argv))
		return KEPT;
	if ((is_make && (!level || atoi(level) != own_level + 1)) || !is_executable(file))
		return LOCAL;
	return RECIPE;
}

static size_t count(char *const *list)
{
	size_t n = 0;

	while (list[n])
		n++;
	return n;
}

static void make_argv(char **to, const char *file, char *const *argv)
{
	static char verb[] = "recipe";
	size_t n = count(argv);

	to[0] = program;
	to[1] = verb;
	to[2] = coordinator;
	to[EXTRA] = (char *)(unsigned long)file;
	memcpy(to + EXTRA + 1, argv, (n + 1) * sizeof(*argv));
}

static void make_env(char **to, char *const *env)
{
	for (; *env; env++) {
		if (!strncmp(*env, "GODWIT_MAKE=", 12))
			continue;
		if (strncmp(*env, "LD_PRELOAD=", 11) != 0)
			*to++ = *env;
		else if (*preload)
			*to++ = preload;
	}
	*to = NULL;
}

static int spawn(spawn_fn *real, pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		 const posix_spawnattr_t *attr, char *const *argv, char *const *env)
{
	enum kind kind = kind_of(file, argv, env);
	char **words, **variables;

	if (kind == KEPT)
		return real(pid, file, actions, attr, argv, env);
	variables = alloca((count(env) + 1) * sizeof(*variables));
	make_env(variables, env);
	if (kind == RECIPE) {
		words = alloca((count(argv) + EXTRA + 2) * sizeof(*words));
		make_argv(words, file, argv);
		if (real_spawn(pid, program, actions, attr, words, variables) == 0)
			return 0;
	}
	return real(pid, file, actions, attr, argv, variables); /* also what our words have made too long */
}

PUBLIC int posix_spawn(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
		       const posix_spawnattr_t *attr, char *const *argv, char *const *env)
{
	return spawn(real_spawn, pid, file, actions, attr, argv, env);
}

PUBLIC int posix_spawnp(pid_t *pid, const char *file, const posix_spawn_file_actions_t *actions,
			const posix_spawnattr_t *attr, char *const *argv, char *const *env)
{
	return spawn(real_spawnp, pid, file, actions, attr, argv, env);
}

/* Comes back only when it has failed, or when it is no recipe. */
static void execute(const char *file, char *const *argv, char *const *env)
{
	char **words, **variables;

	if (kind_of(file, argv, env) != RECIPE)
		return;
	words = alloca((count(argv) + EXTRA + 2) * sizeof(*words));
	variables = alloca((count(env) + 1) * sizeof(*variables));
	make_argv(words, file, argv);
	make_env(variables, env);
	(void)real_execve(program, words, variables);
}

PUBLIC int execve(const char *file, char *const *argv, char *const *env)
{
	execute(file, argv, env);
	return real_execve(file, argv, env);
}

PUBLIC int execv(const char *file, char *const *argv)
{
	execute(file, argv, environ);
	return real_execv(file, argv);
}

PUBLIC int execvp(const char *file, char *const *argv)
{
	execute(file, argv, environ);
	return real_execvp(file, argv);
}
