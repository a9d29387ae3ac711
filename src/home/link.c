/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The shepherd's end of the link to the present host.
 * Promise: a link that is lost or silent ends the process, with a sentence in the log. Must not: answer for memory that
 * is not a file mapping of the deputy.
 */
#include "shepherd.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../wire/reasons.h"

#define SEND_NS (30 * NSEC_PER_SEC)
#define SILENCE_NS (15 * NSEC_PER_SEC)
#define FREEZE_NS (10 * NSEC_PER_SEC)
#define PAGES_MAX 256U

static uint64_t read_clock(clockid_t id)
{
	struct timespec ts;

	(void)clock_gettime(id, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

void shepherd_clocks(uint64_t *mono, uint64_t *real, uint64_t *boot)
{
	*mono = read_clock(CLOCK_MONOTONIC);
	*real = read_clock(CLOCK_REALTIME);
	*boot = read_clock(CLOCK_BOOTTIME);
}

int shepherd_send(struct shepherd *s)
{
	struct err e;
	int r = link_flush_wait(s->link, clock_mono_ns() + SEND_NS, &e);

	if (r < 0)
		deputy_lost(s, e.text);
	return 0;
}

/* Beyond the end of its file a mapping has no pages: give those before. */
static int read_pages(struct shepherd *s, uint64_t addr, uint32_t pages, uint8_t *buf, uint32_t *ret_got)
{
	struct tracee *t = main_tracee(s);

	if (tracee_read(t, addr, buf, pages * IMAGE_PAGE) == 0) {
		*ret_got = pages;
		return 0;
	}
	for (*ret_got = 0; *ret_got < pages; (*ret_got)++) {
		if (tracee_read(t, addr + *ret_got * IMAGE_PAGE, buf + *ret_got * IMAGE_PAGE, IMAGE_PAGE) < 0)
			break;
	}
	return *ret_got ? 0 : -EFAULT;
}

void shepherd_kill_guest(struct link *link)
{
	struct err e;

	if (wire_kill_encode(&(struct wire_kill){0}, link_out(link)) == 0)
		(void)!link_flush_wait(link, clock_mono_ns() + NSEC_PER_SEC, &e);
}

static int give_pages(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_page_request m;
	struct wire_page_reply out = {0};
	const struct image_vma *v;
	uint32_t pages, got = 0;
	int r = wire_page_request_decode(&m, body, n);

	/* A guest that waits for another program touches nothing, and that program is none of its host's business. */
	if (r < 0 || (m.addr & (IMAGE_PAGE - 1)) || !m.pages || m.pages > PAGES_MAX || exec_under_way(s))
		return -EPROTO;
	out.addr = m.addr;
	v = maps_find(&s->maps, m.addr);
	if (!v || !v->file) {
		out.error = -EFAULT;
		r = wire_page_reply_encode(&out, link_out(s->link));
		return r < 0 ? r : shepherd_send(s);
	}
	pages = (uint32_t)((v->end - m.addr) / IMAGE_PAGE);
	pages = pages < m.pages ? pages : m.pages;
	r = read_pages(s, m.addr, pages, s->page_buffer, &got);
	if (r < 0)
		out.error = r;
	else
		out.data = (struct wire_bytes){s->page_buffer, got * IMAGE_PAGE};
	r = wire_page_reply_encode(&out, link_out(s->link));
	return r < 0 ? r : shepherd_send(s);
}

static int pong(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_link_pong m;
	int r = wire_link_pong_decode(&m, body, n);

	if (r == 0 && (m.cpu_us != s->cpu_us || m.rss != s->rss)) {
		s->cpu_us = m.cpu_us;
		s->cpu_sys_us = m.cpu_sys_us < m.cpu_us ? m.cpu_sys_us : m.cpu_us;
		s->rss = m.rss;
		s->status_due = true;
	}
	return r;
}

void shepherd_want_home(struct shepherd *s, unsigned reason, unsigned nr)
{
	bool known = s->want_home && s->home_reason == reason; /* asked again after a coming home that failed */

	s->want_home = true;
	s->home_reason = reason;
	s->home_nr = nr;
	if (known)
		return;
	s->brought_home++;
	s->last_home_reason = reason;
	if ((reason == REASON_CALL_HOME || reason == REASON_FORK || reason == REASON_EXEC) &&
	    nr < ARRAY_SIZE(s->counts))
		s->counts[nr].brought_home++;
}

static int needs_home(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_bring_home m;
	int r = wire_bring_home_decode(&m, body, n);

	if (r == 0)
		shepherd_want_home(s, m.reason, m.nr);
	return r;
}

static void guest_died(struct shepherd *s, const uint8_t *body, size_t n) __attribute__((noreturn));
static void guest_died(struct shepherd *s, const uint8_t *body, size_t n)
{
	struct wire_guest_died m;

	if (wire_guest_died_decode(&m, body, n) < 0)
		deputy_lost(s, "the host sends garbage");
	deputy_lost_for(s, REASON_HOST_KILLED, "the guest was killed on its host");
}

int shepherd_stray_frame(struct shepherd *s, const struct wire_header *h, const uint8_t *body)
{
	int r;

	switch (h->type) {
	case WIRE_PAGE_REQUEST:
		r = give_pages(s, body, h->length);
		break;
	case WIRE_LINK_PONG:
		r = pong(s, body, h->length);
		break;
	case WIRE_BRING_HOME:
		r = needs_home(s, body, h->length);
		break;
	case WIRE_CALL:
		r = call_refuse(s, body, h->length);
		break;
	case WIRE_THREAD_BORN:
		r = thread_born(s, body, h->length);
		break;
	case WIRE_THREAD_END:
		r = thread_end(s, body, h->length);
		break;
	case WIRE_FORK_END:
		r = fork_end(s, body, h->length);
		break;
	case WIRE_FORK_RELEASED:
		r = fork_released(s, body, h->length);
		break;
	case WIRE_VIEW_TELL:
		r = view_told(s, body, h->length);
		break;
	case WIRE_SIGNAL_FAILED:
		r = signals_failed(s, body, h->length);
		break;
	case WIRE_GUEST_FAULT:
		r = trap_arrives(s, body, h->length);
		break;
	case WIRE_GUEST_DIED:
		guest_died(s, body, h->length);
	default:
		return 0;
	}
	return r < 0 ? r : 1;
}

int shepherd_frame(struct shepherd *s, const struct wire_header *h, const uint8_t *body)
{
	int r;

	if (h->type != WIRE_CALL || shepherd_home_now(s)) {
		r = shepherd_stray_frame(s, h, body);
		return r < 0 ? r : r == 0 ? -EPROTO : 0;
	}
	return call_begin(s, body, h->length);
}

void shepherd_pump(struct shepherd *s)
{
	struct link *link = s->link;
	bool several = s->threads_n > 1; /* the last but one may end here */

	while (link && s->link == link && !shepherd_home_now(s)) {
		struct wire_header h;
		const uint8_t *body;
		struct err e = {0};
		int r = link_recv(link, &h, &body, &e);

		if (r == 0)
			break;
		if (r < 0)
			deputy_lost(s, r == -EPIPE ? "the host closed the link" : e.text);
		s->heard_ns = clock_mono_ns();
		r = shepherd_frame(s, &h, body);
		if (r < 0)
			deputy_lost(s, "the host sends what it must not");
		/* What is still in the socket, epoll tells. */
		if (s->link == link && !link_pending(link))
			break;
	}
	/* Waiting for one of several may have taken the signal that told of another. */
	if (several && tracee_any_news())
		deputy_on_event(s);
	if (shepherd_home_now(s) && s->link)
		shepherd_come_home(s, s->home_reason);
}

static void on_link(void *arg, int fd, uint32_t events)
{
	(void)fd;
	(void)events;
	shepherd_pump(arg);
}

/* A host owes its guests no more than its own users, so that a negative value is none. While we drive a deputy by
 * steps, its value is ours. */
static void tell_nice(struct shepherd *s)
{
	for (size_t i = 0; i < s->threads_n; i++) {
		struct deputy *d = s->threads[i];
		int nice = getpriority(PRIO_PROCESS, (id_t)d->t.pid);

		nice = nice < 0 ? 0 : nice; /* also when it has just ended */
		if (nice == d->nice_told || d->prompt.raised || d->unborn)
			continue;
		d->nice_told = nice;
		if (wire_nice_encode(&(struct wire_nice){.tid = d->t.pid, .nice = (uint8_t)nice}, link_out(s->link)) <
		    0)
			deputy_lost(s, "out of memory");
	}
}

static void on_second(void *arg)
{
	struct shepherd *s = arg;
	struct wire_link_ping m = {.id = ++s->ping_id, .treat = s->treat};

	if (clock_mono_ns() - s->heard_ns > SILENCE_NS)
		deputy_lost(s, "nothing was heard from the host for 15 s");
	shepherd_clocks(&m.home_mono_ns, &m.home_real_ns, &m.home_boot_ns);
	if (wire_link_ping_encode(&m, link_out(s->link)) < 0)
		deputy_lost(s, "out of memory");
	tell_nice(s);
	(void)!shepherd_send(s);
	if (s->status_due)
		shepherd_say_status(s);
	if (!loop_add_timer(s->loop, clock_mono_ns() + NSEC_PER_SEC, on_second, s))
		deputy_lost(s, "out of memory");
}

void shepherd_watch_link(struct shepherd *s)
{
	bool first = !s->link_watch;

	loop_remove(s->link_watch);
	s->heard_ns = clock_mono_ns();
	s->link_watch = loop_add_fd(s->loop, link_fd(s->link), EPOLLIN, on_link, s);
	if (!s->link_watch)
		deputy_lost(s, "out of memory");
	if (first)
		on_second(s);
	shepherd_pump(s); /* what came together with STARTED */
}

/* Brings one deputy to a stop; the guest's thread learns what became of its call. */
static int still(struct deputy *d, struct err *e)
{
	int64_t ret = 0;
	int r;

	if (d->state != DEPUTY_BUSY) {
		r = deputy_stop(d);
		return r < 0 ? r : call_give_back(d);
	}
	r = deputy_settle(d, &ret, e);
	/* Stopping alone makes some calls return -EINTR, signal(7); they are made again, unless a handler runs before.
	 */
	if (r == 0 && ret == -EINTR && !d->signal_held && !d->call.cut)
		ret = -ERESTARTNOHAND_;
	if (r == 0 && call_finish(d, ret) < 0)
		deputy_lost(d->s, "the result cannot be sent");
	return r;
}

/* A thread that waits for its call cannot give its image, and so the guest has given none. */
static bool any_busy(const struct shepherd *s)
{
	for (size_t i = 0; i < s->threads_n; i++) {
		if (s->threads[i]->state == DEPUTY_BUSY || s->threads[i]->call.refused)
			return true;
	}
	return false;
}

int shepherd_freeze_guest(struct shepherd *s, struct err *e)
{
	int r;

	s->moving = true;
	s->frozen_ns = clock_mono_ns();
	r = wire_freeze_encode(&(struct wire_freeze){0}, link_out(s->link));
	if (r < 0)
		return err_set(e, r, "out of memory");
	(void)!shepherd_send(s);
	if (fault_point(FAULT_SHEP_FREEZE_SENT) < 0)
		deputy_lost(s, "fault point shep-freeze-sent");
	if (fault_point(FAULT_SHEP_SETTLE) < 0)
		r = err_reason(e, REASON_FAULT, -EIO, "fault point shep-settle");
	/* Calls that are still on their way are answered by shepherd_stray_frame(). */
	for (size_t i = 0; r == 0 && i < s->threads_n; i++)
		r = still(s->threads[i], e);
	if (r == 0)
		return 0;
	if (e && !e->code)
		(void)err_set(e, r, "the deputy does not stop: %s", strerror(-r));
	/* The guest's thread goes on waiting for its call, as if nothing had been asked. */
	if (!any_busy(s))
		shepherd_drain_image(s);
	s->moving = false;
	if (wire_resume_encode(&(struct wire_resume){0}, link_out(s->link)) < 0)
		deputy_lost(s, "out of memory");
	(void)!shepherd_send(s);
	if (deputy_idle_all(s) < 0)
		deputy_lost(s, "a deputy cannot be resumed");
	return r;
}
