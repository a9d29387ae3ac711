/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * godwit exec while the command runs: streams, signals, terminal.
 * Promise: nothing is read from standard input before the command has begun, nor more than its window; what it has not
 * read of a file is left to whoever reads next; each signal reaches the command as it reached this process, alone or
 * with its group; the terminal is left as it was found. Must not: make a descriptor of the caller non-blocking, which
 * others may have open, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kcmp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/clock.h"
#include "cli.h"
#include "client.h"
#include "exec.h"
#include "exec/exec.h"
#include "reason.h"

#define OPEN_SECONDS 10
#define BACKGROUND_MS 500 /* how often we look whether the terminal is ours to read */
#define SMALL 4096 /* what a pipe takes whole when poll(2) says that there is room */

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM, SIGTSTP, SIGCONT, SIGWINCH};

struct caught_signal {
	int signo;
	bool group;
};

static int signal_pipe[2] = {-1, -1};

struct outlet {
	struct buf waiting;
	uint32_t written; /* and not told yet */
	bool closed; /* nobody reads it here */
};

struct carrying {
	struct exec_session *s;
	struct outlet out[3];
	bool in_open;
	uint64_t in_credit, in_sent;
	int64_t in_start; /* offset of a file, -1: it has none */
	bool raw;
	bool ended; /* the command has, and its result is known */
	bool over; /* nothing more comes */
	enum exec_result result;
	uint64_t used;
};

/* ---- what the caller has
 * --------------------------------------------------------------------------------------------- */

static bool same_file(int a, int b)
{
	struct stat x, y;
	long r = syscall(SYS_kcmp, getpid(), getpid(), KCMP_FILE, a, b);

	if (r == 0)
		return true;
	/* Opened twice, a pipe or terminal still is one stream; of files that is another matter. */
	return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino &&
	       !S_ISREG(x.st_mode);
}

void exec_look(struct exec_session *s, bool no_stdin, bool no_tty)
{
	struct sigaction sa;
	int i;

	for (i = 0; i < 3; i++) {
		if (fcntl(i, F_GETFD) >= 0)
			s->open |= (uint8_t)(1 << i);
		else
			(void)!open("/dev/null", O_RDWR | O_CLOEXEC); /* so that nothing of ours gets that number */
	}
	if (no_stdin) {
		i = open("/dev/null", O_RDWR);
		s->open |= (uint8_t)(i >= 0 && dup2(i, 0) == 0);
		if (i > 0)
			(void)close(i);
	}
	for (i = 1; i < NSIG; i++)
		if (sigaction(i, NULL, &sa) == 0 && sa.sa_handler == SIG_IGN)
			s->ignored |= 1ULL << (i - 1);
	s->merged = (s->open & 6) == 6 && same_file(1, 2);
	if (no_tty || no_stdin || !(s->open & 1) || !isatty(0) || !isatty(1) || tcgetattr(0, &s->termios) < 0)
		return;
	for (i = 0; i < 3; i++)
		if (s->open >> i & 1 && isatty(i))
			s->tty |= (uint8_t)(1 << i);
}

/* ---- signals
 * ---------------------------------------------------------------------------------------------------------- */

static void on_signal(int signo, siginfo_t *info, void *context)
{
	/* What the kernel sends, the terminal has sent to the whole process group. */
	struct caught_signal c = {.signo = signo, .group = info->si_code > 0};
	int saved = errno;

	(void)context;
	/* So does the keeper of a client outside of the cluster. */
	c.group |= info->si_code == SI_QUEUE && info->si_value.sival_int == EXEC_SIGNAL_GROUP;
	(void)!write(signal_pipe[1], &c, sizeof(c));
	errno = saved;
}

static void catch_signals(const struct exec_session *s)
{
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	(void)signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		if (!(s->ignored >> (caught[i] - 1) & 1))
			(void)sigaction(caught[i], &sa, NULL);
}

static void release_signals(const struct exec_session *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(caught); i++)
		if (!(s->ignored >> (caught[i] - 1) & 1))
			(void)signal(caught[i], SIG_DFL);
	if (!(s->ignored >> (SIGPIPE - 1) & 1))
		(void)signal(SIGPIPE, SIG_DFL);
}

/* ---- the terminal
 * ------------------------------------------------------------------------------------------------------ */

static bool in_foreground(void)
{
	return tcgetpgrp(0) == getpgrp();
}

/* Keys go to the command's terminal as they are; that one makes lines and signals of them. */
static void terminal_raw(struct carrying *c)
{
	struct termios t = c->s->termios;

	if (c->raw || !(c->s->tty & 1) || !in_foreground())
		return;
	cfmakeraw(&t);
	c->raw = tcsetattr(0, TCSADRAIN, &t) == 0;
}

