/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A coming home that failed is tried again.
 * Promise: a signal that is held, and a guest that waits for home, are never forgotten: the pauses between the tries
 * grow, and after a minute it is decided. Then a guest that can go on without home stays where it is, and one that
 * cannot is ended by SIGKILL, with a sentence in the log. Must not: repeat what godwitd has ordered; its giver was told
 * that it failed.
 *
 * Between two tries the guest runs. While a signal is held the deputy stands still, so that no second one can take its
 * place, and a call of the guest waits for the next try: the kernel would have delivered the signal before it.
 */
#include "shepherd.h"

#include "../base/clock.h"
#include "../base/fault.h"
#include "../base/log.h"
#include "../wire/reasons.h"

#define FIRST_NS (100 * NSEC_PER_MSEC)
#define PAUSE_MAX_NS (5 * NSEC_PER_SEC)
#define LIMIT_NS (60 * NSEC_PER_SEC)

void shepherd_forget_again(struct shepherd *s)
{
	loop_remove(s->again.timer);
	s->again.timer = NULL;
	s->again.failed = 0;
	s->again.since_ns = 0;
}

static void on_pause_end(void *arg)
{
	struct shepherd *s = arg;

	s->again.timer = NULL;
	if (s->want_home && s->link)
		shepherd_come_home(s, s->home_reason);
}

/* A guest whose host or home wants it away can go on as well; one that needs home itself cannot. */
static bool can_stay(const struct shepherd *s)
{
	return !threads_signal_held(s) && (s->home_reason == REASON_EVICTED || s->home_reason == REASON_LEAVING);
}

static void give_up(struct shepherd *s, const struct err *why)
{
	char text[ERR_TEXT_MAX + 40];

	shepherd_forget_again(s);
	if (!can_stay(s)) {
		(void)snprintf(text, sizeof(text), "it cannot be taken home: %s", why->text);
		deputy_lost(s, text);
	}
	log_warn("process %d stays on %s, although %s: %s", s->pid, s->host, reason_sentence(s->home_reason),
		 why->text);
	s->want_home = false;
}

void shepherd_try_again(struct shepherd *s, const struct err *why)
{
	uint64_t now = clock_mono_ns(), pause = FIRST_NS << (s->again.failed < 16 ? s->again.failed : 16);

	loop_remove(s->again.timer);
	s->again.timer = NULL;
	if (!s->want_home)
		return;
	if (!s->again.since_ns)
		s->again.since_ns = now;
	s->again.failed++;
	if (now - s->again.since_ns > LIMIT_NS || fault_point(FAULT_SHEP_AGAIN) < 0) {
		give_up(s, why);
		return;
	}
	s->again.timer = loop_add_timer(s->loop, now + (pause < PAUSE_MAX_NS ? pause : PAUSE_MAX_NS), on_pause_end, s);
	if (!s->again.timer)
		deputy_lost(s, "out of memory");
}
