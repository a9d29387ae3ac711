/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit make: make (or ninja) unmodified, whose recipes find their nodes here.
 * Promise: make's exit code or signal; without a daemon, or without us, a build is as it is without Godwit; nothing is
 * left when make has ended. Must not: know what a recipe means, or run one.
 *
 * Recipes wait here and not in make, so that all makes of a build have one budget, which may change while they run;
 * make itself may start as many as could run anywhere. See exec/make.h for what recipes say, and exec/preload.c for how
 * they come here.
 */
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/file.h"
#include "base/loop.h"
#include "base/sock.h"
#include "cli.h"
#include "client.h"
#include "exec/make.h"
#include "make.h"
#include "out.h"

#define FIRST_SECONDS 3
#define ANSWER_NS NSEC_PER_SEC /* from the first byte of an answer to its end */
#define JOBS_MIN 8
#define JOBS_MAX 512
#define PROGRESS_NS (NSEC_PER_SEC / 2)

enum job_state { JOB_NEW, JOB_WAITING, JOB_RUNNING };

struct job {
	struct job *next; /* in the order of their coming */
	struct build *build;
	struct loop_watch *watch;
	int fd; /* its socket; once it runs here: its process */
	enum job_state state;
	bool here, gone;
	int node;
	uint64_t begin_ns;
	char command[MAKE_TEXT_MAX];
};

struct build {
	struct cli *cx;
	struct loop *loop;
	struct make_nodes nodes;
	struct make_history history;
	struct job *jobs;
	char control[256]; /* the daemon's socket */
	struct client daemon;
	struct loop_watch *answer;
	int tool; /* its process */
	bool progress;
	size_t shown; /* columns of the progress line */
};

