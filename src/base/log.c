/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Log lines on standard error; see log.h. */
#include "log.h"

#include <stdarg.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = {"error", "warning", "info", "debug"};

static struct {
	const char *name;
	enum log_level level;
} state = {"godwit", LOG_INFO_};

void log_open(const char *name, enum log_level level)
{
	const char *wanted = getenv("GODWIT_LOG");

	state.name = name;
	state.level = level;
	for (unsigned i = 0; wanted && i < ARRAY_SIZE(level_names); i++) {
		if (strncmp(level_names[i], wanted, 4) == 0)
			state.level = (enum log_level)i;
	}
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char line[1024];
	struct timespec ts;
	struct tm tm;
	size_t n;
	va_list ap;

	if (level > state.level)
		return;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	(void)gmtime_r(&ts.tv_sec, &tm);
	n = strftime(line, sizeof(line), "%Y-%m-%dT%H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof(line) - n, ".%03ldZ %s[%d] %s: ", ts.tv_nsec / 1000000, state.name,
			      getpid(), level_names[level]);
	va_start(ap, fmt);
	n += (size_t)vsnprintf(line + n, sizeof(line) - n - 1, fmt, ap);
	va_end(ap);
	if (n > sizeof(line) - 2)
		n = sizeof(line) - 2;
	/* A text that came from elsewhere must not be able to forge a line. */
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, n);
}
