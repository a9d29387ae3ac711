/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest opens and reads files of /proc that tell of itself.
 * Promise: the deputy has the true file, so that all but its content is what it is at home, and the process may take it
 * along and come home with it; what is read of it while the process is away is the guest's. What cannot be known from
 * afar (the table in src/image/view.c) is opened at home. Must not: give out what tells of the deputy.
 *
 * Such a file is known by where /proc/PID/fd leads to, after it was opened, and before each read once there is one: the
 * way to it, a link or a directory in between, and what became of its descriptor since make no difference. A read from
 * its beginning asks the host (VIEW_ASK, VIEW_TELL), while the deputy stands; further ones go on in the text that was
 * made then, as the kernel does. The position is the kernel's own. If the process is to move meanwhile, the call has
 * not been begun, and is made again.
 *
 * Arguments and environment are memory of the process: the deputy gets what the guest has there, and makes the call.
 */
#include "shepherd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/file.h"
#include "../wire/reasons.h"

enum use {
	USE_OPEN, /* the result is a descriptor */
	USE_TAKE, /* gets descriptors from others */
	USE_READ, /* args: descriptor, buffer, its size */
	USE_READ_VECTOR,
	USE_WRITE, /* matters where even home would not read */
};

static const struct {
	unsigned nr;
	enum use use;
	bool at; /* args[3] is the position */
} calls[] = {
    {SYS_open, USE_OPEN, false},         {SYS_creat, USE_OPEN, false},        {SYS_openat, USE_OPEN, false},
    {SYS_openat2, USE_OPEN, false},      {SYS_recvmsg, USE_TAKE, false},      {SYS_recvmmsg, USE_TAKE, false},
    {SYS_pidfd_getfd, USE_TAKE, false},  {SYS_read, USE_READ, false},         {SYS_pread64, USE_READ, true},
    {SYS_readv, USE_READ_VECTOR, false}, {SYS_preadv, USE_READ_VECTOR, true}, {SYS_preadv2, USE_READ_VECTOR, true},
    {SYS_write, USE_WRITE, false},       {SYS_pwrite64, USE_WRITE, true},     {SYS_writev, USE_WRITE, false},
    {SYS_pwritev, USE_WRITE, true},      {SYS_pwritev2, USE_WRITE, true},
};

static int row_of(unsigned nr)
{
	for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
		if (calls[i].nr == nr)
			return (int)i;
	}
	return -1;
}

/* ---- opened ---------------------------------------------------------------------------------------------------- */

static int close_again(struct deputy *d, int64_t fd)
{
	int64_t v;
	int r = tracee_mask_all(&d->t);

	if (r == 0)
		r = tracee_syscall(&d->t, &v, SYS_close, (uint64_t)fd, 0, 0, 0, 0, 0);
	return r == 0 ? tracee_unmask(&d->t) : r;
}

int view_opened(struct deputy *d, int64_t ret)
{
	struct shepherd *s = d->s;
	int row = ret < 0 ? -1 : row_of(d->call.m.nr), r;
	struct view v;

	if (row < 0 || calls[row].use > USE_TAKE)
		return 0;
	if (calls[row].use == USE_TAKE) {
		s->facts.views = true;
		return 0;
	}
	r = inspect_view(s->pid, (int)ret, &v);
	if (r == -EBADF) /* another thread was quick */
		return 0;
	if (r == 0 && v.kind != VIEW_HOME) {
		s->facts.views |= v.kind != VIEW_RIGHT;
		return 0;
	}
	r = close_again(d, ret);
	return r < 0 ? r : 1;
}

/* ---- read ------------------------------------------------------------------------------------------------------ */

/* What is known of a descriptor that stands there. */
static struct shepherd_view *kept(struct shepherd *s, int fd, const struct view *v, uint64_t pos)
{
	for (size_t i = 0; pos && i < ARRAY_SIZE(s->views); i++) {
		struct shepherd_view *k = &s->views[i];

		if ((k->text.len || k->ended) && k->fd == fd && k->of.kind == v->kind && k->of.pid == v->pid &&
		    k->of.tid == v->tid && k->pos == pos)
			return k;
	}
	return NULL;
}

static void forget(struct shepherd_view *k)
{
	buf_release(&k->text);
	k->ended = false;
}

