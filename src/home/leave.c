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
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/log.h"
#include "../base/sock.h"
#include "../wire/reasons.h"

#define CONNECT_NS (5 * NSEC_PER_SEC)
#define FREEZE_NS (500 * NSEC_PER_MSEC)
#define MOVE_NS (60 * NSEC_PER_SEC)
#define USER_CS 0x33 /* 64-bit code segment */

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
	struct wire_link_hello mine = {.protocol = WIRE_PROTOCOL, .mig = mig}, theirs;
	uint64_t deadline = clock_mono_ns() + CONNECT_NS;
	struct wire_header h;
	const uint8_t *body;
	int r;

	(void)s;
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
	if (!s->facts.n)
		return 0;
	return err_reason(e, s->facts.reasons[0].reason, -EBUSY, "process %d (%s) stays home: %s", s->pid,
			  s->facts.comm, s->facts.reasons[0].sentence);
}

/* Stops the process at a point where it can be taken: no signal under way, outside of the vdso. */
static int freeze(struct shepherd *s, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + FREEZE_NS, sigtrap = 1ULL << (SIGTRAP - 1);
	bool can_step = !((s->facts.sig_blocked | s->facts.sig_ignored) & sigtrap);
	int r = tracee_seize(&s->t, e);

	if (r < 0) {
		if (e)
			e->reason = REASON_TRACED;
		return r;
	}
	s->frozen_ns = clock_mono_ns();
	for (int tries = 0; tries < 100; tries++) {
		r = s->t.stop == TRACEE_RUNNING ? tracee_interrupt(&s->t) : 0;
		if (r == 0 && s->t.stop == TRACEE_RUNNING)
			r = tracee_wait(&s->t, deadline);
		while (r == 0 && s->t.stop == TRACEE_SIGNAL) {
			r = tracee_resume(&s->t, TRACEE_CONT, s->t.sig);
			if (r == 0)
				r = tracee_wait(&s->t, deadline);
		}
		if (r < 0)
			return err_reason(e, REASON_UNINTERRUPTIBLE, r,
					  "process %d does not stop: it waits in the kernel", s->pid);
		if (s->t.stop == TRACEE_ENDED)
			return err_reason(e, REASON_NO_SUCH_PROCESS, -ESRCH, "process %d has just ended", s->pid);
		if (s->t.stop == TRACEE_GROUP || !inspect_pending(s->pid, 0)) /* a signal under way goes first */
			break;
		/* Interrupted anew at once it would stop again before the signal: kernel/signal.c, get_signal(). */
		r = tracee_resume(&s->t, TRACEE_CONT, 0);
		if (r == 0)
			r = tracee_wait(&s->t, deadline);
		if (r == 0 && s->t.stop == TRACEE_SIGNAL)
			r = tracee_resume(&s->t, TRACEE_CONT, s->t.sig);
		if (r < 0)
			return err_set(e, r, "process %d cannot be resumed", s->pid);
	}
	/* Not before it stands: it could see its own priority. */
	if (s->t.stop != TRACEE_RUNNING)
		prompt_raise(s->pid, &s->prompt);
	if (s->t.stop == TRACEE_GROUP)
		return 0;
	if (s->t.stop == TRACEE_RUNNING)
		return err_reason(e, REASON_BUSY, -EAGAIN, "process %d gets signals all the time", s->pid);
	r = capture_step_out(&s->t, s->maps.vdso_start, s->maps.vdso_end, can_step, deadline);
	if (r < 0)
		return err_reason(e, REASON_BUSY, r, "process %d reads the clock all the time", s->pid);
	return 0;
}

/* The frozen process may differ from the one that was inspected while it ran. */
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
	if (!same) {
		r = inspect_process(s->pid, &s->facts, &s->maps, e);
		for (size_t i = 0; i < s->facts.n; i++) {
			/* What the stop itself shows is no obstacle. */
			if (s->facts.reasons[i].reason == REASON_TRACED)
				s->facts.reasons[i--] = s->facts.reasons[--s->facts.n];
		}
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
	h->stopped = s->t.stop == TRACEE_GROUP;
	h->limit_as = s->facts.limit_as;
	h->limit_data = s->facts.limit_data;
	h->limit_stack = s->facts.limit_stack;
	h->bytes = s->facts.dirty_bytes;
}