static void terminal_restore(struct carrying *c)
{
	if (c->raw)
		(void)tcsetattr(0, TCSADRAIN, &c->s->termios);
	c->raw = false;
}

static void say_signal(struct carrying *c, int signo, bool group)
{
	struct wire_exec_signal m = {.signo = signo, .group = group};

	(void)!wire_exec_signal_encode(&m, &c->s->f.out);
}

static void say_winsize(struct carrying *c)
{
	struct wire_exec_winsize m = {.rows = 0};
	struct winsize w;

	if (!(c->s->tty & 1) || ioctl(0, TIOCGWINSZ, &w) < 0)
		return;
	m.rows = w.ws_row;
	m.cols = w.ws_col;
	(void)!wire_exec_winsize_encode(&m, &c->s->f.out);
}

/* The command stands still: so do we, that the shell sees it. */
static void stop_too(struct carrying *c)
{
	if (frames_flush(&c->s->f) < 0)
		return;
	terminal_restore(c);
	(void)raise(SIGSTOP);
	terminal_raw(c);
	say_winsize(c);
	say_signal(c, SIGCONT, true);
}

static void on_caught(struct carrying *c)
{
	struct caught_signal k;

	while (read(signal_pipe[0], &k, sizeof(k)) == sizeof(k)) {
		if (k.signo == SIGWINCH) {
			say_winsize(c);
		} else if (k.signo == SIGCONT) {
			terminal_raw(c);
			say_signal(c, k.signo, true);
		} else {
			say_signal(c, k.signo, k.group);
		}
	}
}

/* ---- streams
 * ------------------------------------------------------------------------------------------------------------ */

/* Reads without waiting where the kernel can do that; where it cannot, after poll(2) that it need not. */
static ssize_t read_some(int fd, void *p, size_t n)
{
	struct iovec v = {p, n};
	ssize_t r = preadv2(fd, &v, 1, -1, RWF_NOWAIT);
	struct stat st;

	if (r >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EAGAIN && errno != EINVAL && errno != ESPIPE))
		return r;
	if (errno == EAGAIN && fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		return -1;
	return read(fd, p, n);
}

static ssize_t write_some(int fd, const void *p, size_t n)
{
	struct iovec v = {(void *)(uintptr_t)p, n};
	struct stat st;
	ssize_t r;

	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return write(fd, p, n);
	r = pwritev2(fd, &v, 1, -1, RWF_NOWAIT);
	if (r >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EINVAL && errno != ESPIPE))
		return r;
	r = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (r >= 0 || errno != ENOTSOCK)
		return r;
	return write(fd, p, n < SMALL ? n : SMALL);
}

static void say_eof(struct carrying *c, uint8_t fd)
{
	struct wire_exec_eof m = {.fd = fd};

	(void)!wire_exec_eof_encode(&m, &c->s->f.out);
}

static void read_input(struct carrying *c)
{
	static uint8_t bytes[EXEC_CHUNK];
	struct wire_exec_data m = {.fd = 0};
	ssize_t n = read_some(0, bytes, c->in_credit < sizeof(bytes) ? (size_t)c->in_credit : sizeof(bytes));

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		c->in_open = false;
		say_eof(c, 0);
		return;
	}
	m.data = (struct wire_bytes){bytes, (size_t)n};
	c->in_credit -= (uint64_t)n;
	c->in_sent += (uint64_t)n;
	(void)!wire_exec_data_encode(&m, &c->s->f.out);
}

/* Writes what there is room for, and lets the command send as much again. */
static void write_output(struct carrying *c, int fd)
{
	struct outlet *o = &c->out[fd];
	struct wire_exec_window m = {.fd = (uint8_t)fd};
	ssize_t n;

	if (!o->waiting.len)
		return;
	n = write_some(fd, buf_head(&o->waiting), o->waiting.len);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		/* The command is to find what it would find here: that nobody reads it. */
		o->closed = true;
		buf_release(&o->waiting);
		if (!c->over)
			say_eof(c, (uint8_t)fd);
		return;
	}
	buf_consume(&o->waiting, (size_t)n);
	o->written += (uint32_t)n;
	if (o->written < EXEC_WINDOW_BYTES / 8 || c->over)
		return;
	m.bytes = o->written;
	o->written = 0;
	(void)!wire_exec_window_encode(&m, &c->s->f.out);
}

/* ---- messages
 * ------------------------------------------------------------------------------------------------------------ */

static void over(struct carrying *c, enum exec_result result)
{
	c->over = true;
	c->result = result;
}

static int unhex(const char *text, uint8_t *out, size_t cap, size_t *ret)
{
	size_t n = strlen(text);
	unsigned v;

	if (n % 2 || n / 2 > cap)
		return -EINVAL;
	for (size_t i = 0; i < n / 2; i++) {
		if (sscanf(text + 2 * i, "%2x", &v) != 1)
			return -EINVAL;
		out[i] = (uint8_t)v;
	}
	*ret = n / 2;
	return 0;
}

