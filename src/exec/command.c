/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of an executor: their descriptors, and what their keepers say.
 * Promise: a command is answered once, by EXEC_ERROR or EXEC_EXIT, unless it was cancelled; EXEC_EXIT comes behind all
 * that it has written. Must not: wait for a command, nor keep more of a stream than its window.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>
#include "../base/clock.h"
#include "../base/fault.h"
#include "../wire/reasons.h"
#include "executor.h"
#include "gate.h"
#include "keeper.h"

#define WORDS_MAX 262144 /* arguments, or variables: more than execve(2) takes */
#define QUIET_NS (100 * NSEC_PER_MSEC) /* of a terminal that others still hold when its command has ended */
#define PIPE_BYTES (256 * 1024)
#define CLIENT_UMASK 022 /* clients outside of the cluster have none that could be meant */

/* An output: 1, 2, or the terminal as 1. */
struct outlet {
	struct command *command;
	struct loop_watch *watch;
	int fd; /* -1: there is none, or it has ended */
	uint8_t number;
	uint64_t credit; /* bytes that may be sent */
};

struct inlet {
	struct loop_watch *watch;
	struct buf waiting;
	int fd;
	bool ended; /* nothing more comes */
	int unread; /* a reader of the pipe, once nothing more is written: to see what is left at the end */
	uint64_t written, used;
	uint32_t taken; /* written, and not given back to the sender's window yet */
};

struct command {
	struct command *next;
	struct executor *executor;
	uint32_t id;
	int keeper; /* socket */
	struct loop_watch *keeper_watch, *deadline;
	struct inlet in;
	struct outlet out[2];
	int master; /* of its terminal, else -1 */
	bool started, ended, told;
	int status;
	struct exec_usage usage;
};

static struct command *find(const struct executor *x, uint32_t id)
{
	struct command *c;

	for (c = x->commands; c && c->id != id; c = c->next)
		;
	return c;
}

static void outlet_close(struct outlet *o)
{
	loop_remove(take_ptr(o->watch));
	if (o->fd >= 0)
		(void)close(take_fd(&o->fd));
}

/* How much of what was written has been read by now? */
static void inlet_count(struct inlet *in)
{
	int rest = 0, fd = in->fd >= 0 ? in->fd : in->unread;

	if (fd < 0)
		return;
	if (ioctl(fd, FIONREAD, &rest) < 0 || rest < 0 || (uint64_t)rest > in->written)
		rest = 0;
	in->used = in->written - (uint64_t)rest;
}

static void inlet_close(struct inlet *in)
{
	loop_remove(take_ptr(in->watch));
	inlet_count(in);
	if (in->fd >= 0)
		(void)close(take_fd(&in->fd));
	if (in->unread >= 0)
		(void)close(take_fd(&in->unread));
	buf_release(&in->waiting);
}

/* The command is to find the end of its input, behind what it has not read yet. */
static void inlet_end(struct inlet *in)
{
	char path[40];

	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", in->fd);
	in->unread = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	loop_remove(take_ptr(in->watch));
	(void)close(take_fd(&in->fd));
}

/* With the keeper's socket everything ends that the command has left behind. */
static void command_free(struct command *c)
{
	struct executor *x = c->executor;
	struct command **p;

	for (p = &x->commands; *p != c; p = &(*p)->next)
		;
	*p = c->next;
	x->n_commands--;
	loop_remove(c->deadline);
	loop_remove(c->keeper_watch);
	if (c->keeper >= 0)
		(void)close(c->keeper);
	inlet_close(&c->in);
	outlet_close(&c->out[0]);
	outlet_close(&c->out[1]);
	if (c->master >= 0)
		(void)close(c->master);
	buf_release(&c->in.waiting);
	free(c);
}

static void say_error(struct executor *x, uint32_t id, enum exec_error kind, const struct err *e)
{
	struct wire_exec_error m = {
	    .id = id, .kind = (uint8_t)kind, .error = e->code, .reason = e->reason, .sentence = wire_str(e->text)};

	(void)!wire_exec_error_encode(&m, link_out(x->link));
	executor_flush(x);
}

static void command_fail(struct command *c, enum exec_error kind, const struct err *e)
{
	struct executor *x = c->executor;
	uint32_t id = c->id;

	command_free(c);
	say_error(x, id, kind, e);
}

/* Has it ended, and is all that it wrote sent? Then it is told. Processes that it has left behind may write on, as they
 * may where no executor is between; when they do not either, it is freed: true. */
