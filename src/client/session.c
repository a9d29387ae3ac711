/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See session.h. */
#include "session.h"

#include <errno.h>
#include <string.h>
#include "../exec/exec.h"
#include "../wire/wire.h"
#include "sys.h"
#include "tls.h"

#define CONNECT_MS 5000
#define READY_MS 12000 /* the daemon's answer, for which an executor is started */
#define MS(ns) ((ns) / NSEC_PER_MSEC)
#define ID 1 /* of the one command */

struct outlet {
	struct buf waiting;
	uint32_t written; /* and not told yet */
	bool closed;
};

struct session {
	const struct session_orders *o;
	struct tls tls;
	struct outlet out[3];
	uint8_t open, tty;
	bool merged, in_open, started, over;
	uint64_t in_credit, said_ms, heard_ms;
	int status;
};

/* ---- the daemon ---------------------------------------------------------------------------------------------------
 */

/* Waits for one frame. -errno with e */
static int await(struct tls *t, struct wire_header *h, const uint8_t **body, unsigned ms, struct err *e)
{
	uint64_t end = sys_ms() + ms, now;
	int r;

	for (;;) {
		if (tls_flush(t, e) < 0)
			return e->code;
		r = tls_next(t, h, body);
		if (r != 0)
			return r < 0 ? err_set(e, r, "it says what cannot be understood") : 0;
		r = tls_fill(t, e);
		if (r < 0)
			return r;
		now = sys_ms();
		if (now >= end)
			return err_set(e, -ETIMEDOUT, "it does not answer");
		struct sys_wait w = {.socket = t->socket, .send = t->blocked, .ms = (unsigned)(end - now)};

		if (r == 0)
			sys_wait(&w);
	}
}

/* Asks for an executor: where it waits for us, and by which key it knows us. */
static int ask(const struct key *k, uint64_t *ret_link, uint8_t psk[TLS_KEY_MAX], size_t *ret_len, struct err *e)
{
	struct wire_client_open m = {.protocol = WIRE_PROTOCOL};
	struct wire_client_ready ready;
	struct wire_header h;
	const uint8_t *body;
	struct tls t = {0};
	int r = tls_open(&t, k->address, k->port, WIRE_KIND_CLIENT, k->id, k->secret, sizeof(k->secret), CONNECT_MS, e);

	if (r == -EACCES)
		(void)err_set(e, r,
			      "it does not know this key: the key is wrong or was revoked long ago, or that is another "
			      "machine now, or another version of Godwit");
	if (r == 0)
		r = wire_client_open_encode(&m, &t.out);
	if (r == 0)
		r = await(&t, &h, &body, READY_MS, e);
	if (r == 0 && (h.type != WIRE_CLIENT_READY || wire_client_ready_decode(&ready, body, h.length) < 0))
		r = err_set(e, -EPROTO, "it says what cannot be understood");
	if (r == 0 && ready.error) {
		r = ready.error < 0 ? (int)ready.error : -EIO;
		e->code = r;
		(void)wire_str_copy(e->text, sizeof(e->text), ready.sentence);
	} else if (r == 0) {
		*ret_link = ready.link_id;
		*ret_len = ready.psk.len;
		memcpy(psk, ready.psk.data, ready.psk.len); /* at most 64: the decoder has seen to it */
	}
	tls_close(&t);
	return r;
}

/* ---- streams and signals ------------------------------------------------------------------------------------------
 */

static void say_eof(struct session *s, uint8_t fd)
{
	struct wire_exec_eof m = {.id = ID, .fd = fd};

	(void)!wire_exec_eof_encode(&m, &s->tls.out);
}

static void say_size(struct session *s)
{
	struct wire_exec_winsize m = {.id = ID};

	if (s->tty & 1 && sys_size(&m.rows, &m.cols))
		(void)!wire_exec_winsize_encode(&m, &s->tls.out);
}

static void say_signal(struct session *s, int signo, bool group)
{
	struct wire_exec_signal m = {.id = ID, .signo = signo, .group = group};

	(void)!wire_exec_signal_encode(&m, &s->tls.out);
}

static void pass_signals(struct session *s)
{
	bool group;
	int signo;

	while (sys_signal(&signo, &group)) {
		if (signo == SYS_CONT && s->tty & 1)
			sys_raw(true);
		if (signo == SYS_WINCH)
			say_size(s);
		else
			say_signal(s, signo, group || signo == SYS_CONT);
	}
}

