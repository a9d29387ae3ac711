/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A small epoll loop: fds, one-shot timers, and signals by signalfd.
 * Promise: callbacks may add and remove any watch, also their own, while they run; a removed watch is never
 * called again. Must not: be shared by threads.
 */
#ifndef GODWIT_BASE_LOOP_H
#define GODWIT_BASE_LOOP_H

#include <stdint.h>
#include <signal.h>
#include "cleanup.h"

struct loop;
struct loop_watch; /* an fd or a timer; freed by loop_remove() or loop_free() */

typedef void (*loop_fd_fn)(void *arg, int fd, uint32_t events); /* EPOLL* bits */
typedef void (*loop_timer_fn)(void *arg);
typedef void (*loop_signal_fn)(void *arg, int signo);

int loop_new(struct loop **ret) _must_check_; /* -errno */
void loop_free(struct loop *l); /* NULL is legal; closes no fd that was given in */

/* Watches fd (not owned). Returns NULL when out of memory or refused by epoll. */
struct loop_watch *loop_add_fd(struct loop *l, int fd, uint32_t events, loop_fd_fn fn, void *arg);
int loop_set_events(struct loop_watch *w, uint32_t events) _must_check_;

/* Calls fn once at the deadline (CLOCK_MONOTONIC ns); the watch is then gone. NULL: out of memory. */
struct loop_watch *loop_add_timer(struct loop *l, uint64_t deadline_ns, loop_timer_fn fn, void *arg);

void loop_remove(struct loop_watch *w); /* NULL is legal; closes nothing */

/* Blocks the signals of the set in this process and calls fn for each that arrives. Once per loop. */
int loop_add_signals(struct loop *l, const sigset_t *set, loop_signal_fn fn, void *arg) _must_check_;

/* Runs until loop_stop(); returns its value, or -errno of epoll_wait. */
int loop_run(struct loop *l);
/* One round: waits at most timeout_ms (-1: no limit) and dispatches. 0 or -errno. */
int loop_once(struct loop *l, int timeout_ms);
void loop_stop(struct loop *l, int value);

#endif