static bool command_finish(struct command *c)
{
	struct executor *x = c->executor;
	struct wire_exec_exit m = {.id = c->id,
				   .status = c->status,
				   .user_us = c->usage.user_us,
				   .system_us = c->usage.system_us,
				   .max_rss_kb = c->usage.max_rss_kb};
	int i, unread;

	for (i = 0; i < 2; i++) {
		if (c->out[i].fd < 0)
			continue;
		m.more = 1;
		if (c->master >= 0 || ioctl(c->out[i].fd, FIONREAD, &unread) < 0 || unread > 0)
			return false;
	}
	if (!c->ended || (c->told && m.more))
		return false;
	inlet_close(&c->in);
	m.used = c->in.used;
	c->told = true;
	if (!m.more)
		command_free(c);
	(void)!wire_exec_exit_encode(&m, link_out(x->link));
	executor_flush(x);
	return !m.more;
}

/* ---- outputs --------------------------------------------------------------------------------------------------------
 */

static void outlet_event(void *arg, int fd, uint32_t events);

/* Not watched at all while it may not be read: the end of a pipe is reported unasked, again and again. */
static void outlet_watch(struct outlet *o)
{
	const struct executor *x = o->command->executor;
	bool want = o->fd >= 0 && o->credit && !x->full;

	if (want && !o->watch)
		o->watch = loop_add_fd(x->loop, o->fd, EPOLLIN, outlet_event, o);
	else if (!want)
		loop_remove(take_ptr(o->watch));
}

void commands_wake(struct executor *x)
{
	struct command *c;

	for (c = x->commands; c; c = c->next) {
		outlet_watch(&c->out[0]);
		outlet_watch(&c->out[1]);
	}
}

static void outlet_end(struct outlet *o)
{
	struct wire_exec_eof m = {.id = o->command->id, .fd = o->number};

	outlet_close(o);
	(void)!wire_exec_eof_encode(&m, link_out(o->command->executor->link));
}

/* A terminal that background processes hold open does not end with its command. */
static void quiet(void *arg)
{
	struct command *c = arg;

	c->deadline = NULL;
	outlet_close(&c->out[0]);
	(void)command_finish(c);
}

static void until_quiet(struct command *c)
{
	if (!c->ended || c->master < 0)
		return;
	loop_remove(c->deadline);
	c->deadline = loop_add_timer(c->executor->loop, clock_mono_ns() + QUIET_NS, quiet, c);
}

static void outlet_event(void *arg, int fd, uint32_t events)
{
	struct outlet *o = arg;
	struct command *c = o->command;
	struct executor *x = c->executor;
	struct wire_exec_data m = {.id = c->id, .fd = o->number};
	static uint8_t bytes[EXEC_CHUNK];
	ssize_t n = read(fd, bytes, o->credit < sizeof(bytes) ? (size_t)o->credit : sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0) {
		m.data = (struct wire_bytes){bytes, (size_t)n};
		o->credit -= (uint64_t)n;
		(void)!wire_exec_data_encode(&m, link_out(x->link));
		outlet_watch(o);
		until_quiet(c);
		if (command_finish(c))
			return;
	} else { /* the end of a pipe, EIO of a terminal */
		outlet_end(o);
		if (command_finish(c))
			return;
	}
	executor_flush(x);
}

int command_window(struct executor *x, const struct wire_exec_window *m)
{
	struct command *c = find(x, m->id);
	struct outlet *o;

	if (!c || m->fd < 1 || m->fd > 2)
		return c ? -EPROTO : 0;
	o = &c->out[m->fd - 1];
	if (o->fd < 0)
		return 0;
	o->credit += m->bytes;
	outlet_watch(o);
	return 0;
}

/* ---- input ----------------------------------------------------------------------------------------------------------
 */

static void inlet_lost(struct command *c)
{
	struct wire_exec_eof m = {.id = c->id, .fd = 0};

	inlet_close(&c->in);
	(void)!wire_exec_eof_encode(&m, link_out(c->executor->link));
}

/* Writes what the command takes. */
static void inlet_push(struct command *c)
{
	struct inlet *in = &c->in;
	struct wire_exec_window m = {.id = c->id, .fd = 0};
	ssize_t n;

	while (in->fd >= 0 && in->waiting.len) {
		n = write(in->fd, buf_head(&in->waiting), in->waiting.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0) {
			inlet_lost(c);
			return;
		}
		buf_consume(&in->waiting, (size_t)n);
		in->written += (uint64_t)n;
		in->taken += (uint32_t)n;
	}
	if (in->fd < 0)
		return;
	if (in->taken >= EXEC_WINDOW_BYTES / 4) {
		m.bytes = in->taken;
		in->taken = 0;
		(void)!wire_exec_window_encode(&m, link_out(c->executor->link));
	}
	/* A terminal's end is its command's; what the caller has typed last must be written out before. */
	if (!in->waiting.len && in->ended && c->master < 0)
		inlet_end(in);
	else
		(void)!loop_set_events(in->watch, in->waiting.len ? EPOLLOUT : 0);
}

