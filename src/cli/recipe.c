/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit recipe: one command of a build, in the place of the process that make has started for it. godwit cc: the same
 * for a compiler that anything has started. Promise: it ends as the command does; a node's own failure is no failure of
 * the command, which then runs elsewhere; what has been lost is not started again before its node must have ended it.
 * Must not: run anything while another copy of it may still run.
 *
 * At home the command takes this process, so that nothing is between it and make.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/file.h"
#include "base/sock.h"
#include "cli.h"
#include "client.h"
#include "exec.h"
#include "exec/exec.h"
#include "exec/make.h"
#include "out.h"

#define ATTEMPTS 3 /* on other nodes */
#define PLACE_SECONDS 5
#define PROBE_NS (10 * NSEC_PER_SEC)
#define PROBE_WORDS 64
/* From the loss of a link to when the executor must have noticed, too, and have ended the command. */
#define LOST_NS (EXEC_SILENT_NS + EXEC_GRACE_NS + NSEC_PER_SEC)

struct recipe {
	int fd; /* to the coordinator, -1: there is none */
	const char *file;
	char **argv;
	char node[68], at[MAKE_TEXT_MAX];
	int failed; /* attempts on other nodes */
	bool no_stdin;
};

_Noreturn static void run_here(const struct recipe *r)
{
	(void)prctl(PR_SET_PDEATHSIG, 0);
	if (strchr(r->file, '/'))
		(void)execve(r->file, r->argv, environ);
	else
		(void)execvp(r->file, r->argv);
	(void)fprintf(stderr, "%s: %s\n", r->argv[0], strerror(errno));
	_exit(errno == ENOENT || errno == ENOTDIR ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE);
}

/* An input that several commands share, each taking what it wants of it, cannot be read ahead for one of them. */
static bool input_is_shared(void)
{
	struct pollfd p = {.fd = 0, .events = POLLIN};
	struct stat st;

	if (fstat(0, &st) < 0 || S_ISREG(st.st_mode))
		return false;
	if (S_ISCHR(st.st_mode))
		return isatty(0);
	/* What make gives to those that are to have none is a pipe that nobody writes. */
	return !(S_ISFIFO(st.st_mode) && poll(&p, 1, 0) == 1 && (p.revents & (POLLIN | POLLHUP)) == POLLHUP);
}

/* The command as people know it: the script, if it is one. */
static void describe(const struct recipe *r, char *text, size_t cap)
{
	size_t n = 0;
	char **w = r->argv;
	int last = 0;

	while (w[last + 1])
		last++;
	if (last >= 2 && w[last - 1][0] == '-' && w[last - 1][strlen(w[last - 1]) - 1] == 'c')
		w += last;
	for (text[0] = '\0'; *w && n + 1 < cap; w++)
		n += (size_t)snprintf(text + n, cap - n, "%s%s", n ? " " : "", *w);
}

static void tell(const struct recipe *r, enum make_kind kind, int status, const struct exec_usage *used,
		 const char *text)
{
	struct make_note m = {.kind = kind, .status = status, .cpu_us = used ? used->user_us + used->system_us : 0};

	(void)snprintf(m.text, sizeof(m.text), "%s", text);
	if (r->fd >= 0)
		(void)!make_send(r->fd, &m);
	else if (*text)
		(void)fprintf(stderr, "godwit cc: %s: %s; it is compiled here\n", r->node, text);
}

/* Waits for a place, as long as that takes: the coordinator's end is an answer, too. Returns only when it is another
 * node. */
static void wait_for_place(struct recipe *r, bool here)
{
	struct make_note m = {.kind = MAKE_BEGIN, .here = here};

	describe(r, m.text, sizeof(m.text));
	if (r->fd < 0 || make_send(r->fd, &m) < 0 || make_receive(r->fd, &m) != 1 || m.kind != MAKE_GO || !m.node[0])
		run_here(r);
	(void)snprintf(r->node, sizeof(r->node), "%s", m.node);
	(void)snprintf(r->at, sizeof(r->at), "%s", m.text);
}

/* ---- a command that has failed --------------------------------------------------------------------------------- */

/* Is it a program that a shell would find here? */
static bool in_path(const char *word)
{
	const char *path = getenv("PATH");
	char name[512];
	int n;

	for (; path && *path && !strchr(word, '/'); path += n + (path[n] == ':')) {
		n = (int)strcspn(path, ":");
		if (snprintf(name, sizeof(name), "%.*s/%s", n, path, word) < (int)sizeof(name) &&
		    access(name, X_OK) == 0)
			return true;
	}
	return false;
}

