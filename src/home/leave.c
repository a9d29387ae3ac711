/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From home to a host.
 * Promise: until STARTED has come, any failure, also the death of the shepherd, leaves the process running at home with
 * its own registers and mask; it is frozen only after the link stands. Must not: inject anything before that but brk(0)
 * and three questions.
 */
#include "shepherd.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/log.h"
#include "../base/sock.h"
#include "../wire/reasons.h"

#define CONNECT_NS (5 * NSEC_PER_SEC)
#define MOVE_NS (60 * NSEC_PER_SEC)

int shepherd_recv(struct link *link, struct wire_header *h, const uint8_t **body, uint64_t deadline_ns, struct err *e)
{
	int r = link_recv_wait(link, deadline_ns, h, body, e);

	if (r == -ETIMEDOUT)
		return err_reason(e, REASON_TIMEOUT, r, "the other node did not answer in time");
	if (r < 0 && e)
		e->reason = REASON_LINK_LOST;
	return r < 0 ? r : 0;
}

static int send_preamble(int fd, uint64_t id, struct err *e)
{
	struct wire_preamble p = {.version = WIRE_PROTOCOL, .kind = WIRE_KIND_LINK, .id = id};
	uint8_t bytes[WIRE_PREAMBLE_SIZE];

	wire_preamble_encode(&p, bytes);
	if (send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL) != sizeof(bytes))
		return err_reason(e, REASON_NODE_UNREACHABLE, -EIO, "the first bytes cannot be sent");
	return 0;
}

static int exchange_hello(struct shepherd *s, struct link *link, uint64_t mig, struct err *e)
{
	struct cpu_layout here;
	struct wire_link_hello mine = {.protocol = WIRE_PROTOCOL, .mig = mig, .xlayout = {(void *)&here, sizeof(here)}};
	struct wire_link_hello theirs;
	uint64_t deadline = clock_mono_ns() + CONNECT_NS;
	struct wire_header h;
	const uint8_t *body;
	int r;

	(void)s;
	cpu_layout_here(&here);
	shepherd_clocks(&mine.home_mono_ns, &mine.home_real_ns, &mine.home_boot_ns);
	r = wire_link_hello_encode(&mine, link_out(link));
	if (r == 0)
		r = link_flush_wait(link, deadline, e);
	if (r == 0)
		r = shepherd_recv(link, &h, &body, deadline, e);
	if (r < 0)
		return r;
	if (h.type != WIRE_LINK_HELLO || wire_link_hello_decode(&theirs, body, h.length) < 0)
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "the agent answers with something unexpected");
	if (theirs.protocol != WIRE_PROTOCOL)
		return err_reason(e, REASON_NODE_VERSION, -EPROTONOSUPPORT, "the agent speaks protocol %u, we speak %u",
				  theirs.protocol, WIRE_PROTOCOL);
	return 0;
}

int shepherd_open_link(struct shepherd *s, const struct wire_helper_move *order, struct link **ret, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + CONNECT_NS;
	_cleanup_link_ struct link *link = NULL;
	_cleanup_close_ int fd = -1;
	char address[65], identity[20];
	int r;

	(void)!wire_str_copy(address, sizeof(address), order->address);
	(void)snprintf(identity, sizeof(identity), "%016" PRIx64, order->link_id);
	fd = sock_connect_tcp(address, order->port, deadline, e);
	if (fd < 0) {
		if (e)
			e->reason = REASON_NODE_UNREACHABLE;
		return fd;
	}
	r = send_preamble(fd, order->link_id, e);
	if (r < 0)
		return r;
	r = link_new_psk(&link, fd, false, identity, order->psk.data, order->psk.len, e);
	if (r < 0)
		return r;
	(void)take_fd(&fd);
	link_set_accept(link, WIRE_FROM_AGENT);
	r = link_handshake_wait(link, deadline, e);
	if (r == 0)
		r = exchange_hello(s, link, order->mig, e);
	if (r < 0)
		return r;
	*ret = take_ptr(link);
	return 0;
}

/* The first reason becomes the error; the list goes along in HELPER_MOVED. */
static int refuse(struct shepherd *s, struct err *e)
{
	const struct inspect_reason *why = s->facts.reasons;

	if (!s->facts.n)
		return 0;
	/* As the launcher has it: one that has ended is not there, rather than not to be moved now. */
	return err_reason(e, why->reason, why->reason == REASON_ZOMBIE ? -ESRCH : -EBUSY,
			  "process %d (%s) stays home: %s", s->pid, s->facts.comm, why->sentence);
}