static int pidfd_of(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

static void hide_progress(struct build *b)
{
	if (b->shown)
		(void)fprintf(stderr, "\r%*s\r", (int)b->shown, "");
	b->shown = 0;
}

static void say(struct build *b, const char *node, const char *text)
{
	_cleanup_free_ char *safe = out_safe(text);

	hide_progress(b);
	(void)fprintf(stderr, "godwit make: %s%s%s\n", node, *node ? ": " : "", safe ? safe : "");
}

/* ---- recipes ----------------------------------------------------------------------------------------------------- */

static void job_free(struct job *j)
{
	struct job **p;

	for (p = &j->build->jobs; *p != j; p = &(*p)->next)
		;
	*p = j->next;
	loop_remove(j->watch);
	if (j->fd >= 0)
		(void)close(j->fd);
	free(j);
}

static void record(struct job *j, int status, bool again, uint64_t cpu_us)
{
	struct make_history *h = &j->build->history;
	struct make_node *node = &j->build->nodes.list[j->node];
	size_t cap = h->cap ? 2 * h->cap : 256;
	uint64_t now = clock_mono_ns();
	struct make_record *list;

	node->done += !again;
	node->wall_ns += now - j->begin_ns;
	node->cpu_us += cpu_us;
	if (h->n == h->cap) {
		list = realloc(h->list, cap * sizeof(*list));
		if (!list)
			return;
		h->list = list;
		h->cap = cap;
	}
	h->list[h->n] = (struct make_record){.command = strdup(j->command),
					     .node = j->node,
					     .status = status,
					     .begin_ns = j->begin_ns,
					     .end_ns = now,
					     .cpu_us = cpu_us,
					     .again = again};
	h->n += h->list[h->n].command != NULL;
}

/* It runs no more where it ran. */
static void job_stop(struct job *j, int status, bool again, uint64_t cpu_us)
{
	if (j->state != JOB_RUNNING)
		return;
	record(j, status, again, cpu_us);
	make_nodes_end(&j->build->nodes, j->node, clock_mono_ns());
	if (status == 0 && !again)
		j->build->nodes.list[j->node].failures = 0;
	j->state = JOB_NEW;
}

/* Its process has ended, which ran here. */
static void ended_here(void *arg, int fd, uint32_t events);

static void schedule(struct build *b);

static void failed(struct job *j, const struct make_note *m)
{
	struct build *b = j->build;

	if (*m->text && make_nodes_failed(&b->nodes, j->node, clock_mono_ns()))
		say(b, b->nodes.list[j->node].name, m->text);
	job_stop(j, m->status, true, m->cpu_us);
}

/* From here on the process is what is followed: it is about to become the command. */
static void follow(struct job *j)
{
	pid_t pid = -1;
	int fd = sock_peer_cred(j->fd, &pid, NULL, NULL) < 0 ? -1 : pidfd_of(pid);

	loop_remove(take_ptr(j->watch));
	(void)close(take_fd(&j->fd));
	j->fd = fd;
	if (fd >= 0)
		j->watch = loop_add_fd(j->build->loop, fd, EPOLLIN, ended_here, j);
	if (!j->watch)
		j->gone = true;
}

static void ended_here(void *arg, int fd, uint32_t events)
{
	struct job *j = arg;
	struct build *b = j->build;

	job_stop(j, -1, false, 0);
	job_free(j);
	schedule(b);
}

static bool is_local(const struct build *b, const char *command)
{
	static const char option[] = "--local";

	for (char **w = b->cx->words; w < b->cx->argv; w++) {
		const char *pattern = NULL;

		if (!strcmp(*w, option) && w + 1 < b->cx->argv)
			pattern = *++w;
		else if (!strncmp(*w, option, strlen(option)) && (*w)[strlen(option)] == '=')
			pattern = *w + strlen(option) + 1;
		if (pattern && fnmatch(pattern, command, 0) == 0)
			return true;
	}
	return false;
}

static void job_event(void *arg, int fd, uint32_t events)
{
	struct job *j = arg;
	struct build *b = j->build;
	struct make_note m;
	int r = make_receive(j->fd, &m);

	if (r == -EAGAIN)
		return;
	if (r == 1 && m.kind == MAKE_BEGIN && j->state == JOB_NEW) {
		(void)snprintf(j->command, sizeof(j->command), "%s", m.text);
		j->here = m.here || is_local(b, j->command);
		j->state = JOB_WAITING;
	} else if (r == 1 && m.kind == MAKE_FAILED) {
		failed(j, &m);
	} else { /* its end, or the recipe's */
		job_stop(j, r == 1 ? m.status : SIGKILL, false, r == 1 ? m.cpu_us : 0);
		job_free(j);
	}
	schedule(b);
}

/* Lets those begin for which there is room, in the order of their coming. */
static void schedule(struct build *b)
{
	struct make_note m = {.kind = MAKE_GO};
	uint64_t now = clock_mono_ns();
	struct job *j, *next;

	for (j = b->jobs; j; j = next) {
		int i = j->state == JOB_WAITING ? make_nodes_choose(&b->nodes, j->here, now) : -1;

		next = j->next;
		if (i < 0)
			continue;
		j->node = i;
		j->begin_ns = now;
		j->state = JOB_RUNNING;
		make_nodes_begin(&b->nodes, i, now);
		(void)snprintf(m.node, sizeof(m.node), "%s", i ? b->nodes.list[i].name : "");
		(void)snprintf(m.text, sizeof(m.text), "%s", b->control);
		if (make_send(j->fd, &m) < 0)
			j->gone = true;
		else if (i == 0)
			follow(j);
		if (j->gone) {
			job_stop(j, -1, false, 0);
			job_free(j);
		}
	}
}

static void accept_job(void *arg, int fd, uint32_t events)
{
	struct build *b = arg;
	struct job *j, **p;
	uid_t uid;
	int s = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (s < 0)
		return;
	j = sock_peer_cred(s, NULL, &uid, NULL) < 0 || uid != geteuid() ? NULL : calloc(1, sizeof(*j));
	if (j) {
		*j = (struct job){.build = b, .fd = s};
		j->watch = loop_add_fd(b->loop, s, EPOLLIN, job_event, j);
	}
	if (!j || !j->watch) { /* the recipe runs here, then */
		(void)close(s);
		free(j);
		return;
	}
	for (p = &b->jobs; *p; p = &(*p)->next)
		;
	*p = j;
}

/* ---- the nodes --------------------------------------------------------------------------------------------------- */

static void daemon_lost(struct build *b)
{
	loop_remove(take_ptr(b->answer));
	client_close(&b->daemon);
	make_nodes_forget(&b->nodes);
}

static void on_answer(void *arg, int fd, uint32_t events)
{
	struct build *b = arg;
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};

	loop_remove(take_ptr(b->answer));
	if (client_receive(&b->daemon, clock_mono_ns() + ANSWER_NS, &reply, NULL, &e) < 0) {
		daemon_lost(b);
		return;
	}
	make_nodes_update(&b->nodes, reply, clock_mono_ns());
	schedule(b);
}

static void look(void *arg)
{
	struct build *b = arg;
	struct err e = {0};

	(void)loop_add_timer(b->loop, clock_mono_ns() + MAKE_LOOK_NS, look, b);
	if (b->answer) /* it is silent for long: nothing of it is believed any more */
		daemon_lost(b);
	if (b->daemon.fd < 0 && client_open_path(&b->daemon, b->control, &e) < 0)
		return;
	if (client_send(&b->daemon, "Nodes", NULL, false, &e) < 0) {
		daemon_lost(b);
		return;
	}
	b->answer = loop_add_fd(b->loop, b->daemon.fd, EPOLLIN, on_answer, b);
	schedule(b); /* who was left alone may be asked again */
}