static void read_input(struct session *s)
{
	static uint8_t bytes[EXEC_CHUNK];
	struct wire_exec_data m = {.id = ID};
	long n = sys_read(bytes, s->in_credit < sizeof(bytes) ? (size_t)s->in_credit : sizeof(bytes));

	if (n < 0)
		return;
	if (n == 0) {
		s->in_open = false;
		say_eof(s, 0);
		return;
	}
	m.data = (struct wire_bytes){bytes, (size_t)n};
	s->in_credit -= (uint64_t)n;
	(void)!wire_exec_data_encode(&m, &s->tls.out);
}

static void write_output(struct session *s, int fd)
{
	struct outlet *o = &s->out[fd];
	struct wire_exec_window m = {.id = ID, .fd = (uint8_t)fd};
	long n = sys_write(fd, buf_head(&o->waiting), o->waiting.len);

	if (n == -1)
		return;
	if (n < 0) { /* the command is to find that nobody reads it */
		o->closed = true;
		buf_clear(&o->waiting);
		if (!s->over)
			say_eof(s, (uint8_t)fd);
		return;
	}
	buf_consume(&o->waiting, (size_t)n);
	o->written += (uint32_t)n;
	if (o->written < EXEC_WINDOW_BYTES / 8 || s->over)
		return;
	m.bytes = o->written;
	o->written = 0;
	(void)!wire_exec_window_encode(&m, &s->tls.out);
}

/* ---- messages -----------------------------------------------------------------------------------------------------
 */

static int on_data(struct session *s, const struct wire_exec_data *m, struct err *e)
{
	struct outlet *o = &s->out[m->fd <= 2 ? m->fd : 0];

	if (m->fd < 1 || m->fd > 2 || o->waiting.len + m->data.len > EXEC_WINDOW_BYTES)
		return err_set(e, -EPROTO, "more has come than was asked for");
	if (o->closed)
		return 0;
	return buf_append(&o->waiting, m->data.data, m->data.len) < 0 ? err_set(e, -ENOMEM, "out of memory") : 0;
}

static void begun(struct session *s)
{
	s->started = true;
	sys_catch(); /* until now they end this program, which ends the command */
	s->in_credit = EXEC_WINDOW_BYTES;
	if (s->tty & 1)
		sys_raw(true);
	say_size(s); /* it may have changed meanwhile */
}

/* The command stands still: so do we, that the shell sees it. */
static void stop_too(struct session *s)
{
	struct err e;

	(void)!tls_flush(&s->tls, &e); /* an error is found again */
	if (s->tty & 1)
		sys_raw(false);
	sys_stop();
	s->heard_ms = sys_ms();
	if (s->tty & 1)
		sys_raw(true);
	say_size(s);
	say_signal(s, SYS_CONT, true);
}

static int on_error(const struct wire_exec_error *m, struct err *e)
{
	(void)wire_str_copy(e->text, sizeof(e->text), m->sentence);
	e->code = m->kind == EXEC_ERROR_LOST               ? -ECANCELED
		  : m->error < 0 && m->error != -ECANCELED ? (int)m->error
							   : -EIO;
	return e->code;
}

#define ON(NAME, name, action)                                                           \
	case WIRE_##NAME: {                                                              \
		struct wire_##name m;                                                    \
                                                                                         \
		if (wire_##name##_decode(&m, body, h->length) < 0)                       \
			return err_set(e, -EPROTO, "it says what cannot be understood"); \
		action;                                                                  \
		return 0;                                                                \
	}

static int on_frame(struct session *s, const struct wire_header *h, const uint8_t *body, struct err *e)
{
	switch (h->type) {
		ON(EXEC_STARTED, exec_started, begun(s))
		ON(EXEC_ERROR, exec_error, return on_error(&m, e))
		ON(EXEC_EXIT, exec_exit, s->status = m.status; s->over = true)
		ON(EXEC_STOPPED, exec_stopped, stop_too(s))
		ON(EXEC_DATA, exec_data, return on_data(s, &m, e))
		ON(EXEC_WINDOW, exec_window, s->in_credit += m.fd == 0 ? m.bytes : 0)
		ON(EXEC_EOF, exec_eof, s->in_open = s->in_open && m.fd != 0)
	default:
		return 0; /* EXEC_PING, EXEC_GOING */
	}
}

