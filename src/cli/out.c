/* SPDX-License-Identifier: GPL-2.0-or-later */
/* See out.h. */
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "out.h"

char *out_safe(const char *s)
{
	char *copy = strdup(s);

	for (unsigned char *p = (unsigned char *)copy; p && *p; p++) {
		if (*p < ' ' || *p == 0x7f)
			*p = '?';
		else if (*p == 0xc2 && p[1] >= 0x80 && p[1] <= 0x9f) /* the second set of controls, in UTF-8 */
			p[0] = p[1] = '?';
	}
	return copy;
}

void out_row(struct out_table *t, const char *const *cells)
{
	if (t->rows == t->cap) {
		size_t cap = t->cap ? 2 * t->cap : 16;
		char **bigger = reallocarray(t->cells, cap * t->n, sizeof(*bigger));

		if (!bigger)
			return;
		t->cells = bigger;
		t->cap = cap;
	}
	for (size_t i = 0; i < t->n; i++)
		t->cells[t->rows * t->n + i] = out_safe(cells[i] ? cells[i] : "-");
	t->rows++;
}

void out_table_release(struct out_table *t)
{
	for (size_t i = 0; i < t->rows * t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	t->cells = NULL;
	t->rows = t->cap = 0;
}

/* Columns that a string takes on the terminal: characters of UTF-8, taken as one column each. */
static size_t width_of(const char *s)
{
	size_t n = 0;

	for (; s && *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Bytes of the first `columns` characters. */
static size_t bytes_of(const char *s, size_t columns)
{
	const char *p = s;

	while (*p && (columns || ((unsigned char)*p & 0xc0) == 0x80)) {
		if (((unsigned char)*p & 0xc0) != 0x80)
			columns--;
		p++;
	}
	return (size_t)(p - s);
}

static void print_line(const struct out_table *t, FILE *f, const size_t *widths, size_t row, bool heading)
{
	size_t column = 0, limit = out_width(f);

	for (size_t i = 0; i < t->n; i++) {
		const char *cell = heading ? t->columns[i].name : t->cells[row * t->n + i];
		size_t w = width_of(cell), pad = widths[i] > w ? widths[i] - w : 0;

		cell = cell ? cell : "";
		if (i)
			column += (size_t)fprintf(f, "  ");
		if (t->columns[i].right)
			column += (size_t)fprintf(f, "%*s", (int)pad, "");
		if (i + 1 == t->n && limit && column + w > limit)
			(void)fprintf(f, "%.*s", (int)bytes_of(cell, limit > column ? limit - column : 0), cell);
		else
			(void)fprintf(f, "%s", cell);
		column += w;
		if (!t->columns[i].right && i + 1 < t->n)
			column += (size_t)fprintf(f, "%*s", (int)pad, "");
	}
	(void)fprintf(f, "\n");
}

void out_table_print(const struct out_table *t, FILE *f)
{
	_cleanup_free_ size_t *widths = calloc(t->n, sizeof(*widths));
	bool colour = out_colour(f);

	if (!widths)
		return;
	for (size_t i = 0; i < t->n; i++) {
		widths[i] = width_of(t->columns[i].name);
		for (size_t r = 0; r < t->rows; r++) {
			size_t w = width_of(t->cells[r * t->n + i]);

			if (w > widths[i])
				widths[i] = w;
		}
	}
	if (colour)
		(void)fprintf(f, "\033[1m");
	print_line(t, f, widths, 0, true);
	if (colour)
		(void)fprintf(f, "\033[0m");
	for (size_t r = 0; r < t->rows; r++)
		print_line(t, f, widths, r, false);
}

const char *out_size(char *buf, size_t cap, double bytes)
{
	static const char *const units[] = {"B", "KB", "MB", "GB", "TB", "PB"};
	size_t u = 0;

	while (bytes >= 1024 && u + 1 < ARRAY_SIZE(units)) {
		bytes /= 1024;
		u++;
	}
	(void)snprintf(buf, cap, u && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, units[u]);
	return buf;
}

const char *out_duration(char *buf, size_t cap, double us)
{
	if (us < 1000)
		(void)snprintf(buf, cap, "%.0f us", us);
	else if (us < 1e6)
		(void)snprintf(buf, cap, us < 99950 ? "%.1f ms" : "%.0f ms", us / 1000);
	else if (us < 120e6)
		(void)snprintf(buf, cap, "%.1f s", us / 1e6);
	else
		(void)snprintf(buf, cap, "%.0f min", us / 60e6);
	return buf;
}

bool out_colour(FILE *f)
{
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM");

	return !(no && *no) && term && strcmp(term, "dumb") != 0 && isatty(fileno(f));
}

unsigned out_width(FILE *f)
{
	struct winsize w = {0};

	if (ioctl(fileno(f), TIOCGWINSZ, &w) < 0)
		return 0;
	return w.ws_col ? w.ws_col : 80;
}

static bool utf8(void)
{
	(void)setlocale(LC_CTYPE, "");
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

const char *out_tick(void)
{
	return utf8() ? "\xe2\x9c\x93" : "ok:";
}

const char *out_cross(void)
{
	return utf8() ? "\xe2\x9c\x97" : "failed:";
}

void out_json(const json_t *j)
{
	(void)json_dumpf(j, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
	(void)printf("\n");
}

const char *out_str(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "-";
}

double out_num(const json_t *j, const char *key)
{
	return json_number_value(json_object_get(j, key));
}

bool out_bool(const json_t *j, const char *key)
{
	return json_is_true(json_object_get(j, key));
}