/* Room for a descriptor: its own, or an empty one, or one whose text has been read; at last somebody's. */
static struct shepherd_view *keep(struct shepherd *s, int fd)
{
	struct shepherd_view *best = &s->views[s->views_next++ % ARRAY_SIZE(s->views)];
	unsigned good = 0;

	for (size_t i = 0; i < ARRAY_SIZE(s->views); i++) {
		struct shepherd_view *k = &s->views[i];
		bool used = k->text.len || k->ended;
		unsigned is = used && k->fd == fd ? 3 : !used ? 2 : k->ended ? 1 : 0;

		if (is > good) {
			good = is;
			best = k;
		}
	}
	forget(best);
	best->fd = fd;
	return best;
}

/* What the kernel says of a descriptor: where it stands, and how it was opened. */
static int about_descriptor(const struct shepherd *s, int fd, uint64_t *pos, unsigned *flags)
{
	char path[60], text[512];
	const char *p;
	ssize_t n;

	(void)snprintf(path, sizeof(path), "/proc/%d/fdinfo/%d", s->pid, fd);
	n = file_read_small(path, text, sizeof(text));
	p = n > 0 ? strstr(text, "flags:") : NULL;
	if (!p || sscanf(text, "pos: %" SCNu64, pos) != 1)
		return n < 0 ? (int)n : -EPROTO;
	*flags = (unsigned)strtoul(p + 6, NULL, 8);
	return 0;
}

bool view_concerns(struct deputy *d)
{
	int row = d->s->facts.views ? row_of(d->call.m.nr) : -1;

	if (row < 0 || calls[row].use < USE_READ)
		return false;
	d->view.fd = (int)d->call.m.args[0];
	/* Where nobody may look, home has the answer. */
	if (inspect_view(d->s->pid, d->view.fd, &d->view.of) < 0)
		d->view.of.kind = VIEW_HOME;
	return d->view.of.kind == VIEW_HOME || (calls[row].use != USE_WRITE && d->view.of.kind != VIEW_RIGHT);
}

/* The text, from where it is to be read, to where the guest wants it. */
static int spread(struct deputy *d, const uint8_t *p, uint64_t n, uint64_t *ret)
{
	bool vector = calls[row_of(d->call.m.nr)].use == USE_READ_VECTOR;
	uint64_t at = d->call.args[1] - d->scratch, count = vector ? d->call.args[2] : 1;
	int r = 0;

	*ret = 0;
	for (uint64_t i = 0; r == 0 && n && i < count; i++) {
		struct iovec v = {(void *)(uintptr_t)d->call.args[1], d->call.args[2]};
		uint64_t part;

		if (vector && (at > d->image_size || (i + 1) * sizeof(v) > d->image_size - at))
			return -EPROTO;
		if (vector)
			memcpy(&v, d->local + at + i * sizeof(v), sizeof(v));
		part = v.iov_len < n ? v.iov_len : n;
		r = part ? tracee_write(&d->t, (uint64_t)(uintptr_t)v.iov_base, p, part) : 0;
		p += part;
		n -= part;
		*ret += part;
	}
	return r;
}

static int seek(struct deputy *d, uint64_t pos)
{
	int64_t v = 0;
	int r = tracee_mask_all(&d->t);

	if (r == 0)
		r = tracee_syscall(&d->t, &v, SYS_lseek, (uint64_t)d->view.fd, pos, SEEK_SET, 0, 0, 0);
	if (r == 0)
		r = tracee_unmask(&d->t);
	return r < 0 ? r : v == (int64_t)pos ? 0 : -EPROTO;
}

static int deliver(struct deputy *d, struct shepherd_view *k)
{
	uint64_t rest = d->view.pos < k->text.len ? k->text.len - d->view.pos : 0, n = 0;
	int r = call_place(d);

	if (r == -ENOMEM)
		return call_take_home(d, REASON_CALL_HOME);
	if (r == 0)
		r = spread(d, rest ? buf_head(&k->text) + d->view.pos : NULL, rest, &n);
	if (r == 0 && n && d->view.moves)
		r = seek(d, d->view.pos + n);
	if (d->t.stop == TRACEE_ENDED)
		process_ended(d->s);
	if (r < 0)
		return r;
	k->pos = d->view.pos + n;
	if (!n) {
		buf_release(&k->text);
		k->ended = true;
	}
	return call_finish(d, (int64_t)n);
}

