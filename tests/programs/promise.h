/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the self-checking programs share.
 * Promise: a program's output does not depend on how often its round was repeated, so that it can run for as long as
 * its driver needs and still be compared byte for byte with a run that was never moved. Must not: print anything that
 * differs between two runs at home.
 *
 * The driver may open these descriptors; each is looked at only when it is there:
 *   100  boundary() writes its pid (4 bytes), and waits for a message with that type in the System V queue GODWIT_GO
 *   102  ready or at its end: make no further round
 * COOKIE=32 hexadecimal digits: the 16 bytes are kept in memory, once, for the watcher.
 */
#ifndef GODWIT_TESTS_PROMISE_H
#define GODWIT_TESTS_PROMISE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

#define FD_AT 100
#define FD_DONE 102

/* Runs the round until the driver has enough of it, prints what the first one said, and returns the exit code: 1 when a
 * later round said something else. */
int promise_run(void (*round)(void));

/* Takes the cookie from the environment; promise_run() does so. */
void promise_start(void);
/* True when the driver wants no further round. */
bool promise_done(void);
/* One line of output, without its newline. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Ends the program with code 1 and the reason, unless cond holds. */
#define must(cond) ((cond) ? (void)0 : promise_broken(__FILE__, __LINE__, #cond))
void promise_broken(const char *file, int line, const char *what) __attribute__((noreturn));
/* The same with a result: its value, or the name of its error. */
void say_result(const char *what, long result);
/* What was said is written there, for the parent that waits for it. */
void promise_tell(int fd);
/* A place at which the driver may move the process while it waits: before each call (boundaries.h). A loop of calls has
 * no further ones after the first BOUNDARIES. */
#define BOUNDARIES 1000
void boundary(void);
/* fork(); the child has no cookie, and what it says is its own. */
pid_t promise_fork(void);
/* The state of a process as /proc/PID/stat has it: 'S', 'T' ... */
char state_of(pid_t pid);
/* FNV-1a over n bytes, continued from h (0 begins). */
uint64_t hash(uint64_t h, const void *p, size_t n);
/* The next of a fixed sequence; *state != 0. */
uint64_t xorshift(uint64_t *state);
/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t now_ns(void);
/* Computes for about that many ms of CLOCK_MONOTONIC. */
void burn_ms(unsigned ms);
/* True when ms have passed since start_ns, but not `late` more. A deadline that a busy machine misses by less is kept.
 */
bool took_ms(uint64_t start_ns, unsigned ms, unsigned late);

#if !defined(PROMISE_ITSELF) && !defined(BOUNDARIES_BY_HAND)
#include "boundaries.h"
#endif

#endif