/* The broker has no link to the node yet: the daemon is asked, who knows who we are. */
static int on_need(struct carrying *c, struct err *e)
{
	_cleanup_json_ json_t *params = json_pack("{s:s}", "node", c->s->node), *reply = NULL;
	struct wire_exec_link m = {.node = wire_str(c->s->node)};
	const char *address, *link, *key;
	uint8_t psk[64];
	size_t n;

	if (client_ask(c->s->at, "ExecOpen", json_incref(params), OPEN_SECONDS, &reply, e) < 0)
		return e->code;
	if (json_is_true(json_object_get(reply, "self"))) {
		over(c, EXEC_HERE);
		return 0;
	}
	address = json_string_value(json_object_get(reply, "address"));
	link = json_string_value(json_object_get(reply, "link"));
	key = json_string_value(json_object_get(reply, "key"));
	if (!address || !link || !key || unhex(key, psk, sizeof(psk), &n) < 0)
		return err_reason(e, CLI_REASON_PROTOCOL, -EPROTO, "the answer of the daemon cannot be read");
	m.address = wire_str(address);
	m.port = (uint16_t)json_integer_value(json_object_get(reply, "port"));
	m.link_id = strtoull(link, NULL, 16);
	m.psk = (struct wire_bytes){psk, n};
	return wire_exec_link_encode(&m, &c->s->f.out);
}

static enum exec_result on_error(const struct wire_exec_error *m, const char *node, struct err *e)
{
	char text[ERR_TEXT_MAX];

	wire_str_copy(text, sizeof(text), m->sentence);
	(void)err_reason(e, m->reason, m->error < 0 ? (int)m->error : -EIO, "%s", text);
	if (m->kind == EXEC_ERROR_COMMAND)
		return EXEC_NO_COMMAND;
	if (m->kind != EXEC_ERROR_LOST && strncmp(text, node, strlen(node)) != 0)
		(void)err_prefix(e, "%s", node);
	return m->kind == EXEC_ERROR_LOST ? EXEC_LOST : EXEC_NOT_BEGUN;
}

static int on_data(struct carrying *c, const struct wire_exec_data *m)
{
	struct outlet *o;

	if (m->fd < 1 || m->fd > 2)
		return -EPROTO;
	o = &c->out[m->fd];
	if (o->closed)
		return 0;
	if (o->waiting.len + m->data.len > EXEC_WINDOW_BYTES)
		return -EPROTO;
	return buf_append(&o->waiting, m->data.data, m->data.len);
}

#define ON(NAME, name, action)                                     \
	case WIRE_##NAME: {                                        \
		struct wire_##name m;                              \
                                                                   \
		if (wire_##name##_decode(&m, body, h->length) < 0) \
			return -EPROTO;                            \
		action;                                            \
		return 0;                                          \
	}

static void begun(struct carrying *c)
{
	c->s->started = true;
	catch_signals(c->s); /* until now they end this process, which ends the command */
	c->in_credit = EXEC_WINDOW_BYTES;
	terminal_raw(c);
	say_winsize(c); /* it may have changed meanwhile */
}

static void ended(struct carrying *c, const struct wire_exec_exit *m)
{
	if (!c->ended) {
		c->s->status = m->status;
		c->s->usage = (struct exec_usage){m->user_us, m->system_us, m->max_rss_kb};
		c->used = m->used;
	}
	c->ended = true;
	c->in_open = false;
	c->result = EXEC_DONE;
	if (!m->more)
		over(c, EXEC_DONE);
}

static int frame(struct carrying *c, const struct wire_header *h, const uint8_t *body, struct err *e)
{
	c->s->heard = true;
	switch (h->type) {
		ON(EXEC_NEED, exec_need, if (on_need(c, e) < 0) over(c, EXEC_NOT_BEGUN))
		ON(EXEC_STARTED, exec_started, begun(c))
		ON(EXEC_ERROR, exec_error, over(c, on_error(&m, c->s->node, e)))
		ON(EXEC_EXIT, exec_exit, ended(c, &m))
		ON(EXEC_STOPPED, exec_stopped, stop_too(c))
		ON(EXEC_DATA, exec_data, return on_data(c, &m))
		ON(EXEC_WINDOW, exec_window, c->in_credit += m.fd == 0 ? m.bytes : 0)
		ON(EXEC_EOF, exec_eof, c->in_open = c->in_open && m.fd != 0)
	default:
		return 0; /* EXEC_PING greets */
	}
}

