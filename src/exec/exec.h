/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the parts of remote execution agree on: godwit exec, the broker of its user (godwit-execd), and the executor.
 * Must not: need more than src/base and src/wire, for godwit exec is not to load what only links need.
 */
#ifndef GODWIT_EXEC_EXEC_H
#define GODWIT_EXEC_EXEC_H

#include <stdint.h>
#include <sys/resource.h>
#include "../base/clock.h"

#define EXEC_CHUNK (64 * 1024) /* bytes of one EXEC_DATA */
#define EXEC_WINDOW_BYTES (512 * 1024) /* of a stream that may be on the way: the receiver keeps as much */
#define EXEC_BACKLOG (512 * 1024) /* bytes that wait for a link: then its sources have to wait, too */
#define EXEC_COMMANDS_MAX 256 /* of one link that run together; further ones wait in the broker */

#define EXEC_SIGNAL_GROUP \
	0x67726f75 /* the value of a signal that the keeper of a client's godwit exec queues: for all */

#define EXEC_PING_NS (3 * NSEC_PER_SEC)
#define EXEC_SILENT_NS (12 * NSEC_PER_SEC) /* then the link is lost */
#define EXEC_START_NS (30 * NSEC_PER_SEC) /* from EXEC_START to an answer; a directory may be on a slow server */
#define EXEC_GRACE_NS NSEC_PER_SEC /* from SIGHUP to SIGKILL */
#define EXEC_IDLE_NS (20 * NSEC_PER_SEC) /* the broker stays so long without a command */

/* What a command has used, and those of its descendants for which somebody has waited. */
struct exec_usage {
	uint64_t user_us, system_us, max_rss_kb;
};

static inline struct exec_usage exec_usage_of(const struct rusage *u)
{
	return (struct exec_usage){.user_us = (uint64_t)u->ru_utime.tv_sec * 1000000 + (uint64_t)u->ru_utime.tv_usec,
				   .system_us = (uint64_t)u->ru_stime.tv_sec * 1000000 + (uint64_t)u->ru_stime.tv_usec,
				   .max_rss_kb = (uint64_t)u->ru_maxrss};
}

#endif