/* Words of the command that are files or programs here, of the whole command line or of a shell's script. */
static unsigned files_named(char **argv, char *words[static PROBE_WORDS])
{
	static const char between[] = " \t\n;&|<>()`'\"=";
	struct stat st;
	unsigned n = 0;
	char *copy, *rest, *w;

	for (; *argv && n < PROBE_WORDS; argv++) {
		copy = rest = strdup(*argv);
		while (copy && n < PROBE_WORDS && (w = strsep(&rest, between)))
			if (*w && (stat(w, &st) == 0 || in_path(w)))
				words[n++] = w; /* copy stays: this process ends soon */
	}
	return n;
}

static const char *temporary(void)
{
	const char *dir = getenv("TMPDIR");

	return dir && *dir ? dir : "/tmp";
}

/* One line of the blocks and inodes that are free for each directory, then the numbers of the words that are
 * neither files nor programs there. */
static const char probe_script[] =
    "for d in . \"$0\"; do stat -f -c '%a %d' -- \"$d\" || echo - -; done; i=0; "
    "for f; do [ -e \"$f\" ] || command -v \"$f\" >/dev/null || echo $i; i=$((i+1)); done";

/* What the script says on the node, in text. -errno when it cannot be asked. */
static int probe(const struct recipe *r, char **words, unsigned n, char *text, size_t cap)
{
	static char sh[] = "/bin/sh", option[] = "-c", script[sizeof(probe_script)];
	char *argv[PROBE_WORDS + 5] = {sh, option, script, (char *)(uintptr_t)temporary()};
	struct exec_session s = {.at = r->at, .node = r->node, .argv = argv, .env = environ};
	uint64_t deadline = clock_mono_ns() + PROBE_NS;
	size_t have = 0;
	struct err e = {0};
	int pipes[2], null, status = -1;
	ssize_t got = -1;
	pid_t pid;

	memcpy(script, probe_script, sizeof(script));
	memcpy(argv + 4, words, n * sizeof(*words));
	if (pipe2(pipes, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0) {
		null = open("/dev/null", O_RDWR | O_CLOEXEC);
		(void)dup2(null, 0);
		(void)dup2(pipes[1], 1);
		(void)dup2(null, 2);
		(void)close(pipes[1]);
		exec_look(&s, false, true);
		_exit(exec_attempt(&s, &e) != EXEC_DONE);
	}
	(void)close(pipes[1]);
	while (pid > 0 && have + 1 < cap && sock_wait(pipes[0], POLLIN, deadline) > 0 &&
	       (got = read(pipes[0], text + have, cap - have - 1)) > 0)
		have += (size_t)got;
	text[have] = '\0';
	(void)close(pipes[0]);
	if (pid > 0 && got != 0)
		(void)kill(pid, SIGKILL);
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || status != 0)
		return -EIO;
	return 0;
}

static bool is_full(const char *dir, unsigned long long blocks, unsigned long long inodes, char *why, size_t cap)
{
	struct statvfs here;

	if (statvfs(dir, &here) < 0 || ((blocks || !here.f_bavail) && (inodes || !here.f_favail)))
		return false;
	(void)snprintf(why, cap, "there is no space in %.200s there", dir);
	return true;
}

/* Did the node have reasons of its own? true: why says which. */
static bool nodes_own_failure(const struct recipe *r, int status, char *why, size_t cap)
{
	char text[4096], *rest = text, *line, *words[PROBE_WORDS];
	const char *dirs[] = {".", temporary()};
	unsigned long long blocks, inodes;
	unsigned n = files_named(r->argv, words), i;

	if (WIFSIGNALED(status)) {
		/* Whoever ends a build does it by other signals; memory that runs out there is no matter of the
		 * command. */
		(void)snprintf(why, cap, "it was killed there");
		return WTERMSIG(status) == SIGKILL;
	}
	if (probe(r, words, n, text, sizeof(text)) < 0) {
		(void)snprintf(why, cap, "the command failed, and the node cannot be asked why");
		return true;
	}
	for (i = 0; i < ARRAY_SIZE(dirs) && (line = strsep(&rest, "\n")); i++) {
		if (sscanf(line, "%llu %llu", &blocks, &inodes) != 2)
			continue;
		if (is_full(dirs[i], blocks, inodes, why, cap))
			return true;
	}
	while ((line = strsep(&rest, "\n")) && *line) {
		i = (unsigned)strtoul(line, NULL, 10);
		if (i < n) {
			(void)snprintf(why, cap, "%.300s is not there", words[i]);
			return true;
		}
	}
	return false;
}

/* ---- on another node --------------------------------------------------------------------------------------------- */

