/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The agent's end of the link.
 * Promise: when the link is lost, so is the guest, at once. Must not: let a frame that comes in the wrong state pass.
 */
#include "agent.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/log.h"
#include "../base/file.h"
#include "../wire/reasons.h"

#define HANDSHAKE_NS (10 * NSEC_PER_SEC)
#define NICE_MAX 19
#define SEND_NS (30 * NSEC_PER_SEC)
#define SILENCE_NS (20 * NSEC_PER_SEC) /* home sends LINK_PING each second */
#define FROZEN_SILENCE_NS (180 * NSEC_PER_SEC) /* but not while it passes an image on */

int agent_send(struct agent *a)
{
	struct err e;
	int r = link_flush_wait(a->link, clock_mono_ns() + SEND_NS, &e);

	if (r < 0)
		agent_end(a, 1, "the link to %s was lost: %s", a->home, e.text);
	return 0;
}

static int send_fail(struct agent *a, const struct err *e)
{
	struct wire_image_fail m = {
	    .error = e->code, .reason = e->reason ? e->reason : REASON_INTERNAL, .sentence = wire_str(e->text)};

	if (wire_image_fail_encode(&m, link_out(a->link)) == 0)
		(void)!agent_send(a);
	agent_end(a, 1, "process %d could not be built: %s", a->home_pid, e->text);
}

static int image_frame(struct agent *a, const struct wire_header *h, const uint8_t *body)
{
	struct err e = {0};
	int r = h->type == WIRE_IMAGE_BEGIN && fault_point(FAULT_GUEST_IMAGE) < 0
		    ? err_reason(&e, REASON_FAULT, -EIO, "fault point guest-image")
		    : builder_frame(&a->b, h, body, &e);

	if (r == 1) {
		r = agent_built(a, &e);
		if (r == 0 && fault_point(FAULT_GUEST_BUILT) < 0)
			r = err_reason(&e, REASON_FAULT, -EIO, "fault point guest-built");
		if (r == 0)
			r = wire_image_ready_encode(&(struct wire_image_ready){0}, link_out(a->link));
		if (r == 0)
			return agent_send(a);
		if (!e.code)
			(void)err_set(&e, r, "the guest cannot be started: %s", strerror(-r));
	}
	if (r == 0 && h->type == WIRE_IMAGE_AHEAD) {
		a->link_heard_ns = clock_mono_ns(); /* having memory ready may have taken long */
		r = fault_point(FAULT_GUEST_AHEAD) < 0
			? err_reason(&e, REASON_FAULT, -EIO, "fault point guest-ahead")
			: wire_image_ahead_done_encode(&(struct wire_image_ahead_done){0}, link_out(a->link));
		if (r == 0)
			return agent_send(a);
	}
	return r < 0 ? send_fail(a, &e) : 0;
}

static int go(struct agent *a, const uint8_t *body, size_t n)
{
	struct wire_go m;
	int r = wire_go_decode(&m, body, n);

	if (r < 0 || a->state != AGENT_READY)
		return -EPROTO;
	agent_clock_sample(a, m.home_mono_ns, m.home_real_ns, m.home_boot_ns);
	if (fault_point(FAULT_GUEST_GO) < 0)
		agent_end(a, 1, "fault point guest-go");
	agent_cpu_begin(a);
	r = a->family.born ? agent_serve_faults(a) : 0;
	if (r == 0)
		r = agent_run(a);
	agent_say_status(a);
	if (r == 0 && fault_point(FAULT_GUEST_STARTED) < 0)
		agent_end(a, 1, "fault point guest-started");
	if (r == 0)
		r = wire_started_encode(&(struct wire_started){0}, link_out(a->link));
	return r < 0 ? r : agent_send(a);
}

int agent_tell_used(struct agent *a, uint64_t id)
{
	struct wire_link_pong m = {.id = id, .cpu_us = agent_cpu_us(a)};
	struct proc_stat st;

	m.cpu_sys_us = a->b.head.used.sys / NSEC_PER_USEC;
	if (proc_read_stat(main_tracee(a)->pid, &st) == 0)
		m.rss = (uint64_t)st.rss_pages * IMAGE_PAGE;
	return wire_link_pong_encode(&m, link_out(a->link));
}