/* The first look is waited for, so that the first recipes have a choice. */
static void look_first(struct build *b)
{
	_cleanup_json_ json_t *reply = NULL;
	struct err e = {0};

	if (client_ask(b->control, "Nodes", NULL, FIRST_SECONDS, &reply, &e) == 0) {
		make_nodes_update(&b->nodes, reply, clock_mono_ns());
		return;
	}
	say(b, "", e.text);
	say(b, "", "all recipes run here");
}

static void progress(void *arg)
{
	struct build *b = arg;
	unsigned running = 0, nodes = 0;
	uint64_t cpu_us = 0;
	int n;

	for (unsigned i = 0; i < b->nodes.n; i++) {
		running += b->nodes.list[i].running;
		nodes += b->nodes.list[i].running > 0;
		cpu_us += b->nodes.list[i].cpu_us;
	}
	hide_progress(b);
	n = fprintf(stderr, "%u running on %u nodes, %zu done, %.1f s of CPU time elsewhere", running, nodes,
		    b->history.n, (double)cpu_us / 1e6);
	(void)fflush(stderr);
	b->shown = n > 0 ? (size_t)n : 0;
	(void)loop_add_timer(b->loop, clock_mono_ns() + PROGRESS_NS, progress, b);
}

/* ---- make -------------------------------------------------------------------------------------------------------- */

/* Is the letter among the options of make's arguments, in its short form or as this long one? */
static bool make_has(char **argv, char letter, const char *name)
{
	for (; *argv && strcmp(*argv, "--") != 0; argv++) {
		const char *w = *argv;

		if (!strncmp(w, name, strlen(name)))
			return true;
		if (w[0] != '-' || w[1] == '-')
			continue;
		for (w++; *w && !strchr("CfIoWEO", *w); w++) /* these take what follows */
			if (*w == letter)
				return true;
		if (*w == letter)
			return true;
		if (*w && !w[1] && *w != 'O' && argv[1])
			argv++;
	}
	return false;
}

/* As many as could run anywhere: the coordinator lets no more begin than there is room for. */
static unsigned jobs(const struct build *b)
{
	double cpus = 0;

	for (unsigned i = 0; i < b->nodes.n; i++)
		cpus += b->nodes.list[i].cpus;
	return cpus < JOBS_MIN / 2 ? JOBS_MIN : cpus > JOBS_MAX / 2 ? JOBS_MAX : (unsigned)(2 * cpus);
}

static char **tool_argv(const struct build *b, const char *tool)
{
	static char sync[] = "--output-sync=target", parallel[16];
	const char *base = strrchr(tool, '/'), *flags = getenv("MAKEFLAGS");
	bool is_make = strstr(base ? base + 1 : tool, "make") != NULL;
	char **argv = calloc((size_t)b->cx->argc + 4, sizeof(*argv));
	int n = 0;

	if (!argv)
		return NULL;
	argv[n++] = (char *)(uintptr_t)tool;
	(void)snprintf(parallel, sizeof(parallel), "-j%u", jobs(b));
	if (!make_has(b->cx->argv, 'j', "--jobs") && !(is_make && flags && strstr(flags, "-j")))
		argv[n++] = parallel;
	if (is_make && !make_has(b->cx->argv, 'O', "--output-sync") && !(flags && strstr(flags, "-O")))
		argv[n++] = sync;
	memcpy(argv + n, b->cx->argv, (size_t)b->cx->argc * sizeof(*argv));
	return argv;
}

/* What the library needs to be there, and to find us. */
static int set_environment(const char *library, const char *name, struct err *e)
{
	const char *old = getenv("LD_PRELOAD");
	char text[4096], dir[256];

	if (file_self_dir(dir, sizeof(dir)) < 0 || strpbrk(library, " :"))
		return err_set(e, -EINVAL, "the name of %.200s has a space or colon in it, which LD_PRELOAD cannot",
			       library);
	if (snprintf(text, sizeof(text), "%s%s%s", library, old && *old ? ":" : "", old ? old : "") >=
	    (int)sizeof(text))
		return err_set(e, -E2BIG, "LD_PRELOAD is too long");
	(void)setenv("LD_PRELOAD", text, 1);
	(void)snprintf(text, sizeof(text), "%s %s/godwit", name, dir);
	(void)setenv("GODWIT_MAKE", text, 1);
	return 0;
}