static void inlet_event(void *arg, int fd, uint32_t events)
{
	struct command *c = arg;

	/* EPOLLERR: nobody reads it any more. The caller is told, so that it need not read its own input to the end. A
	 * terminal that nobody holds says EPOLLHUP. */
	if (events & (c->master < 0 ? EPOLLERR : EPOLLHUP))
		inlet_lost(c);
	else
		inlet_push(c);
	executor_flush(c->executor);
}

int command_data(struct executor *x, const struct wire_exec_data *m)
{
	struct command *c = find(x, m->id);

	if (!c || c->in.fd < 0)
		return 0; /* it has ended, or closed its input */
	if (m->fd != 0 || c->in.ended || c->in.waiting.len + m->data.len > EXEC_WINDOW_BYTES)
		return -EPROTO;
	if (buf_append(&c->in.waiting, m->data.data, m->data.len) < 0)
		return -ENOMEM;
	inlet_push(c);
	return 0;
}

int command_eof(struct executor *x, const struct wire_exec_eof *m)
{
	struct command *c = find(x, m->id);

	if (!c || m->fd > 2)
		return c ? -EPROTO : 0;
	if (m->fd == 0) {
		c->in.ended = true;
		inlet_push(c);
		return 0;
	}
	outlet_close(&c->out[m->fd - 1]);
	(void)command_finish(c);
	return 0;
}

/* ---- the keeper
 * ------------------------------------------------------------------------------------------------------ */

int command_signal(struct executor *x, const struct wire_exec_signal *m)
{
	struct command *c = find(x, m->id);
	struct keeper_order o = {.signo = m->signo, .group = m->group};

	if (c)
		(void)!send(c->keeper, &o, sizeof(o), MSG_NOSIGNAL | MSG_DONTWAIT);
	return 0;
}

int command_cancel(struct executor *x, const struct wire_exec_cancel *m)
{
	struct command *c = find(x, m->id);

	if (c)
		command_free(c);
	return 0;
}

int command_winsize(struct executor *x, const struct wire_exec_winsize *m)
{
	struct command *c = find(x, m->id);
	struct winsize w = {.ws_row = m->rows, .ws_col = m->cols};

	if (c && c->master >= 0)
		(void)ioctl(c->master, TIOCSWINSZ, &w);
	return 0;
}

static void on_note(struct command *c, const struct keeper_note *n)
{
	struct executor *x = c->executor;
	struct wire_exec_started started = {.id = c->id, .pid = n->value};
	struct wire_exec_stopped stopped = {.id = c->id, .signo = n->value};

	switch (n->kind) {
	case NOTE_STARTED:
		c->started = true;
		loop_remove(take_ptr(c->deadline));
		(void)!wire_exec_started_encode(&started, link_out(x->link));
		break;
	case NOTE_ERROR:
		command_fail(c, (enum exec_error)n->value, &n->err);
		return;
	case NOTE_STOPPED:
		x->paused = x->client;
		(void)!wire_exec_stopped_encode(&stopped, link_out(x->link));
		break;
	case NOTE_ENDED:
		c->ended = true;
		c->status = n->value;
		c->usage = n->usage;
		until_quiet(c);
		if (command_finish(c))
			return;
		break;
	}
	executor_flush(x);
}

static void keeper_event(void *arg, int fd, uint32_t events)
{
	struct command *c = arg;
	struct keeper_note n;
	struct err e = {0};
	ssize_t r = recv(fd, &n, sizeof(n), MSG_DONTWAIT);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r == sizeof(n)) {
		on_note(c, &n);
		return;
	}
	if (c->ended) { /* only its output still comes */
		loop_remove(take_ptr(c->keeper_watch));
		return;
	}
	(void)err_reason(&e, REASON_INTERNAL, -ECHILD, "the keeper of the command was killed");
	command_fail(c, EXEC_ERROR_LOST, &e);
}

