/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit exec: a command on another node, natively.
 * Promise: what the command finds there is what this process has here; a command runs at most once, and only with
 * --or-local in another place than was asked for. Must not: read standard input before the command has begun.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli.h"
#include "client.h"
#include "exec.h"
#include "exec/exec.h"
#include "exec/place.h"
#include "reason.h"

#define PLACE_SECONDS 5
#define RETRIES 5
#define NODES_MAX 64

/* ---- where
 * ------------------------------------------------------------------------------------------------------------- */

static json_t *list_of(const char *text, struct err *e)
{
	json_t *list = json_array();

	while (list && *text) {
		size_t n = strcspn(text, ",");

		if (n && json_array_append_new(list, json_stringn(text, n)) < 0)
			break;
		text += n + (text[n] == ',');
	}
	if (list && !*text && json_array_size(list) && json_array_size(list) <= NODES_MAX)
		return list;
	json_decref(list);
	(void)err_set(e, -EINVAL, "exec: --from needs the names of nodes, with commas between");
	return NULL;
}

/* The node, in a static buffer; "" is this one. NULL with e. */
static const char *choose(struct cli *cx, struct err *e)
{
	static char node[65];
	_cleanup_json_ json_t *reply = NULL;
	json_t *params = json_object(), *list;
	const char *name;

	if (cli_given(cx, "node"))
		return cli_value(cx, "node");
	if (cli_given(cx, "from")) {
		list = list_of(cli_value(cx, "from"), e);
		if (!list) {
			json_decref(params);
			return NULL;
		}
		(void)json_object_set_new(params, "nodes", list);
	}
	if (client_ask(cx->at, "Place", params, PLACE_SECONDS, &reply, e) < 0)
		return NULL;
	name = json_string_value(json_object_get(reply, "node"));
	(void)snprintf(node, sizeof(node), "%s", name && !json_is_true(json_object_get(reply, "self")) ? name : "");
	return node;
}

/* ---- what it is to find
 * --------------------------------------------------------------------------------------------------- */

static bool is_named(const char *variable, const char *names)
{
	size_t k = strcspn(variable, "="), n;

	for (; names && *names; names += n + (names[n] == ',')) {
		n = strcspn(names, ",");
		if (n == k && !strncmp(names, variable, n))
			return true;
	}
	return false;
}

/* The command's environment, by the rules of --clear-env and --env. NULL: out of memory. */
static char **environment(const struct cli *cx)
{
	char **list, **from;
	size_t n = 0;

	for (from = environ; *from; from++)
		n++;
	list = calloc(n + 1, sizeof(*list));
	for (n = 0, from = environ; list && *from; from++)
		if (!cli_given(cx, "clear-env") || is_named(*from, cli_value(cx, "env")))
			list[n++] = *from;
	return list;
}

/* ---- --time ------------------------------------------------------------------------------------------------------ */

static void say_time(const char *node, uint64_t begin_ns, const struct exec_usage *u)
{
	(void)fprintf(stderr, "godwit: on %s: %.3f s elapsed, %.3f s user, %.3f s system, %" PRIu64 " KB\n", node,
		      (double)(clock_mono_ns() - begin_ns) / 1e9, (double)u->user_us / 1e6, (double)u->system_us / 1e6,
		      u->max_rss_kb);
}

/* Waits for the child. What the terminal sends it has got as well; what somebody sends to us is meant for it. */
static int wait_for(pid_t pid, const sigset_t *set, struct rusage *used)
{
	siginfo_t info;
	int status = 0;
	pid_t r;

	while ((r = wait4(pid, &status, WNOHANG, used)) == 0)
		if (sigwaitinfo(set, &info) > 0 && info.si_signo != SIGCHLD && info.si_code <= 0)
			(void)kill(pid, info.si_signo);
	return r == pid ? status : -1;
}