/* The frozen process may differ from the one that was inspected while it ran: what it has opened or set since confines
 * it as well. */
static int inspect_frozen(struct shepherd *s, struct err *e)
{
	struct image_maps now;
	bool same;
	int r;

	maps_init(&now);
	r = maps_read(&now, s->pid, false, e);
	same = r == 0 && maps_same_layout(&now, &s->maps);
	maps_release(&now);
	if (r < 0)
		return r;
	r = same ? inspect_again(s->pid, &s->facts, e) : inspect_process(s->pid, &s->facts, &s->maps, e);
	for (size_t i = 0; i < s->facts.n; i++) {
		/* What the stop itself shows is no obstacle. */
		if (s->facts.reasons[i].reason == REASON_TRACED)
			s->facts.reasons[i--] = s->facts.reasons[--s->facts.n];
	}
	return r < 0 ? r : refuse(s, e);
}

static void fill_head(struct shepherd *s, struct image_head *h)
{
	h->pid = s->facts.inner_pid;
	(void)snprintf(h->comm, sizeof(h->comm), "%s", s->facts.comm);
	h->personality = s->facts.personality;
	h->mm = s->facts.mm;
	h->vdso_start = s->maps.vdso_start;
	h->vdso_end = s->maps.vdso_end;
	h->limit_as = s->facts.limit_as;
	h->limit_data = s->facts.limit_data;
	h->limit_stack = s->facts.limit_stack;
	h->bytes = s->facts.dirty_bytes;
	h->used = (struct image_cpu){.user = (s->cpu_us - s->cpu_sys_us) * NSEC_PER_USEC,
				     .sys = s->cpu_sys_us * NSEC_PER_USEC};
}

/* Waits for one answer of the agent that builds; it may be IMAGE_FAIL instead. */
static int await_built(struct link *link, unsigned wanted, struct err *e)
{
	struct wire_image_fail fail;
	struct wire_header h;
	const uint8_t *body;
	char text[401];
	int r = shepherd_recv(link, &h, &body, clock_mono_ns() + MOVE_NS, e);

	if (r < 0)
		return r;
	if (h.type == wanted)
		return 0;
	if (h.type != WIRE_IMAGE_FAIL || wire_image_fail_decode(&fail, body, h.length) < 0)
		return err_reason(e, REASON_PROTOCOL, -EPROTO, "the agent answers the image with %s",
				  wire_type_name(h.type));
	(void)!wire_str_copy(text, sizeof(text), fail.sentence);
	return err_reason(e, fail.reason, -EIO, "the process cannot be built there: %s", text);
}