/* The exit code of the command, or -1: it is to be placed again, here if *here. */
static int run_there(struct recipe *r, bool *here)
{
	struct exec_session s = {.at = r->at, .node = r->node, .argv = r->argv, .env = environ};
	struct err e = {0};
	uint64_t ended;
	char why[400];

	exec_look(&s, r->no_stdin, true);
	*here = ++r->failed >= ATTEMPTS;
	switch (exec_attempt(&s, &e)) {
	case EXEC_DONE:
		if (s.status && nodes_own_failure(r, s.status, why, sizeof(why))) {
			tell(r, MAKE_FAILED, s.status, &s.usage, why);
			*here = true;
			return -1;
		}
		tell(r, MAKE_END, s.status, &s.usage, "");
		return cli_end_as(s.status);
	case EXEC_LOST:
		tell(r, MAKE_FAILED, 0, NULL, e.text);
		for (ended = clock_mono_ns() + LOST_NS; clock_ms_until(ended) > 0;)
			(void)poll(NULL, 0, clock_ms_until(ended));
		return -1;
	case EXEC_NO_COMMAND:
		(void)snprintf(why, sizeof(why), "%.200s cannot be executed there: %s", r->argv[0], strerror(-e.code));
		tell(r, MAKE_FAILED, 0, NULL, e.code == -E2BIG ? "" : why);
		*here = true;
		return -1;
	case EXEC_HERE:
		*here = true;
		return -1;
	case EXEC_NOT_BEGUN:
	case EXEC_RETRY:
		break;
	}
	tell(r, MAKE_FAILED, 0, NULL, e.text);
	return -1;
}

/* The remote end looks the program up by argv[0]: is that the same as what make has found? */
static bool is_named_so(const struct recipe *r)
{
	const char *slash = strrchr(r->file, '/');

	return !strcmp(r->file, r->argv[0]) ||
	       (!strchr(r->argv[0], '/') && !strcmp(slash ? slash + 1 : r->file, r->argv[0]));
}

int verb_recipe(struct cli *cx)
{
	struct recipe r = {.fd = make_connect(cx->argv[0]), .file = cx->argv[1], .argv = cx->argv + 2};
	bool here = input_is_shared() || !is_named_so(&r);
	int code;

	if (r.fd == 0 || r.fd == 1 || r.fd == 2) /* make has closed one: nothing of ours is to be in its place */
		run_here(&r);
	/* make's end is this command's, if it does not run here */
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	do {
		wait_for_place(&r, here);
		code = run_there(&r, &here);
	} while (code < 0);
	return code;
}

/* ---- godwit cc --------------------------------------------------------------------------------------------------- */

/* Questions to the compiler and links are done here: they are short, or read what is in the caches here. */
static bool compiles(char **argv)
{
	bool found = false;

	for (; *argv && strcmp(*argv, "-") != 0; argv++)
		found |= !strcmp(*argv, "-c") || !strcmp(*argv, "-S");
	return found && !*argv; /* "-" is standard input, which is here */
}

/* The node that has least to do, by the daemon; false: this one, or there is none to ask. */
static bool ask_place(struct recipe *r, const char *at)
{
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};

	if (client_path(at, r->at, sizeof(r->at), &e) < 0 ||
	    client_ask(at, "Place", json_object(), PLACE_SECONDS, &reply, &e) < 0 || out_bool(reply, "self"))
		return false;
	(void)snprintf(r->node, sizeof(r->node), "%s", out_str(reply, "node"));
	return *r->node != '\0';
}

int verb_cc(struct cli *cx)
{
	const char *set = getenv("GODWIT_CC");
	char *copy = strdup(set && *set ? set : "cc"), *rest = copy, *w;
	struct recipe r = {.fd = -1, .no_stdin = true};
	bool here = true;
	int n = 0, code;

	r.argv = copy ? calloc((size_t)cx->argc + strlen(copy) + 2, sizeof(*r.argv)) : NULL;
	if (!r.argv)
		return CLI_SELF;
	while ((w = strsep(&rest, " ")))
		if (*w)
			r.argv[n++] = w;
	if (!n) {
		(void)fprintf(stderr, "godwit cc: GODWIT_CC names no compiler\n");
		return CLI_SELF;
	}
	memcpy(r.argv + n, cx->argv, (size_t)cx->argc * sizeof(*r.argv));
	r.file = r.argv[0];
	if (!compiles(cx->argv) || !ask_place(&r, cx->at))
		run_here(&r);
	code = run_there(&r, &here);
	if (code < 0)
		run_here(&r);
	return code;
}