static int pong(struct agent *a, const uint8_t *body, size_t n)
{
	struct wire_link_ping m;
	int r = wire_link_ping_decode(&m, body, n);

	if (r < 0)
		return r;
	agent_clock_sample(a, m.home_mono_ns, m.home_real_ns, m.home_boot_ns);
	agent_waits_look(a);
	a->treat = m.treat;
	r = agent_tell_used(a, m.id);
	return r < 0 ? r : agent_send(a);
}

/* A thread that has ended meanwhile is no matter; nor one that stands, which gets it when it goes on. */
static int set_nice(struct agent *a, const uint8_t *body, size_t n)
{
	struct guest_thread *g;
	struct wire_nice m;
	int r = wire_nice_decode(&m, body, n);

	if (r < 0 || m.nice > NICE_MAX)
		return -EPROTO;
	g = thread_of_tid(a, m.tid);
	if (!g)
		return 0;
	g->nice = m.nice;
	if (a->state == AGENT_RUNNING && !a->freeze_wanted)
		(void)setpriority(PRIO_PROCESS, (id_t)g->t.pid, g->nice);
	return 0;
}

static int hello(struct agent *a, const uint8_t *body, size_t n)
{
	struct wire_link_hello m;
	struct wire_link_hello mine = {.protocol = WIRE_PROTOCOL, .mig = a->mig};
	int r = wire_link_hello_decode(&m, body, n);

	if (r < 0 || a->state != AGENT_PREPARED || m.protocol != WIRE_PROTOCOL || m.mig != a->mig ||
	    m.xlayout.len != sizeof(a->home_cpu))
		return -EPROTO;
	memcpy(&a->home_cpu, m.xlayout.data, sizeof(a->home_cpu));
	if (!cpu_layout_valid(&a->home_cpu))
		return -EPROTO;
	if (fault_point(FAULT_GUEST_HELLO) < 0)
		agent_end(a, 1, "fault point guest-hello");
	a->state = a->family.born ? AGENT_READY : AGENT_RECEIVING;
	r = wire_link_hello_encode(&mine, link_out(a->link));
	return r < 0 ? r : agent_send(a);
}

/* An answer to another thread, while the memory of one call is gathered: what it would overwrite is still needed. A
 * signal must not overtake an answer, nor begin in the midst of another. */
static int defer(struct agent *a, const struct wire_header *h, const uint8_t *body)
{
	int r = buf_append(&a->deferred, h, sizeof(*h));

	return r < 0 ? r : buf_append(&a->deferred, body, h->length);
}

static int take_deferred(struct agent *a)
{
	while (a->deferred.len) {
		_cleanup_free_ uint8_t *body = NULL;
		struct wire_header h;
		int r;

		memcpy(&h, buf_head(&a->deferred), sizeof(h));
		body = malloc(h.length ? h.length : 1);
		if (!body)
			return -ENOMEM;
		memcpy(body, buf_head(&a->deferred) + sizeof(h), h.length);
		buf_consume(&a->deferred, sizeof(h) + h.length);
		r = h.type == WIRE_REPLY  ? agent_reply(a, body, h.length)
		    : h.type == WIRE_HALT ? agent_halt(a, body, h.length)
					  : signal_arrives(a, body, h.length);
		if (r < 0)
			return r;
	}
	return 0;
}