int shepherd_start_guest(struct shepherd *s, struct link *link, struct err *e)
{
	int r = await_built(link, WIRE_IMAGE_READY, e);

	if (r == 0 && fault_point(FAULT_SHEP_READY) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-ready");
	return r < 0 ? r : shepherd_go(s, link, e);
}

int shepherd_go(struct shepherd *s, struct link *link, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + CONNECT_NS;
	struct wire_go go;
	struct wire_header h;
	const uint8_t *body;
	int r;

	shepherd_clocks(&go.home_mono_ns, &go.home_real_ns, &go.home_boot_ns);
	r = wire_go_encode(&go, link_out(link));
	if (r == 0)
		r = link_flush_wait(link, deadline, e);
	if (r == 0 && fault_point(FAULT_SHEP_GO_SENT) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-go-sent");
	if (r == 0)
		r = shepherd_recv(link, &h, &body, deadline, e);
	s->freeze_ns = clock_mono_ns() - s->frozen_ns;
	if (r == 0 && h.type != WIRE_STARTED)
		r = err_reason(e, REASON_PROTOCOL, -EPROTO, "the agent answers GO with %s", wire_type_name(h.type));
	return r;
}

static int open_pagemap(struct shepherd *s, struct err *e)
{
	char path[40];
	int fd;

	(void)snprintf(path, sizeof(path), "/proc/%d/pagemap", s->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd >= 0)
		return fd;
	if (errno == EACCES || errno == EPERM)
		return err_reason(e, REASON_NOT_DUMPABLE, -EAGAIN, "process %d changes its user or its program",
				  s->pid);
	return errno == ENOENT || errno == ESRCH
		   ? err_reason(e, REASON_NO_SUCH_PROCESS, -ESRCH, "process %d has just ended", s->pid)
		   : err_set(e, -errno, "%s: %s", path, strerror(errno));
}

/* The process still runs; what the host can do for it now, it need not do during the freeze. */
static int announce(struct shepherd *s, struct link *link, struct err *e)
{
	_cleanup_close_ int pagemap = open_pagemap(s, e);
	struct tracee t;
	struct capture c = {.t = &t, .maps = &s->maps, .pagemap_fd = pagemap};
	int r;

	tracee_init(&t, s->pid);
	r = pagemap < 0 ? pagemap : capture_announce(&c, link, e);
	tracee_release(&t);
	return r < 0 ? r : await_built(link, WIRE_IMAGE_AHEAD_DONE, e);
}

static int send_process(struct shepherd *s, struct link *link, struct err *e)
{
	_cleanup_close_ int pagemap = open_pagemap(s, e);
	struct capture c = {.t = main_tracee(s), .maps = &s->maps, .pagemap_fd = pagemap, .send_vdso = true};
	struct image_threads threads;
	int r;

	if (pagemap < 0)
		return pagemap;
	threads.v = calloc(s->threads_n, sizeof(*threads.v));
	if (!threads.v)
		return err_set(e, -ENOMEM, "out of memory");
	for (threads.n = 0; threads.n < s->threads_n; threads.n++)
		threads.v[threads.n] = s->threads[threads.n]->image;
	r = capture_send(&c, &s->head, &threads, link, e);
	free(threads.v);
	s->move_bytes = c.bytes;
	if (e && !e->reason && (r == -ECONNRESET || r == -EPIPE))
		e->reason = REASON_LINK_LOST;
	if (r == 0 && fault_point(FAULT_SHEP_IMAGE_SENT) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-image-sent");
	return r;
}

/* What the kernel's restart block holds stays with the deputy; the guest's thread will make the call again. */
static void note_restart(struct deputy *d)
{
	const struct user_regs_struct *g = &d->image->regs;

	d->restart.live = (int64_t)g->orig_rax >= 0 && (int64_t)g->rax == -ERESTART_RESTARTBLOCK_;
	d->restart.nr = (unsigned)g->orig_rax;
	d->restart.in_scratch = false;
	memcpy(d->restart.args, (uint64_t[]){g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9}, sizeof(d->restart.args));
}

static int leave_frozen(struct shepherd *s, struct link *link, struct err *e)
{
	int r = inspect_frozen(s, e);

	if (r == 0) {
		view_leave_home(s);
		fill_head(s, &s->head);
		r = freeze_take(s, e);
	}
	if (r == 0 && fault_point(FAULT_SHEP_FROZEN) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-frozen");
	if (r == 0)
		r = send_process(s, link, e);
	if (r == 0)
		r = shepherd_start_guest(s, link, e);
	if (r == 0 && fault_point(FAULT_SHEP_STARTED) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-started");
	return r;
}

void shepherd_note_host(struct shepherd *s, const struct wire_helper_move *order)
{
	(void)!wire_str_copy(s->host, sizeof(s->host), order->host);
	(void)!wire_str_copy(s->address, sizeof(s->address), order->address);
	s->port = order->port;
}

int shepherd_leave_home(struct shepherd *s, const struct wire_helper_move *order, struct err *e)
{
	_cleanup_link_ struct link *link = NULL;
	int r = order->dry_run ? inspect_process(s->pid, &s->facts, &s->maps, e)
			       : inspect_running(s->pid, &s->facts, &s->maps, e);

	if (r == 0)
		r = refuse(s, e);
	if (r < 0 || order->dry_run)
		return r;
	r = shepherd_open_link(s, order, &link, e);
	if (r == 0 && fault_point(FAULT_SHEP_CONNECTED) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-connected");
	if (r == 0)
		r = announce(s, link, e);
	if (r == 0 && fault_point(FAULT_SHEP_AHEAD) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-ahead");
	if (r < 0)
		return r;
	r = freeze_process(s, e);
	if (r == 0)
		r = leave_frozen(s, link, e);
	if (r < 0) {
		freeze_give_back(s);
		return r;
	}
	s->link = take_ptr(link);
	shepherd_note_host(s, order);
	for (size_t i = 0; i < s->threads_n; i++)
		note_restart(s->threads[i]);
	r = deputy_make(s, e);
	if (r < 0)
		deputy_lost(s, e->text);
	for (size_t i = 0; i < s->threads_n; i++)
		prompt_restore(s->threads[i]->t.pid, &s->threads[i]->prompt);
	shepherd_watch_link(s);
	return 0;
}
