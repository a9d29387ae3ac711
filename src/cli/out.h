/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for people: tables, sizes, durations, colour.
 * Promise: strings that come from elsewhere cannot send control sequences to the terminal; colour only on a terminal
 * without NO_COLOR. Must not: be used for JSON.
 */
#ifndef GODWIT_CLI_OUT_H
#define GODWIT_CLI_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include "base/cleanup.h"

struct out_column {
	const char *name;
	bool right; /* numbers */
};

/* A table with upper-case headings. Columns must outlive it. */
struct out_table {
	const struct out_column *columns;
	size_t n; /* columns */
	char **cells; /* rows * n, owned; NULL where memory was short */
	size_t rows, cap;
};

/* Adds one row of t->n strings, which are copied and made safe. */
void out_row(struct out_table *t, const char *const *cells);
/* Prints it; on a terminal the last column is cut at the terminal's width. */
void out_table_print(const struct out_table *t, FILE *f);
void out_table_release(struct out_table *t);

/* A new copy in which control characters have become '?'. NULL: out of memory. */
char *out_safe(const char *s);
/* Short human forms, written into buf, which is returned: "16.2 MB", "3.1 ms", "0.52". */
const char *out_size(char *buf, size_t cap, double bytes);
const char *out_duration(char *buf, size_t cap, double us);

bool out_colour(FILE *f);
/* Terminal width of f, 0 when f is no terminal. */
unsigned out_width(FILE *f);
/* A tick or "ok", as the locale's character set allows. */
const char *out_tick(void);
const char *out_cross(void);

/* Prints the object indented, with a newline. */
void out_json(const json_t *j);

/* Fields of a reply; defaults for what is missing or of another type. */
const char *out_str(const json_t *j, const char *key);
double out_num(const json_t *j, const char *key);
bool out_bool(const json_t *j, const char *key);

#endif
