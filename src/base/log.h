/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Log lines of the daemons and helpers, on standard error: "<ISO time> <program>[<pid>] <level>: <text>".
 * Promise: one write(2) per line. Must not: be called by libraries (src/wire, src/policy, src/syscalls,
 * src/image, src/link): they return struct err.
 */
#ifndef GODWIT_BASE_LOG_H
#define GODWIT_BASE_LOG_H

#include "cleanup.h"

enum log_level { LOG_ERROR_, LOG_WARN_, LOG_INFO_, LOG_DEBUG_ };

/* name is kept, not copied. Lines below the level are dropped; GODWIT_LOG=error|warn|info|debug overrides. */
void log_open(const char *name, enum log_level level);
void log_line(enum log_level level, const char *fmt, ...) _printf_(2, 3);

#define log_error(...) log_line(LOG_ERROR_, __VA_ARGS__)
#define log_warn(...) log_line(LOG_WARN_, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO_, __VA_ARGS__)
#define log_debug(...) log_line(LOG_DEBUG_, __VA_ARGS__)

#endif