static void start_late(void *arg)
{
	struct command *c = arg;
	struct err e = {0};

	c->deadline = NULL;
	(void)err_reason(&e, REASON_TIMEOUT, -ETIMEDOUT, "the command could not be started in %llu s",
			 EXEC_START_NS / NSEC_PER_SEC);
	command_fail(c, EXEC_ERROR_NODE, &e);
}

/* ---- start
 * ----------------------------------------------------------------------------------------------------------- */

/* The strings of the field as an array with a NULL at its end, which the caller frees. -EPROTO, -ENOMEM. */
static int words(struct wire_bytes b, char ***ret)
{
	char *p = (char *)(uintptr_t)b.data, *end = p + b.len, **list;
	size_t n = 0, i;

	if (b.len && end[-1])
		return -EPROTO;
	for (i = 0; i < b.len; i++)
		n += !p[i];
	if (n > WORDS_MAX)
		return -EPROTO;
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (i = 0; p < end; p += strlen(p) + 1)
		list[i++] = p;
	*ret = list;
	return 0;
}

static int limits_from(struct rlimit limits[RLIM_NLIMITS], struct wire_bytes b)
{
	uint64_t v[2 * RLIM_NLIMITS];
	int i;

	if (b.len != sizeof(v))
		return -EPROTO;
	memcpy(v, b.data, sizeof(v));
	for (i = 0; i < RLIM_NLIMITS; i++) {
		limits[i].rlim_cur = v[(size_t)2 * i];
		limits[i].rlim_max = v[(size_t)2 * i + 1];
	}
	return 0;
}

/* A pipe; ours is the end `mine`, and does not block. */
static int make_pipe(int mine, int *ret_mine, int *ret_its)
{
	int p[2];

	if (pipe2(p, O_CLOEXEC) < 0)
		return -errno;
	(void)fcntl(p[mine], F_SETFL, O_NONBLOCK);
	(void)fcntl(p[mine], F_SETPIPE_SZ, PIPE_BYTES); /* refused to who has many: then it is smaller */
	*ret_mine = p[mine];
	*ret_its = p[!mine];
	return 0;
}

static int make_terminal(struct command *c, const struct wire_exec_start *m, char *path, size_t cap)
{
	struct winsize w = {.ws_row = m->rows, .ws_col = m->cols};
	struct termios t;

	c->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (c->master < 0 || grantpt(c->master) < 0 || unlockpt(c->master) < 0 || ptsname_r(c->master, path, cap) != 0)
		return -errno;
	(void)ioctl(c->master, TIOCSWINSZ, &w);
	if (m->termios.len == sizeof(t)) {
		memcpy(&t, m->termios.data, sizeof(t));
		(void)tcsetattr(c->master, TCSANOW, &t);
	}
	return 0;
}

/* Both ends of what the command's descriptors are to be. */
static int make_streams(struct command *c, const struct wire_exec_start *m, struct keeper_start *s, char *tty,
			size_t cap)
{
	int i, r = m->tty ? make_terminal(c, m, tty, cap) : 0;

	if (r == 0 && m->tty)
		s->tty = tty;
	for (i = 0; i < 3 && r == 0; i++) {
		if (!(m->open >> i & 1))
			continue;
		if (m->tty >> i & 1)
			s->fd[i] = KEEPER_TTY;
		else if (i == 0)
			r = make_pipe(1, &c->in.fd, &s->fd[0]);
		else if (i == 2 && m->merged && m->open & 2 && !(m->tty & 2))
			s->fd[2] = s->fd[1];
		else
			r = make_pipe(0, &c->out[i - 1].fd, &s->fd[i]);
	}
	if (r < 0 || c->master < 0)
		return r;
	if (m->tty & 1 && (c->in.fd = fcntl(c->master, F_DUPFD_CLOEXEC, 3)) < 0)
		return -errno;
	/* Whatever of the outputs is the terminal comes through its one master. */
	if (m->tty & 6 && (c->out[m->tty & 2 ? 0 : 1].fd = fcntl(c->master, F_DUPFD_CLOEXEC, 3)) < 0)
		return -errno;
	return 0;
}

static int watch_streams(struct command *c)
{
	struct loop *l = c->executor->loop;
	int i;

	if (c->in.fd >= 0 && !(c->in.watch = loop_add_fd(l, c->in.fd, 0, inlet_event, c)))
		return -ENOMEM;
	for (i = 0; i < 2; i++)
		outlet_watch(&c->out[i]);
	c->keeper_watch = loop_add_fd(l, c->keeper, EPOLLIN, keeper_event, c);
	c->deadline = loop_add_timer(l, clock_mono_ns() + EXEC_START_NS, start_late, c);
	return c->keeper_watch && c->deadline ? 0 : -ENOMEM;
}