_Noreturn static void become_tool(const struct build *b, char **argv, pid_t parent, const sigset_t *mask)
{
	int null;

	(void)prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != parent)
		_exit(CLI_SELF);
	if (cli_given(b->cx, "no-stdin")) {
		null = open("/dev/null", O_RDONLY);
		(void)dup2(null, 0);
		if (null > 0)
			(void)close(null);
	}
	(void)sigprocmask(SIG_SETMASK, mask, NULL);
	_exit(cli_exec(argv));
}

static void on_tool(void *arg, int fd, uint32_t events)
{
	loop_stop(((struct build *)arg)->loop, 0);
}

/* What the terminal sends, make has got as well; what somebody sends us is meant for make. */
static void on_signal(void *arg, int fd, uint32_t events)
{
	struct build *b = arg;
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_code <= 0)
		(void)syscall(SYS_pidfd_send_signal, b->tool, (int)info.ssi_signo, NULL, 0);
}

static int begin(struct build *b, char **argv, const char *name, pid_t *ret, struct err *e)
{
	static const int signals[] = {SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2};
	pid_t parent = getpid();
	struct rlimit files;
	sigset_t set, mask;
	int fd, listening = make_listen(name);

	if (listening < 0)
		return err_set(e, listening, "no socket for the recipes: %s", strerror(-listening));
	(void)sigemptyset(&set);
	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		(void)sigaddset(&set, signals[i]);
	(void)sigprocmask(SIG_BLOCK, &set, &mask);
	*ret = fork();
	if (*ret == 0)
		become_tool(b, argv, parent, &mask);
	if (*ret < 0)
		return err_set(e, -errno, "no process can be started: %s", strerror(errno));
	b->tool = pidfd_of(*ret);
	if (getrlimit(RLIMIT_NOFILE, &files) == 0) { /* one for each recipe */
		files.rlim_cur = files.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &files);
	}
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (b->tool < 0 || fd < 0 || !loop_add_fd(b->loop, b->tool, EPOLLIN, on_tool, b) ||
	    !loop_add_fd(b->loop, listening, EPOLLIN, accept_job, b) ||
	    !loop_add_fd(b->loop, fd, EPOLLIN, on_signal, b) ||
	    !loop_add_timer(b->loop, clock_mono_ns() + MAKE_LOOK_NS, look, b)) {
		(void)kill(*ret, SIGTERM);
		return err_set(e, -ENOMEM, "make cannot be followed");
	}
	if (b->progress)
		progress(b);
	return 0;
}

static void finish(struct build *b)
{
	const char *page = cli_value(b->cx, "report");
	struct rusage used;
	double cpu = 0;
	int r;

	hide_progress(b);
	if (getrusage(RUSAGE_CHILDREN, &used) == 0)
		cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
		      (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
	if (!cli_given(b->cx, "quiet"))
		make_summary(&b->history, &b->nodes, cpu, stderr);
	r = page ? make_report(&b->history, &b->nodes, page) : 0;
	if (r < 0)
		(void)fprintf(stderr, "godwit make: the report %s cannot be written: %s\n", page, strerror(-r));
}

static int prepare(struct build *b, char *name, size_t cap, struct err *e)
{
	char library[512];
	uint64_t random_number = 0;

	(void)!getrandom(&random_number, sizeof(random_number), 0);
	srandom((unsigned)random_number);
	(void)snprintf(name, cap, "godwit-make-%d-%016" PRIx64, getpid(), random_number);
	if (client_path(b->cx->at, b->control, sizeof(b->control), e) < 0)
		return e->code;
	if (file_find_program("libgodwit-make.so", library, sizeof(library)) < 0)
		return err_set(e, -EIO, "libgodwit-make.so is not installed");
	if (make_nodes_init(&b->nodes, (double)sysconf(_SC_NPROCESSORS_ONLN)) < 0 || loop_new(&b->loop) < 0)
		return err_set(e, -ENOMEM, "out of memory");
	return set_environment(library, name, e);
}

int verb_make(struct cli *cx)
{
	const char *tool = cli_given(cx, "tool") ? cli_value(cx, "tool") : "make";
	struct build b = {.cx = cx, .daemon = CLIENT_INIT};
	_cleanup_free_ char **argv = NULL;
	struct err e = {0};
	char name[64];
	int status = 0;
	pid_t pid = -1;

	b.history.begin_ns = clock_mono_ns();
	b.progress = !cli_given(cx, "quiet") && isatty(2) && !isatty(1);
	if (prepare(&b, name, sizeof(name), &e) < 0) {
		(void)cli_fail(&e);
		return CLI_SELF;
	}
	look_first(&b);
	argv = tool_argv(&b, tool);
	if (!argv || begin(&b, argv, name, &pid, &e) < 0) {
		(void)cli_fail(&e);
		return CLI_SELF;
	}
	(void)loop_run(b.loop);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	finish(&b);
	return cli_end_as(status);
}