/* Here, but with a process that stays and tells what was used. */
static int run_timed(const struct cli *cx)
{
	static const int signals[] = {SIGCHLD, SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGALRM};
	uint64_t begin = clock_mono_ns();
	struct exec_usage usage;
	struct rusage used;
	pid_t pid, parent = getpid();
	sighandler_t old = signal(SIGCHLD, SIG_DFL); /* ignored, it would not come */
	sigset_t set, mask;
	int status;

	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &mask);
	pid = fork();
	if (pid == 0) {
		(void)prctl(PR_SET_PDEATHSIG, SIGHUP);
		if (getppid() != parent)
			_exit(CLI_SELF);
		(void)signal(SIGCHLD, old);
		(void)sigprocmask(SIG_SETMASK, &mask, NULL);
		_exit(cli_exec(cx->argv));
	}
	if (pid < 0)
		(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	status = pid < 0 ? -1 : wait_for(pid, &set, &used);
	if (status < 0) {
		(void)fprintf(stderr, "godwit: no process can be started: %s\n", strerror(errno));
		return CLI_SELF;
	}
	(void)sigprocmask(SIG_SETMASK, &mask, NULL);
	usage = exec_usage_of(&used);
	say_time("this node", begin, &usage);
	return cli_end_as(status);
}

static int run_here(const struct cli *cx, const struct exec_session *s)
{
	environ = s->env;
	return cli_given(cx, "time") ? run_timed(cx) : cli_exec(cx->argv);
}

static int pack(struct buf *b, char *const *list)
{
	for (; *list; list++)
		if (buf_append(b, *list, strlen(*list) + 1) < 0)
			return -ENOMEM;
	return 0;
}

static void read_limits(uint64_t v[static 2 * RLIM_NLIMITS])
{
	struct rlimit l;

	for (int i = 0; i < RLIM_NLIMITS; i++) {
		if (getrlimit((__rlimit_resource_t)i, &l) < 0)
			l.rlim_cur = l.rlim_max = RLIM_INFINITY;
		v[(size_t)2 * i] = l.rlim_cur;
		v[(size_t)2 * i + 1] = l.rlim_max;
	}
}

static uint64_t blocked_signals(void)
{
	uint64_t bits = 0;
	sigset_t set;

	(void)sigprocmask(SIG_BLOCK, NULL, &set);
	for (int i = 1; i < NSIG; i++)
		bits |= sigismember(&set, i) == 1 ? 1ULL << (i - 1) : 0;
	return bits;
}

static mode_t file_mask(void)
{
	mode_t m = umask(0);

	(void)umask(m);
	return m;
}

/* EXEC_START into the session's buffer. -errno with e. */
static int describe(struct exec_session *s, struct err *e)
{
	static struct wire_place_entry entries[PLACE_ENTRIES];
	static struct place place;
	uint64_t limits[2 * RLIM_NLIMITS];
	_cleanup_(buf_release) struct buf argv, env;
	struct wire_exec_start m = {.node = wire_str(s->node),
				    .mask = file_mask(),
				    .nice = getpriority(PRIO_PROCESS, 0),
				    .ignored = s->ignored,
				    .blocked = blocked_signals(),
				    .open = s->open,
				    .tty = s->tty,
				    .merged = s->merged,
				    .window = EXEC_WINDOW_BYTES};
	struct winsize w;
	int r;

	buf_init(&argv, 0);
	buf_init(&env, 0);
	if (place_read(&place, e) < 0)
		return e->code;
	place_to_wire(&place, &m, entries);
	read_limits(limits);
	m.limits = (struct wire_bytes){(const uint8_t *)limits, sizeof(limits)};
	if (s->tty) {
		m.termios = (struct wire_bytes){(const uint8_t *)&s->termios, sizeof(s->termios)};
		if (ioctl(0, TIOCGWINSZ, &w) == 0) {
			m.rows = w.ws_row;
			m.cols = w.ws_col;
		}
	}
	r = pack(&argv, s->argv);
	if (r == 0)
		r = pack(&env, s->env);
	if (r == 0) {
		m.argv = (struct wire_bytes){buf_head(&argv), argv.len};
		m.env = (struct wire_bytes){env.len ? buf_head(&env) : NULL, env.len};
		r = wire_exec_start_encode(&m, &s->f.out);
	}
	if (r == -EMSGSIZE)
		return err_set(e, -E2BIG, "%s", strerror(E2BIG));
	return r < 0 ? err_set(e, r, "the command cannot be described: %s", strerror(-r)) : 0;
}