/* The thread that the file is of. */
static pid_t about(const struct deputy *d)
{
	return (pid_t)(d->view.of.tid ? d->view.of.tid : d->view.of.pid);
}

static int ask(struct deputy *d)
{
	const struct image_mm *mm = &d->s->facts.mm;
	struct wire_view_ask m = {.seq = d->call.m.seq,
				  .tid = d->call.m.tid,
				  .about = about(d),
				  .whole = !d->view.of.tid,
				  .kind = (uint8_t)d->view.of.kind};
	int r;

	if (m.kind == VIEW_ARGUMENTS) {
		m.addr = mm->arg_start;
		m.bytes = mm->env_end - mm->arg_start;
	}
	if (fault_point(FAULT_SHEP_VIEW) < 0 ||
	    (m.kind == VIEW_ARGUMENTS && (mm->env_end <= mm->arg_start || m.bytes > VIEW_ARGUMENTS_MAX)))
		return call_take_home(d, REASON_CALL_HOME);
	r = wire_view_ask_encode(&m, link_out(d->s->link));
	if (r < 0)
		return r;
	d->view.asked = true;
	d->call.refused = true; /* until the answer is there */
	d->state = DEPUTY_HELD;
	return shepherd_send(d->s);
}

int view_begin(struct deputy *d)
{
	const uint64_t *args = d->call.m.args;
	int row = row_of(d->call.m.nr);
	struct shepherd_view *k;
	unsigned flags;

	d->call.begun_ns = clock_mono_ns();
	if (d->view.of.kind == VIEW_HOME || about_descriptor(d->s, d->view.fd, &d->view.pos, &flags) < 0 ||
	    (d->call.m.nr == SYS_preadv2 && (args[5] || args[3] == ~0ULL)))
		return call_take_home(d, REASON_CALL_HOME);
	/* An error, or nothing to do: the kernel says so. */
	if ((flags & O_ACCMODE) == O_WRONLY || (flags & O_PATH) || !args[2] || (calls[row].at && (int64_t)args[3] < 0))
		return call_start(d);
	d->view.moves = !calls[row].at;
	if (calls[row].at)
		d->view.pos = args[3];
	if (d->view.of.kind == VIEW_ARGUMENTS)
		return ask(d);
	k = kept(d->s, d->view.fd, &d->view.of, d->view.pos);
	return k ? deliver(d, k) : ask(d);
}

/* ---- the answer ------------------------------------------------------------------------------------------------ */

static char *copy(struct wire_bytes b)
{
	char *p = malloc((size_t)b.len + 1);

	if (p) {
		memcpy(p, b.data, b.len);
		p[b.len] = '\0';
	}
	return p;
}

/* A thread that waits for its deputy does not run, whatever it does on its host. */
static bool runs(const struct deputy *d, const struct wire_view_tell *m)
{
	struct deputy *of = threads_find(d->s, about(d));

	return of == d || (m->running && of && of->state != DEPUTY_BUSY);
}

static int compose(struct deputy *d, const struct wire_view_tell *m, struct buf *out)
{
	struct shepherd *s = d->s;
	const struct view *v = &d->view.of;
	bool figures = v->kind == VIEW_STAT || v->kind == VIEW_STATM || v->kind == VIEW_STATUS;
	_cleanup_free_ char *text = copy(m->text), *status = copy(m->status), *own = NULL, *maps = NULL;
	struct view_host host = {.status = status, .running = runs(d, m), .used = {m->cpu_user_ns, m->cpu_sys_ns}};
	struct view_sizes sizes;
	int r;

	if (!text || !status)
		return -ENOMEM;
	if (v->kind == VIEW_ROLLUP)
		return buf_append(out, text, m->text.len);
	r = inspect_view_text(v, v->kind == VIEW_SMAPS ? VIEW_SMAPS : VIEW_MAPS, &maps);
	if (r == 0)
		r = view_maps(text, maps, s->maps.vdso_start, s->maps.vdso_end, figures ? NULL : out, &sizes);
	if (r == 0 && figures)
		r = inspect_view_text(v, v->kind, &own);
	return r < 0 || !figures ? r : view_figures(v->kind, own, &host, &sizes, out);
}

