/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From one host to another: the image of the first is passed on to the second.
 * Promise: the first host keeps the guest until the second runs it. Must not: look into the pages.
 */
#include "shepherd.h"

#include <errno.h>
#include <string.h>

#include "../base/clock.h"
#include "../base/fault.h"
#include "../wire/reasons.h"

#define STALL_NS (30 * NSEC_PER_SEC)
#define BATCH ((size_t)2 << 20)

static int pass_on(struct link *to, const struct wire_header *h, const uint8_t *body, struct err *e)
{
	uint8_t head[WIRE_HEADER_SIZE] = {(uint8_t)h->length,         (uint8_t)(h->length >> 8),
					  (uint8_t)(h->length >> 16), (uint8_t)(h->length >> 24),
					  (uint8_t)h->type,           (uint8_t)(h->type >> 8)};
	int r = buf_append(link_out(to), head, sizeof(head));

	if (r == 0)
		r = buf_append(link_out(to), body, h->length);
	if (r == 0 && link_out(to)->len > BATCH)
		r = link_flush_wait(to, clock_mono_ns() + STALL_NS, e);
	return r;
}

/* Reads the image to its end even when the second link fails: the first must stay usable. */
static int relay(struct shepherd *s, struct link *to, struct err *e)
{
	struct capture c = {.t = main_tracee(s), .maps = &s->maps};
	struct wire_header h;
	const uint8_t *body;
	struct err lost;
	int result = 0, r;

	do {
		if (shepherd_recv(s->link, &h, &body, clock_mono_ns() + STALL_NS, &lost) < 0)
			deputy_lost(s, lost.text);
		r = shepherd_stray_frame(s, &h, body);
		if (r < 0)
			deputy_lost(s, "the host sends what it must not");
		if (r > 0)
			continue;
		s->move_bytes += h.length;
		/* Only home has the true vdso. */
		if (result == 0 && h.type == WIRE_IMAGE_END)
			result = capture_send_range(&c, s->maps.vdso_start, s->maps.vdso_end, to, e);
		if (result == 0)
			result = pass_on(to, &h, body, e);
	} while (h.type != WIRE_IMAGE_END);
	if (result == 0)
		result = link_flush_wait(to, clock_mono_ns() + STALL_NS, e);
	if (result == 0 && fault_point(FAULT_SHEP_RELAYED) < 0)
		result = err_reason(e, REASON_FAULT, -EIO, "fault point shep-relayed");
	return result;
}

int shepherd_go_on(struct shepherd *s, const struct wire_helper_move *order, struct err *e)
{
	_cleanup_link_ struct link *to = NULL;
	int r = shepherd_open_link(s, order, &to, e);

	s->move_bytes = 0;
	if (r < 0)
		return r;
	s->lets_signal_in = false;
	r = shepherd_freeze_guest(s, e);
	if (r < 0)
		return r;
	if (s->lets_signal_in) {
		/* On the other host it would run on before the signal has come: home is where it can go now. */
		r = err_reason(e, REASON_SIGNAL, -EAGAIN, "a signal brings process %d home", s->pid);
		shepherd_say_moved(s, e, 0);
		s->want_home = true;
		s->home_reason = s->last_home_reason = REASON_SIGNAL;
		s->home_nr = 0;
		s->brought_home++;
		shepherd_take_home(s, REASON_SIGNAL);
		return r;
	}
	r = relay(s, to, e);
	if (r == 0)
		r = shepherd_start_guest(s, to, e);
	s->moving = false;
	s->heard_ns = clock_mono_ns();
	if (r < 0) {
		if (wire_resume_encode(&(struct wire_resume){0}, link_out(s->link)) < 0)
			deputy_lost(s, "out of memory");
		(void)!shepherd_send(s);
	} else {
		struct link *from = s->link;

		loop_remove(s->link_watch);
		s->link = take_ptr(to);
		for (size_t i = 0; i < s->threads_n; i++) {
			s->threads[i]->signals_given = 0;
			s->threads[i]->nice_told = -1;
		}
		shepherd_kill_guest(from);
		link_free(from);
		shepherd_note_host(s, order);
		if (stops_tell_again(s) < 0)
			deputy_lost(s, "out of memory");
		/* What the first host wished for is done; what the guest itself needs it will ask for again. */
		if (s->again.timer && !threads_signal_held(s))
			s->want_home = false;
		shepherd_forget_again(s);
	}
	/* Held at a signal, or called home meanwhile: then home is next. */
	if (!threads_signal_held(s) && !shepherd_home_now(s) && deputy_idle_all(s) < 0)
		deputy_lost(s, "the deputy cannot be resumed");
	if (r == 0)
		shepherd_watch_link(s);
	return r;
}
