/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The epoll loop; see loop.h. Removed watches are freed only between rounds, so that no event meets freed memory. */
#include "loop.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

#include "clock.h"

#define ROUND_EVENTS 32

struct loop_watch {
	struct loop *loop;
	struct loop_watch *next, *prev;
	int fd; /* -1: a timer */
	uint64_t deadline_ns;
	loop_fd_fn fd_fn;
	loop_timer_fn timer_fn;
	void *arg;
	bool dead;
};

struct loop {
	int epoll, signal_fd;
	bool stopped;
	int value;
	struct loop_watch *watches;
	unsigned dead;
	loop_signal_fn signal_fn;
	void *signal_arg;
};

int loop_new(struct loop **ret)
{
	struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->signal_fd = -1;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		int r = -errno;

		free(l);
		return r;
	}
	*ret = l;
	return 0;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->watches) {
		struct loop_watch *w = l->watches;

		l->watches = w->next;
		free(w);
	}
	if (l->signal_fd >= 0)
		(void)close(l->signal_fd);
	(void)close(l->epoll);
	free(l);
}

static struct loop_watch *add(struct loop *l, int fd, void *arg)
{
	struct loop_watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->loop = l;
	w->fd = fd;
	w->arg = arg;
	w->next = l->watches;
	if (w->next)
		w->next->prev = w;
	l->watches = w;
	return w;
}

static void unlink_watch(struct loop_watch *w)
{
	if (w->prev)
		w->prev->next = w->next;
	else
		w->loop->watches = w->next;
	if (w->next)
		w->next->prev = w->prev;
	free(w);
}

struct loop_watch *loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *arg)
{
	struct loop_watch *w = add(l, fd, arg);
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (!w)
		return NULL;
	w->fd_fn = fn;
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &ev) < 0) {
		unlink_watch(w);
		return NULL;
	}
	return w;
}

int loop_set_events(struct loop_watch *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	return epoll_ctl(w->loop->epoll, EPOLL_CTL_MOD, w->fd, &ev) < 0 ? -errno : 0;
}

struct loop_watch *loop_add_timer(struct loop *l, uint64_t deadline_ns, loop_timer_fn fn, void *arg)
{
	struct loop_watch *w = add(l, -1, arg);

	if (w) {
		w->timer_fn = fn;
		w->deadline_ns = deadline_ns;
	}
	return w;
}

void loop_remove(struct loop_watch *w)
{
	if (!w || w->dead)
		return;
	if (w->fd >= 0)
		(void)epoll_ctl(w->loop->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	w->dead = true;
	w->loop->dead++;
}

static void sweep(struct loop *l)
{
	struct loop_watch *next;

	for (struct loop_watch *w = l->watches; w && l->dead; w = next) {
		next = w->next;
		if (w->dead) {
			unlink_watch(w);
			l->dead--;
		}
	}
}

static void on_signal(void *arg, int fd, uint32_t events)
{
	struct loop *l = arg;
	struct signalfd_siginfo info;

	(void)events;
	while (read(fd, &info, sizeof(info)) == sizeof(info))
		l->signal_fn(l->signal_arg, (int)info.ssi_signo);
}

int loop_add_signals(struct loop *l, const sigset_t *set, loop_signal_fn fn, void *arg)
{
	if (l->signal_fd >= 0)
		return -EBUSY;
	if (sigprocmask(SIG_BLOCK, set, NULL) < 0)
		return -errno;
	l->signal_fd = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->signal_fd < 0)
		return -errno;
	l->signal_fn = fn;
	l->signal_arg = arg;
	return loop_add_fd(l, l->signal_fd, EPOLLIN, on_signal, l) ? 0 : -ENOMEM;
}

static uint64_t next_deadline(const struct loop *l)
{
	uint64_t t = UINT64_MAX;

	for (const struct loop_watch *w = l->watches; w; w = w->next) {
		if (w->fd < 0 && !w->dead && w->deadline_ns < t)
			t = w->deadline_ns;
	}
	return t;
}

static void run_timers(struct loop *l)
{
	uint64_t now = clock_mono_ns();

	for (struct loop_watch *w = l->watches; w; w = w->next) {
		if (w->fd >= 0 || w->dead || w->deadline_ns > now)
			continue;
		loop_remove(w);
		w->timer_fn(w->arg);
	}
}

int loop_once(struct loop *l, int timeout_ms)
{
	struct epoll_event events[ROUND_EVENTS];
	uint64_t deadline = next_deadline(l);
	int n;

	if (deadline != UINT64_MAX && (timeout_ms < 0 || clock_ms_until(deadline) < timeout_ms))
		timeout_ms = clock_ms_until(deadline);
	n = epoll_wait(l->epoll, events, ROUND_EVENTS, timeout_ms);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct loop_watch *w = events[i].data.ptr;

		if (!w->dead)
			w->fd_fn(w->arg, w->fd, events[i].events);
	}
	run_timers(l);
	sweep(l);
	return 0;
}

int loop_run(struct loop *l)
{
	l->stopped = false;
	while (!l->stopped) {
		int r = loop_once(l, -1);

		if (r < 0)
			return r;
	}
	return l->value;
}

void loop_stop(struct loop *l, int value)
{
	l->stopped = true;
	l->value = value;
}