static int answer(struct deputy *d, const struct wire_view_tell *m)
{
	const struct image_mm *mm = &d->s->facts.mm;
	struct shepherd_view *k;
	int r;

	if (m->error)
		return call_take_home(d, REASON_CALL_HOME);
	if (d->view.of.kind == VIEW_ARGUMENTS) {
		if (m->text.len != mm->env_end - mm->arg_start)
			return -EPROTO;
		r = tracee_write(&d->t, mm->arg_start, m->text.data, m->text.len);
		return r < 0 ? call_take_home(d, REASON_CALL_HOME) : call_start(d);
	}
	k = keep(d->s, d->view.fd);
	k->of = d->view.of;
	r = compose(d, m, &k->text);
	if (r < 0) {
		buf_release(&k->text);
		return call_take_home(d, REASON_CALL_HOME);
	}
	return deliver(d, k);
}

int view_told(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_view_tell m;
	struct deputy *d;
	int r = wire_view_tell_decode(&m, body, n);

	if (r < 0)
		return r;
	d = threads_find(s, (pid_t)m.tid);
	/* A move may have come between. */
	if (!d || !d->view.asked || d->call.m.seq != m.seq || !d->call.refused)
		return 0;
	d->view.asked = d->call.refused = false;
	r = call_stand(d);
	return call_conclude(d, r == 0 ? answer(d, &m) : r);
}

/* ---- from home, and home again --------------------------------------------------------------------------------- */

static void note_end(struct shepherd *s, int fd)
{
	struct shepherd_view *k;
	struct view v;
	uint64_t pos;
	unsigned flags;

	if (inspect_view(s->pid, fd, &v) < 0 || v.kind < VIEW_MAPS || v.kind > VIEW_STATUS ||
	    about_descriptor(s, fd, &pos, &flags) < 0 || !pos)
		return;
	k = keep(s, fd);
	k->of = v;
	k->pos = pos;
	k->ended = true;
}

/* One that was read in part would not be allowed to leave. */
void view_leave_home(struct shepherd *s)
{
	_cleanup_closedir_ DIR *dir = NULL;
	struct dirent *d;
	char path[40];

	for (size_t i = 0; i < ARRAY_SIZE(s->views); i++)
		forget(&s->views[i]);
	(void)snprintf(path, sizeof(path), "/proc/%d/fd", s->pid);
	dir = s->facts.views ? opendir(path) : NULL;
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] != '.')
			note_end(s, (int)strtol(d->d_name, NULL, 10));
	}
}

/* The kernel has kept what is left of the text at the position: of the deputy's. */
static void go_on_at_home(struct shepherd *s, const struct shepherd_view *k)
{
	struct tracee *t = main_tracee(s);
	struct view v;
	struct buf now, old;
	uint64_t pos;
	unsigned flags;
	int64_t at;

	buf_init(&now, 0);
	buf_init(&old, 0);
	if (inspect_view(s->pid, k->fd, &v) == 0 && v.kind == k->of.kind &&
	    about_descriptor(s, k->fd, &pos, &flags) == 0 && pos == k->pos && inspect_read_view(&v, true, &now) == 0 &&
	    buf_append(&now, "", 1) == 0 && (!k->text.len || buf_append(&old, buf_head(&k->text), k->text.len) == 0) &&
	    buf_append(&old, "", 1) == 0) {
		pos = k->ended ? now.len - 1
			       : view_position(v.kind, (char *)buf_head(&old), pos, (char *)buf_head(&now));
		if (tracee_syscall(t, &at, SYS_lseek, (uint64_t)k->fd, 0, SEEK_SET, 0, 0, 0) == 0)
			(void)!tracee_syscall(t, &at, SYS_lseek, (uint64_t)k->fd, pos, SEEK_SET, 0, 0, 0);
	}
	buf_release(&now);
	buf_release(&old);
}

void view_come_home(struct shepherd *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(s->views); i++) {
		if (s->views[i].text.len || s->views[i].ended)
			go_on_at_home(s, &s->views[i]);
	}
}