static struct command *command_new(struct executor *x, const struct wire_exec_start *m)
{
	struct command *c = calloc(1, sizeof(*c));
	int i;

	if (!c)
		return NULL;
	*c = (struct command){.next = x->commands, .executor = x, .id = m->id, .keeper = -1, .master = -1};
	c->in.fd = c->in.unread = -1;
	buf_init(&c->in.waiting, EXEC_WINDOW_BYTES);
	for (i = 0; i < 2; i++)
		c->out[i] = (struct outlet){.command = c, .fd = -1, .number = (uint8_t)(i + 1), .credit = m->window};
	x->commands = c;
	x->n_commands++;
	return c;
}

static int launch(struct command *c, const struct wire_exec_start *m, struct keeper_start *s)
{
	char tty[64];
	pid_t pid;
	int i, r = make_streams(c, m, s, tty, sizeof(tty));

	if (r == 0) {
		pid = keeper_fork(s, &c->keeper);
		r = pid < 0 ? (int)pid : executor_keeper(c->executor, pid);
	}
	for (i = 0; i < 3; i++)
		if (s->fd[i] >= 0 && !(i == 2 && s->fd[2] == s->fd[1]))
			(void)close(s->fd[i]);
	return r < 0 ? r : watch_streams(c);
}

/* Starts what was described; an error is told to the other end. */
static void begin(struct executor *x, const struct wire_exec_start *m, struct keeper_start *s)
{
	struct command *c;
	struct err e = {0};
	int r;

	if (x->n_commands >= 2 * EXEC_COMMANDS_MAX || fault_point(FAULT_EXECUTOR_START) < 0) {
		(void)err_reason(&e, REASON_BUSY, -EBUSY, "it executes too much already");
		say_error(x, m->id, EXEC_ERROR_NODE, &e);
		return;
	}
	c = command_new(x, m);
	r = c ? launch(c, m, s) : -ENOMEM;
	if (r == 0)
		return;
	(void)err_reason(&e, REASON_INTERNAL, r, "it cannot start a process: %s", strerror(-r));
	if (c)
		command_fail(c, EXEC_ERROR_NODE, &e);
	else
		say_error(x, m->id, EXEC_ERROR_NODE, &e);
}

int command_start(struct executor *x, const struct wire_exec_start *m)
{
	static struct keeper_start s; /* too big for comfort on a stack */
	_cleanup_free_ char **argv = NULL, **env = NULL;
	struct err e = {0};
	int r;

	s = (struct keeper_start){
	    .ignored = m->ignored, .blocked = m->blocked, .mask = m->mask & 0777, .nice = m->nice, .fd = {-1, -1, -1}};
	if (x->client || find(x, m->id) || !m->id || place_from_wire(&s.place, m) < 0 ||
	    limits_from(s.limits, m->limits) < 0)
		return -EPROTO;
	r = words(m->argv, &argv);
	if (r == 0)
		r = words(m->env, &env);
	if (r < 0 || !argv[0])
		return r == -ENOMEM ? r : -EPROTO;
	s.argv = argv;
	s.env = env;
	if (x->daemon < 0) {
		say_error(x, m->id, EXEC_ERROR_AGAIN, &e);
		return 0;
	}
	begin(x, m, &s);
	return 0;
}

int command_client(struct executor *x, const struct wire_client_start *m)
{
	static struct keeper_start s;
	static struct gate g; /* too big for comfort on a stack */
	struct wire_exec_start start = {.id = m->id,
					.open = m->open & 7,
					.tty = m->tty & 7,
					.merged = m->merged,
					.rows = m->rows,
					.cols = m->cols,
					.window = m->window};
	struct err e = {0};
	int i;

	if (!x->client || x->served || !m->id)
		return -EPROTO;
	x->served = true;
	s = (struct keeper_start){.mask = CLIENT_UMASK, .relay = true, .fd = {-1, -1, -1}};
	for (i = 0; i < RLIM_NLIMITS; i++)
		(void)getrlimit((__rlimit_resource_t)i, &s.limits[i]);
	s.limits[RLIMIT_NOFILE].rlim_cur = x->files; /* ours was raised */
	if (gate_start(&g, m, x->run, &s.place, &e) < 0) {
		say_error(x, m->id, EXEC_ERROR_PLACE, &e);
	} else {
		s.argv = g.argv;
		s.env = g.env;
		begin(x, &start, &s);
	}
	gate_release(&g);
	return 0;
}