static int take_frames(struct session *s, struct err *e)
{
	struct wire_header h;
	const uint8_t *body;
	int r;

	do {
		while (!s->over && (r = tls_next(&s->tls, &h, &body)) != 0) {
			if (r < 0)
				return err_set(e, r, "it says what cannot be understood");
			s->heard_ms = sys_ms();
			r = on_frame(s, &h, body, e);
			if (r < 0)
				return r;
		}
		r = s->over ? 0 : tls_fill(&s->tls, e);
	} while (r > 0);
	return r;
}

/* ---- the loop -----------------------------------------------------------------------------------------------------
 */

static int keep_alive(struct session *s, struct err *e)
{
	struct wire_exec_ping m = {.id = 0};
	uint64_t now = sys_ms();

	if (now > s->heard_ms + MS(EXEC_SILENT_NS))
		return err_set(e, -ETIMEDOUT, "it has fallen silent");
	if (s->tls.out.len)
		s->said_ms = now;
	else if (now >= s->said_ms + MS(EXEC_PING_NS) && wire_exec_ping_encode(&m, &s->tls.out) == 0)
		s->said_ms = now;
	return tls_flush(&s->tls, e);
}

static int step(struct session *s, struct err *e)
{
	struct sys_wait w = {.socket = s->tls.socket, .ms = (unsigned)MS(EXEC_PING_NS) / 2};
	int i, r = s->over ? 0 : keep_alive(s, e);

	if (r < 0)
		return r;
	w.send = !s->over && s->tls.blocked && s->tls.out.len;
	w.in = !s->over && s->started && s->in_open && s->in_credit && s->tls.out.len < EXEC_BACKLOG;
	for (i = 1; i < 3; i++)
		w.out[i] = s->out[i].waiting.len != 0;
	if (s->over)
		w.socket = -1;
	sys_wait(&w);
	if (!s->over && s->started)
		pass_signals(s);
	if (w.in)
		read_input(s);
	for (i = 1; i < 3; i++)
		if (w.out[i] && s->out[i].waiting.len)
			write_output(s, i);
	return s->over ? 0 : take_frames(s, e);
}

static int describe(struct session *s, struct err *e)
{
	const struct session_orders *o = s->o;
	struct wire_client_start m = {.id = ID,
				      .node = wire_str(o->node),
				      .dir = wire_str(o->dir),
				      .open = s->open,
				      .tty = s->tty,
				      .merged = s->merged,
				      .window = EXEC_WINDOW_BYTES,
				      .argv = {buf_head(&o->argv), o->argv.len},
				      .env = {o->env.len ? buf_head(&o->env) : NULL, o->env.len}};
	int r;

	if (s->tty)
		(void)sys_size(&m.rows, &m.cols);
	r = wire_client_start_encode(&m, &s->tls.out);
	return r < 0 ? err_set(e, r, "the command is too long") : 0;
}

static int carry(struct session *s, struct err *e)
{
	uint64_t begin = sys_ms();
	int r = describe(s, e);

	s->said_ms = s->heard_ms = begin;
	while (r == 0 && (!s->over || s->out[1].waiting.len || s->out[2].waiting.len)) {
		r = step(s, e);
		if (r == 0 && !s->started && !s->over && sys_ms() > begin + 2 * MS(EXEC_START_NS))
			r = err_set(e, -ETIMEDOUT, "the command is not begun");
	}
	if (s->tty & 1)
		sys_raw(false);
	if (r < 0 && s->started) {
		(void)err_prefix(e, "the link was lost, and what has become of the command is not known");
		return -ECANCELED;
	}
	return r;
}

int session_run(const struct session_orders *o, int *ret_status, struct err *e)
{
	struct session s = {.o = o};
	uint8_t psk[TLS_KEY_MAX];
	uint64_t link = 0;
	size_t len = 0;
	int i, r;

	sys_look(&s.open, &s.tty, &s.merged);
	if (o->no_tty || o->no_stdin)
		s.tty = 0;
	s.in_open = s.open & 1;
	if (o->no_stdin) {
		s.in_open = false;
		s.open |= 1;
	}
	for (i = 1; i < 3; i++)
		buf_init(&s.out[i].waiting, 0);
	r = ask(&o->key, &link, psk, &len, e);
	if (r == 0)
		r = tls_open(&s.tls, o->key.address, o->key.port, WIRE_KIND_LINK, link, psk, len, CONNECT_MS, e);
	if (r == 0)
		r = carry(&s, e);
	tls_close(&s.tls);
	for (i = 1; i < 3; i++)
		buf_release(&s.out[i].waiting);
	*ret_status = s.status;
	return r;
}
