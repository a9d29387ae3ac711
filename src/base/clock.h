/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The clocks of this machine, in nanoseconds, and deadlines on the monotonic one.
 * Promise: monotonic values never go back. Must not: be used by src/policy, into which time comes.
 */
#ifndef GODWIT_BASE_CLOCK_H
#define GODWIT_BASE_CLOCK_H

#include <stdint.h>

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL

uint64_t clock_mono_ns(void); /* CLOCK_MONOTONIC */
uint64_t clock_real_ns(void); /* CLOCK_REALTIME */

/* Milliseconds from now to the deadline (CLOCK_MONOTONIC ns), rounded up, 0 when past; fits poll(). */
int clock_ms_until(uint64_t deadline_ns);

#endif