static void lost(struct carrying *c, struct err *e)
{
	if (c->ended) { /* what others had to say is lost, but not the command */
		over(c, EXEC_DONE);
		return;
	}
	if (!c->s->heard) {
		over(c, EXEC_RETRY);
		return;
	}
	(void)err_reason(e, CLI_REASON_LINK_LOST, -ECONNRESET,
			 c->s->started
			     ? "the broker (godwit-execd) was lost; what has become of the command is not known"
			     : "the broker (godwit-execd) was lost");
	over(c, c->s->started ? EXEC_LOST : EXEC_NOT_BEGUN);
}

static void on_broker(struct carrying *c, struct err *e)
{
	struct wire_header h;
	uint8_t *body;
	int r = frames_fill(&c->s->f);
	bool gone = r < 0 && r != -EAGAIN;

	while (!c->over && (r = frames_next(&c->s->f, &h, &body)) > 0)
		if ((r = frame(c, &h, body, e)) < 0)
			break;
	if (!c->over && (gone || r < 0))
		lost(c, e);
}

/* ---- the loop
 * -------------------------------------------------------------------------------------------------------------- */

enum { P_SIGNALS, P_BROKER, P_IN, P_OUT, P_ERR, P__MAX };

static int wanted(struct carrying *c, struct pollfd p[P__MAX])
{
	bool terminal = c->in_open && isatty(0), mine = !terminal || in_foreground();
	int i;

	if (mine)
		terminal_raw(c);
	for (i = 0; i < P__MAX; i++)
		p[i] = (struct pollfd){.fd = -1};
	p[P_SIGNALS] = (struct pollfd){.fd = signal_pipe[0], .events = POLLIN};
	if (!c->over)
		p[P_BROKER] = (struct pollfd){.fd = c->s->f.fd,
					      .events = (short)(POLLIN | (c->s->f.out.len ? POLLOUT : 0))};
	if (!c->over && c->in_open && c->in_credit && c->s->started && mine && c->s->f.out.len < EXEC_WINDOW_BYTES)
		p[P_IN] = (struct pollfd){.fd = 0, .events = POLLIN};
	for (i = 1; i < 3; i++)
		if (c->out[i].waiting.len)
			p[P_IN + i] = (struct pollfd){.fd = i, .events = POLLOUT};
	return mine ? -1 : BACKGROUND_MS;
}

static void step(struct carrying *c, struct err *e)
{
	struct pollfd p[P__MAX];
	int i, timeout, r = c->over ? 0 : frames_flush(&c->s->f);

	/* What the broker said last is still to be read. */
	if (r < 0 && r != -EAGAIN) {
		on_broker(c, e);
		if (!c->over)
			lost(c, e);
		return;
	}
	timeout = wanted(c, p);
	if (poll(p, P__MAX, timeout) < 0)
		return; /* EINTR: the pipe tells */
	if (p[P_SIGNALS].revents)
		on_caught(c);
	if (p[P_BROKER].revents & (POLLIN | POLLHUP | POLLERR))
		on_broker(c, e);
	if (p[P_IN].revents && !c->over)
		read_input(c);
	for (i = 1; i < 3; i++)
		if (p[P_IN + i].revents)
			write_output(c, i);
}

/* The command has ended, but processes that it has started still hold its outputs. Here they would outlive it, and
 * their output would come when it comes; so a process of ours does as well. */
static void leave_behind(struct carrying *c, struct err *e)
{
	pid_t pid;

	(void)fflush(NULL);
	pid = fork();
	if (pid > 0)
		return;
	while (!c->over || c->out[1].waiting.len || c->out[2].waiting.len)
		step(c, e);
	if (pid == 0)
		_exit(0);
}

enum exec_result exec_carry(struct exec_session *s, struct err *e)
{
	struct carrying c = {.s = s, .in_open = s->open & 1, .in_start = -1, .result = EXEC_LOST};
	struct stat st;
	int i;

	if (signal_pipe[0] < 0 && pipe2(signal_pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
		(void)err_set(e, -errno, "no pipe: %s", strerror(errno));
		return EXEC_NOT_BEGUN;
	}
	for (i = 1; i < 3; i++)
		buf_init(&c.out[i].waiting, 0);
	if (c.in_open && fstat(0, &st) == 0 && S_ISREG(st.st_mode))
		c.in_start = lseek(0, 0, SEEK_CUR);
	while (!(c.over || c.ended) || c.out[1].waiting.len || c.out[2].waiting.len)
		step(&c, e);
	if (!c.over)
		leave_behind(&c, e);
	/* A file goes on where the command has left it, as it would have if that had read it itself. */
	if (c.result == EXEC_DONE && c.in_start >= 0 && c.used < c.in_sent)
		(void)lseek(0, c.in_start + (off_t)c.used, SEEK_SET);
	terminal_restore(&c);
	release_signals(s);
	for (i = 1; i < 3; i++)
		buf_release(&c.out[i].waiting);
	return c.result;
}
