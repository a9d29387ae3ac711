/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a build has done: a few lines for the terminal, and a page with a time line.
 * Promise: the page is one file and needs no other; whatever a command contains is text in it. Must not: run scripts.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "make.h"
#include "out.h"

#define LONGEST 5
#define LONGEST_PAGE 40
#define COMMAND_MAX 60
#define WIDTH 1600.0
#define ROW 16

static double seconds(uint64_t ns)
{
	return (double)ns / (double)NSEC_PER_SEC;
}

static uint64_t duration(const struct make_record *r)
{
	return r->end_ns - r->begin_ns;
}

static int by_duration(const void *a, const void *b)
{
	uint64_t x = duration(*(const struct make_record *const *)a),
		 y = duration(*(const struct make_record *const *)b);

	return x < y ? 1 : x > y ? -1 : 0;
}

/* The longest first; NULL: there is no memory, or nothing. Release with free(). */
static const struct make_record **sorted(const struct make_history *h)
{
	const struct make_record **list = h->n ? calloc(h->n, sizeof(struct make_record *)) : NULL;

	for (size_t i = 0; list && i < h->n; i++)
		list[i] = &h->list[i];
	if (list)
		qsort(list, h->n, sizeof(*list), by_duration);
	return list;
}

static uint64_t last_end(const struct make_history *h)
{
	uint64_t end = h->begin_ns + 1;

	for (size_t i = 0; i < h->n; i++)
		end = h->list[i].end_ns > end ? h->list[i].end_ns : end;
	return end;
}

void make_summary(const struct make_history *h, const struct make_nodes *all, double cpu_here, FILE *f)
{
	_cleanup_free_ const struct make_record **list = sorted(h);
	uint64_t elsewhere = 0;
	unsigned again = 0;

	for (size_t i = 0; i < h->n; i++)
		again += h->list[i].again;
	for (unsigned i = 0; i < all->n; i++)
		elsewhere += all->list[i].cpu_us;
	(void)fprintf(f, "godwit make: %zu recipes in %.1f s, %u run again; CPU time %.1f s here, %.1f s elsewhere\n",
		      h->n - again, seconds(clock_mono_ns() - h->begin_ns), again, cpu_here, (double)elsewhere / 1e6);
	for (unsigned i = 0; i < all->n; i++)
		if (all->list[i].done)
			(void)fprintf(f, "  %-12s %6u recipes %9.1f s, CPU time %9.1f s\n", all->list[i].name,
				      all->list[i].done, seconds(all->list[i].wall_ns),
				      i ? (double)all->list[i].cpu_us / 1e6 : cpu_here);
	for (size_t i = 0; list && i < h->n && i < LONGEST && duration(list[i]) >= NSEC_PER_SEC; i++) {
		_cleanup_free_ char *safe = out_safe(list[i]->command);

		(void)fprintf(f, "  %.1f s on %s: %.*s\n", seconds(duration(list[i])), all->list[list[i]->node].name,
			      COMMAND_MAX, safe ? safe : "");
	}
}

/* ---- the page ---------------------------------------------------------------------------------------------------- */

/* Text for HTML; bytes that are no printable ASCII are shown as such. */
static void put_text(FILE *f, const char *s)
{
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c == '<' || c == '>' || c == '&' || c == '"' || c == '\'')
			(void)fprintf(f, "&#%d;", c);
		else if (c == '\n' || c == '\t' || (c >= ' ' && c < 127))
			(void)fputc(c == '\n' || c == '\t' ? ' ' : c, f);
		else
			(void)fprintf(f, "\\x%02x", c);
	}
}

static const char *colour(const struct make_record *r)
{
	return r->again ? "#d0a020" : r->status > 0 ? "#c04040" : "#4080b0";
}

