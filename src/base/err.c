/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Errors as values; see err.h. */
#include "err.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

_printf_(4, 0) static void put(struct err *e, unsigned reason, int code, const char *fmt, va_list ap)
{
	if (!e)
		return;
	e->code = code;
	e->reason = reason;
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(e, 0, code, fmt, ap);
	va_end(ap);
	return code;
}

int err_reason(struct err *e, unsigned reason, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put(e, reason, code, fmt, ap);
	va_end(ap);
	return code;
}

int err_prefix(struct err *e, const char *fmt, ...)
{
	char old[ERR_TEXT_MAX + 2];
	size_t len, room;
	va_list ap;

	if (!e)
		return -EIO;
	(void)snprintf(old, sizeof(old), ": %s", e->text);
	va_start(ap, fmt);
	(void)vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	len = strlen(e->text);
	room = sizeof(e->text) - 1 - len;
	if (room > strlen(old))
		room = strlen(old);
	memcpy(e->text + len, old, room);
	e->text[len + room] = '\0';
	return e->code;
}