/* Calls that give -EINTR to any stop, signal(7): without a signal they are to be made again. */
static void mend_interrupted(struct user_regs_struct *regs)
{
	const struct sysc_row *row = (int64_t)regs->orig_rax >= 0 ? sysc_row((unsigned)regs->orig_rax) : NULL;

	if (row && (int64_t)regs->rax == -EINTR && row->restart == SYSC_RESTART_NONE && row->cls == SYSC_FORWARD &&
	    sysc_may_block((unsigned)regs->orig_rax))
		regs->rax = (uint64_t)-ERESTARTNOINTR_;
}

/* Facts that only the process itself can be asked for: timers on its CPU time, and segments of its own. The answers go
 * below its stack pointer, beyond the red zone, and what was there is put back. */
static int ask_frozen(struct shepherd *s, struct err *e)
{
	static const struct {
		unsigned nr;
		uint64_t which;
		enum reason reason;
		const char *what;
	} asks[] = {
	    {SYS_getitimer, ITIMER_VIRTUAL, REASON_CPU_TIMER, "a timer on its own CPU time"},
	    {SYS_getitimer, ITIMER_PROF, REASON_CPU_TIMER, "a profiling timer"},
	    {SYS_modify_ldt, 0, REASON_LDT, "x86 segments of its own"},
	};
	uint64_t at = (s->head.regs.rsp - 512) & ~15ULL, saved[4], answer[4];
	int r = tracee_read(&s->t, at, saved, sizeof(saved));

	if (r < 0)
		return 0; /* no stack there: nothing is lost by not asking */
	for (size_t i = 0; r == 0 && i < ARRAY_SIZE(asks); i++) {
		int64_t v = 0;

		memset(answer, 0, sizeof(answer));
		r = tracee_write(&s->t, at, answer, sizeof(answer));
		if (r == 0)
			r = tracee_syscall(&s->t, &v, asks[i].nr, asks[i].which, at, sizeof(answer), 0, 0, 0);
		if (r == 0)
			r = tracee_read(&s->t, at, answer, sizeof(answer));
		/* struct itimerval: interval, then the time that is left; modify_ldt: bytes of the table. */
		if (r == 0 && (asks[i].nr == SYS_getitimer ? v == 0 && (answer[2] || answer[3]) : v > 0))
			r = err_reason(e, asks[i].reason, -EBUSY, "process %d (%s) stays home: it has %s", s->pid,
				       s->facts.comm, asks[i].what);
	}
	if (tracee_write(&s->t, at, saved, sizeof(saved)) < 0)
		return err_set(e, -EFAULT, "the stack of process %d cannot be put back", s->pid);
	return r;
}