/* ---- carrying it through
 * ---------------------------------------------------------------------------------------------------- */

static enum exec_result attempt(struct exec_session *s, struct err *e)
{
	_cleanup_close_ int fd = -1;
	char control[256];
	enum exec_result r;

	if (client_path(s->at, control, sizeof(control), e) < 0)
		return EXEC_NOT_BEGUN;
	fd = exec_broker(control, e);
	if (fd < 0)
		return EXEC_NOT_BEGUN;
	frames_init(&s->f, fd, WIRE_FROM_EXECUTOR);
	if (describe(s, e) < 0)
		r = e->code == -E2BIG ? EXEC_NO_COMMAND : EXEC_NOT_BEGUN;
	else
		r = exec_carry(s, e);
	frames_release(&s->f);
	return r;
}

enum exec_result exec_attempt(struct exec_session *s, struct err *e)
{
	enum exec_result r = EXEC_RETRY;

	for (int i = 0; r == EXEC_RETRY && i < RETRIES; i++)
		r = attempt(s, e);
	if (r != EXEC_RETRY)
		return r;
	(void)err_set(e, -ECONNRESET, "the broker (godwit-execd) does not stay");
	return EXEC_NOT_BEGUN;
}

static int no_command(const char *where, const char *name, const struct err *e)
{
	(void)fprintf(stderr, "godwit: %s%scannot execute \"%.200s\": %s\n", where, *where ? ": " : "", name,
		      strerror(-e->code));
	return e->code == -ENOENT || e->code == -ENOTDIR ? CLI_NOT_FOUND : CLI_NOT_EXECUTABLE;
}

static int not_begun(const struct cli *cx, const struct exec_session *s, const struct err *e)
{
	if (!cli_given(cx, "or-local")) {
		(void)cli_fail(e);
		return CLI_SELF;
	}
	(void)fprintf(stderr, "godwit: %s; the command runs here\n", e->text);
	return run_here(cx, s);
}

static int check_options(const struct cli *cx, struct err *e)
{
	if (cli_given(cx, "node") + cli_given(cx, "from") + cli_given(cx, "best") > 1)
		return err_set(e, -EINVAL, "exec: --node, --from and --best exclude each other");
	if (cli_given(cx, "env") && !cli_given(cx, "clear-env"))
		return err_set(e, -EINVAL,
			       "exec: --env says what --clear-env leaves; without that everything is "
			       "passed on");
	return 0;
}

int verb_exec(struct cli *cx)
{
	struct exec_session s = {.at = cx->at};
	uint64_t begin = clock_mono_ns();
	enum exec_result r;
	struct err e = {0};

	if (check_options(cx, &e) < 0) {
		(void)cli_fail(&e);
		return CLI_SELF;
	}
	exec_look(&s, cli_given(cx, "no-stdin"), cli_given(cx, "no-tty"));
	s.env = environment(cx);
	s.node = s.env ? choose(cx, &e) : NULL;
	if (!s.env)
		(void)err_set(&e, -ENOMEM, "out of memory");
	if (!s.node)
		return not_begun(cx, &s, &e);
	s.argv = cx->argv;
	r = *s.node ? exec_attempt(&s, &e) : EXEC_HERE;
	switch (r) {
	case EXEC_HERE:
		return run_here(cx, &s);
	case EXEC_DONE:
		if (cli_given(cx, "time"))
			say_time(s.node, begin, &s.usage);
		return cli_end_as(s.status);
	case EXEC_NO_COMMAND:
		return no_command(s.node, cx->argv[0], &e);
	case EXEC_LOST:
		(void)cli_fail(&e);
		return CLI_SELF;
	case EXEC_RETRY:
	case EXEC_NOT_BEGUN:
		break;
	}
	return not_begun(cx, &s, &e);
}