static void put_bar(FILE *f, const struct make_history *h, const struct make_record *r, const char *node, double scale,
		    int y)
{
	double width = (double)duration(r) * scale;

	(void)fprintf(f, "<rect x='%.1f' y='%d' width='%.1f' height='%d' fill='%s'><title>",
		      (double)(r->begin_ns - h->begin_ns) * scale, y, width < 1 ? 1 : width, ROW - 3, colour(r));
	put_text(f, node);
	(void)fprintf(f, ", %.2f s from %.2f", seconds(duration(r)), seconds(r->begin_ns - h->begin_ns));
	if (r->node)
		(void)fprintf(f, ", CPU time %.2f s", (double)r->cpu_us / 1e6);
	(void)fputs(": ", f);
	put_text(f, r->command);
	(void)fputs("</title></rect>\n", f);
}

/* Bars in as few rows as they need: each into the first that is free again. Records are in the order of their ends,
 * which serves as well, from the last to the first. */
static void put_node(FILE *f, const struct make_history *h, const struct make_nodes *all, int node, double scale)
{
	_cleanup_free_ uint64_t *rows = calloc(h->n + 1, sizeof(*rows));
	int used = 0, k;

	for (size_t i = h->n; rows && i-- > 0;) {
		if (h->list[i].node != node)
			continue;
		for (k = 0; k < used && rows[k] < h->list[i].end_ns; k++)
			;
		used += k == used;
		rows[k] = h->list[i].begin_ns;
	}
	(void)fputs("<h2>", f);
	put_text(f, all->list[node].name);
	(void)fprintf(f, "</h2><p>%u recipes, %.1f s", all->list[node].done, seconds(all->list[node].wall_ns));
	if (node)
		(void)fprintf(f, ", CPU time %.1f s", (double)all->list[node].cpu_us / 1e6);
	(void)fprintf(f, "</p>\n<svg width='%.0f' height='%d'>\n", WIDTH, used * ROW + 1);
	if (rows)
		memset(rows, 0xff, (h->n + 1) * sizeof(*rows));
	for (size_t i = h->n; rows && i-- > 0;) {
		if (h->list[i].node != node)
			continue;
		for (k = 0; rows[k] < h->list[i].end_ns; k++)
			;
		rows[k] = h->list[i].begin_ns;
		put_bar(f, h, &h->list[i], all->list[node].name, scale, k * ROW);
	}
	(void)fputs("</svg>\n", f);
}

static void put_longest(FILE *f, const struct make_history *h, const struct make_nodes *all)
{
	_cleanup_free_ const struct make_record **list = sorted(h);

	(void)fputs("<h2>The longest</h2>\n<table>\n", f);
	for (size_t i = 0; list && i < h->n && i < LONGEST_PAGE; i++) {
		(void)fprintf(f, "<tr><td>%.2f s</td><td>", seconds(duration(list[i])));
		put_text(f, all->list[list[i]->node].name);
		(void)fputs("</td><td><code>", f);
		put_text(f, list[i]->command);
		(void)fputs("</code></td></tr>\n", f);
	}
	(void)fputs("</table>\n", f);
}

int make_report(const struct make_history *h, const struct make_nodes *all, const char *path)
{
	FILE *f = fopen(path, "we");
	uint64_t end = last_end(h);
	bool bad;

	if (!f)
		return -errno;
	(void)fprintf(
	    f,
	    "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>godwit make</title>\n"
	    "<style>body{font-family:sans-serif} svg{background:#f2f2f2} td{padding:0 1em 0 0;vertical-align:top}"
	    "</style></head><body>\n<h1>godwit make: %zu recipes in %.1f s</h1>\n"
	    "<p>Blue: done; red: failed; yellow: run again elsewhere. The whole width is the time of the build; "
	    "point at a bar for its command.</p>\n",
	    h->n, seconds(end - h->begin_ns));
	for (unsigned i = 0; i < all->n; i++)
		if (all->list[i].done)
			put_node(f, h, all, (int)i, WIDTH / (double)(end - h->begin_ns));
	put_longest(f, h, all);
	(void)fputs("</body></html>\n", f);
	bad = ferror(f);
	return fclose(f) != 0 || bad ? -EIO : 0;
}