static int take_head(struct shepherd *s, struct err *e)
{
	uint64_t deadline = clock_mono_ns() + FREEZE_NS;
	int64_t brk = 0;
	int r, asked;

	fill_head(s, &s->head);
	r = capture_head(&s->t, &s->head, e);
	if (r < 0)
		return r;
	s->head_taken = true;
	if (s->head.regs.cs != USER_CS)
		return err_reason(e, REASON_COMPAT, -EBUSY, "process %d runs 32-bit code", s->pid);
	if (!s->head.stopped)
		mend_interrupted(&s->head.regs);
	r = tracee_find_syscall(&s->t, s->maps.vdso_start, s->maps.vdso_end);
	if (r < 0)
		return err_reason(e, REASON_NO_VDSO, r, "the vdso of process %d has no system call", s->pid);
	r = tracee_mask_all(&s->t);
	if (r == 0)
		r = tracee_syscall(&s->t, &brk, SYS_brk, 0, 0, 0, 0, 0, 0);
	asked = r == 0 ? ask_frozen(s, e) : 0;
	if (r == 0)
		r = tracee_settle(&s->t, &s->head.regs, deadline);
	if (r < 0)
		return err_set(e, r, "process %d cannot be made to say its break: %s", s->pid, strerror(-r));
	s->head.mm.brk = (uint64_t)brk;
	return asked;
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
	uint64_t deadline = clock_mono_ns() + CONNECT_NS;
	struct wire_go go;
	struct wire_header h;
	const uint8_t *body;
	int r = await_built(link, WIRE_IMAGE_READY, e);

	if (r == 0 && fault_point(FAULT_SHEP_READY) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-ready");
	if (r < 0)
		return r;
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
	return fd >= 0 ? fd : err_set(e, -errno, "%s: %s", path, strerror(errno));
}

/* The process still runs; what the host can do for it now, it need not do during the freeze. */
static int announce(struct shepherd *s, struct link *link, struct err *e)
{
	_cleanup_close_ int pagemap = open_pagemap(s, e);
	struct capture c = {.t = &s->t, .maps = &s->maps, .pagemap_fd = pagemap};
	int r = pagemap < 0 ? pagemap : capture_announce(&c, link, e);

	return r < 0 ? r : await_built(link, WIRE_IMAGE_AHEAD_DONE, e);
}

static int send_process(struct shepherd *s, struct link *link, struct err *e)
{
	_cleanup_close_ int pagemap = open_pagemap(s, e);
	struct capture c = {.t = &s->t, .maps = &s->maps, .pagemap_fd = pagemap, .send_vdso = true};
	int r;

	if (pagemap < 0)
		return pagemap;
	r = capture_send(&c, &s->head, link, e);
	s->move_bytes = c.bytes;
	if (e && !e->reason && (r == -ECONNRESET || r == -EPIPE))
		e->reason = REASON_LINK_LOST;
	if (r == 0 && fault_point(FAULT_SHEP_IMAGE_SENT) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-image-sent");
	return r;
}

/* What the kernel's restart block holds stays with the deputy; the guest will make the call again. */
static void note_restart(struct shepherd *s)
{
	const struct user_regs_struct *g = &s->head.regs;

	s->restart.live = (int64_t)g->orig_rax >= 0 && (int64_t)g->rax == -ERESTART_RESTARTBLOCK_;
	s->restart.nr = (unsigned)g->orig_rax;
	s->restart.in_scratch = false;
	memcpy(s->restart.args, (uint64_t[]){g->rdi, g->rsi, g->rdx, g->r10, g->r8, g->r9}, sizeof(s->restart.args));
}

static int leave_frozen(struct shepherd *s, struct link *link, struct err *e)
{
	int r = inspect_frozen(s, e);

	if (r == 0)
		r = take_head(s, e);
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

/* Lets the process go on at home. Once take_head() has been there, its registers are those of the head: ours may be in
 * place. Before that they are its own. */
static void give_back(struct shepherd *s)
{
	struct user_regs_struct regs = s->head.regs;
	int r = 0;

	prompt_restore(s->pid, &s->prompt);
	if (s->t.stop == TRACEE_RUNNING || s->t.stop == TRACEE_ENDED)
		return;
	if (s->t.stop == TRACEE_SIGNAL && !s->head_taken)
		r = tracee_detach(&s->t, s->t.sig);
	else if (!s->head_taken || s->t.stop == TRACEE_EVENT || s->t.stop == TRACEE_GROUP)
		r = tracee_get_regs(&s->t, &regs);
	if (r == 0 && s->t.stop != TRACEE_RUNNING)
		r = tracee_leave(&s->t, &regs, clock_mono_ns() + FREEZE_NS);
	if (r < 0)
		log_warn("process %d could not be let go in order", s->pid);
}

int shepherd_leave_home(struct shepherd *s, const struct wire_helper_move *order, struct err *e)
{
	_cleanup_link_ struct link *link = NULL;
	int r = inspect_process(s->pid, &s->facts, &s->maps, e);

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
	tracee_init(&s->t, s->pid);
	s->head_taken = false;
	r = freeze(s, e);
	if (r == 0)
		r = leave_frozen(s, link, e);
	if (r < 0) {
		give_back(s);
		tracee_release(&s->t);
		return r;
	}
	s->link = take_ptr(link);
	(void)!wire_str_copy(s->host, sizeof(s->host), order->host);
	note_restart(s);
	r = deputy_make(s, e);
	if (r < 0)
		deputy_lost(s, e->text);
	prompt_restore(s->pid, &s->prompt);
	shepherd_watch_link(s);
	return 0;
}