static int frame(struct agent *a, const struct wire_header *h, const uint8_t *body)
{
	size_t n = h->length;

	/* What it is for is in use. */
	if (a->fetching && (h->type == WIRE_REPLY || h->type == WIRE_SIGNAL || h->type == WIRE_HALT))
		return defer(a, h, body);
	switch (h->type) {
	case WIRE_LINK_HELLO:
		return hello(a, body, n);
	case WIRE_IMAGE_AHEAD:
	case WIRE_IMAGE_BEGIN:
	case WIRE_IMAGE_THREAD:
	case WIRE_IMAGE_VMAS:
	case WIRE_IMAGE_PAGES:
	case WIRE_IMAGE_END:
		return a->state == AGENT_RECEIVING ? image_frame(a, h, body) : -EPROTO;
	case WIRE_GO:
		return go(a, body, n);
	case WIRE_REPLY:
		return agent_reply(a, body, n);
	case WIRE_SIGNAL:
		return a->state == AGENT_RUNNING ? signal_arrives(a, body, n) : -EPROTO;
	case WIRE_HALT:
		return agent_halt(a, body, n);
	case WIRE_MAPPED:
		return agent_mapped(a, body, n);
	case WIRE_NICE:
		return a->state >= AGENT_RUNNING ? set_nice(a, body, n) : -EPROTO;
	case WIRE_VIEW_ASK:
		return a->state >= AGENT_RUNNING ? agent_view(a, body, n) : -EPROTO;
	case WIRE_FORKED:
		return fork_told(a, body, n);
	case WIRE_PAGE_REPLY:
		return a->state >= AGENT_READY ? agent_page_reply(a, body, n) : -EPROTO;
	case WIRE_FREEZE:
		if (a->state < AGENT_READY)
			return -EPROTO;
		if (fault_point(FAULT_GUEST_FREEZE) < 0)
			agent_end(a, 1, "fault point guest-freeze");
		agent_freeze(a);
		return 0;
	case WIRE_RESUME:
		return agent_resume(a);
	case WIRE_KILL:
		agent_end(a, 0, "guest %d has left", a->home_pid);
	case WIRE_LINK_PING:
		return pong(a, body, n);
	default:
		return -EPROTO;
	}
}

int agent_link_pump(struct agent *a, bool want_page, uint64_t deadline_ns)
{
	if (want_page && !deadline_ns)
		deadline_ns = clock_mono_ns() + SEND_NS;
	for (;;) {
		struct wire_header h;
		const uint8_t *body;
		struct err e = {0};
		int r;

		if (!want_page && take_deferred(a) < 0)
			agent_end(a, 1, "an answer of %s cannot be used", a->home);
		r = want_page ? link_recv_wait(a->link, deadline_ns, &h, &body, &e) : link_recv(a->link, &h, &body, &e);

		if (r < 0)
			agent_end(a, 1, "the link to %s was lost: %s", a->home, e.code ? e.text : strerror(-r));
		if (r == 0)
			return 0;
		a->link_heard_ns = clock_mono_ns();
		r = frame(a, &h, body);
		if (r < 0)
			agent_end(a, 1, "message %s from %s is not understood: %s", wire_type_name(h.type), a->home,
				  strerror(-r));
		if (want_page && h.type == WIRE_PAGE_REPLY)
			return 1;
		/* More may be in the socket: then epoll says so. Asking it here would be one call more for each answer.
		 */
		if (!want_page && !a->deferred.len && !link_pending(a->link))
			return 0;
	}
}

static void on_link(void *arg, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	(void)!agent_link_pump(arg, false, 0);
}

static void on_watch(void *arg)
{
	struct agent *a = arg;

	uint64_t limit = a->state == AGENT_FROZEN ? FROZEN_SILENCE_NS : SILENCE_NS;

	if (clock_mono_ns() - a->link_heard_ns > limit)
		agent_end(a, 1, "nothing was heard from %s for %llu s", a->home, limit / NSEC_PER_SEC);
	agent_say_status(a);
	if (!loop_add_timer(a->loop, clock_mono_ns() + NSEC_PER_SEC, on_watch, a))
		agent_end(a, 1, "out of memory");
}

int agent_link_start(struct agent *a, int fd, struct err *e)
{
	char identity[20];
	int r;

	(void)snprintf(identity, sizeof(identity), "%016" PRIx64, a->link_id);
	r = link_new_psk(&a->link, fd, true, identity, a->psk, a->psk_len, e);
	if (r < 0) {
		(void)close(fd);
		return r;
	}
	r = link_handshake_wait(a->link, clock_mono_ns() + HANDSHAKE_NS, e);
	if (r < 0)
		return r;
	link_set_accept(a->link, WIRE_FROM_SHEPHERD);
	a->link_heard_ns = clock_mono_ns();
	a->link_watch = loop_add_fd(a->loop, link_fd(a->link), EPOLLIN, on_link, a);
	if (!a->link_watch)
		return err_set(e, -ENOMEM, "out of memory");
	on_watch(a);
	return agent_link_pump(a, false, 0); /* what came together with the handshake */
}
