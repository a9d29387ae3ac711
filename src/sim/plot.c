/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two plots as SVG: how many jobs had at most which slowdown, and how far the busiest node is from the average.
 * Promise: plain SVG 1.1 that needs nothing else. Must not: compute results.
 */
#include <math.h>
#include "sim.h"

#define WIDTH 420.0
#define HEIGHT 260.0
#define LEFT 60.0
#define TOP 40.0
#define STEPS 200

static const char *const colours[] = {"#888888", "#d55e00", "#e69f00", "#56b4e9",
				      "#009e73", "#0072b2", "#000000", "#cc79a7"};

static const char *colour(unsigned k)
{
	return colours[k % ARRAY_SIZE(colours)];
}

static void frame(FILE *f, double x0, const char *title, const char *x, const char *y)
{
	(void)fprintf(f,
		      "<rect x='%.1f' y='%.1f' width='%.1f' height='%.1f' fill='none' stroke='black'/>\n"
		      "<text x='%.1f' y='%.1f' font-weight='bold'>%s</text>\n"
		      "<text x='%.1f' y='%.1f' text-anchor='middle'>%s</text>\n"
		      "<text x='%.1f' y='%.1f' transform='rotate(-90 %.1f %.1f)' text-anchor='middle'>%s</text>\n",
		      x0, TOP, WIDTH, HEIGHT, x0, TOP - 12, title, x0 + WIDTH / 2, TOP + HEIGHT + 34, x, x0 - 44,
		      TOP + HEIGHT / 2, x0 - 44, TOP + HEIGHT / 2, y);
}

static void label_x(FILE *f, double x, double v)
{
	(void)fprintf(f, "<text x='%.1f' y='%.1f' text-anchor='middle'>%g</text>\n", x, TOP + HEIGHT + 16, v);
}

static void label_y(FILE *f, double x0, double y, double v)
{
	(void)fprintf(f, "<text x='%.1f' y='%.1f' text-anchor='end'>%g</text>\n", x0 - 6, y + 4, v);
}

/* Part of the jobs with at most that slowdown. */
static double part_below(const struct sim_result *r, double slowdown)
{
	unsigned low = 0, high = r->n_slowdowns;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (r->slowdowns[middle] <= slowdown)
			low = middle + 1;
		else
			high = middle;
	}
	return r->n_slowdowns ? (double)low / r->n_slowdowns : 0;
}

static void plot_slowdowns(FILE *f, const struct sim_column *c, unsigned n)
{
	double least = INFINITY, most = 0, decades, v;
	unsigned k, i;

	for (k = 0; k < n; k++) {
		if (!c[k].result.n_slowdowns)
			continue;
		least = fmin(least, c[k].result.slowdowns[0]);
		most = fmax(most, c[k].result.slowdowns[c[k].result.n_slowdowns - 1]);
	}
	if (!isfinite(least) || least <= 0)
		return;
	least = pow(10, floor(log10(least) * (1 + 1e-9)));
	decades = fmax(1, ceil(log10(most / least)));
	frame(f, LEFT, "Slowdown", "at most this slowdown", "part of the jobs");
	for (i = 0; i <= (unsigned)decades; i++)
		label_x(f, LEFT + WIDTH * i / decades, least * pow(10, i));
	for (i = 0; i <= 4; i++)
		label_y(f, LEFT, TOP + HEIGHT * (1 - i / 4.0), i / 4.0);
	for (k = 0; k < n; k++) {
		(void)fprintf(f, "<polyline fill='none' stroke-width='1.5' stroke='%s' points='", colour(k));
		for (i = 0; i <= STEPS; i++) {
			v = least * pow(10, decades * i / STEPS);
			(void)fprintf(f, "%.1f,%.1f ", LEFT + WIDTH * i / STEPS,
				      TOP + HEIGHT * (1 - part_below(&c[k].result, v)));
		}
		(void)fputs("'/>\n", f);
	}
}

static void plot_balance(FILE *f, const struct sim_column *c, unsigned n, double x0)
{
	double time = 0, most = 0;
	unsigned k, i, every;

	for (k = 0; k < n; k++)
		for (i = 0; i < c[k].result.n_points; i++) {
			const struct sim_point *p = &c[k].result.points[i];

			time = fmax(time, p->time_s);
			most = fmax(most, p->busiest - p->average);
		}
	frame(f, x0, "Busiest node above the average", "seconds", "jobs for each standard CPU");
	if (time <= 0 || most <= 0)
		return;
	for (i = 0; i <= 4; i++) {
		label_x(f, x0 + WIDTH * i / 4, time * i / 4);
		label_y(f, x0, TOP + HEIGHT * (1 - i / 4.0), round(most * i * 25) / 100);
	}
	for (k = 0; k < n; k++) {
		const struct sim_result *r = &c[k].result;

		every = 1 + r->n_points / 400;
		(void)fprintf(f, "<polyline fill='none' stroke-width='1' stroke='%s' points='", colour(k));
		for (i = 0; i < r->n_points; i += every)
			(void)fprintf(f, "%.1f,%.1f ", x0 + WIDTH * r->points[i].time_s / time,
				      TOP + HEIGHT * (1 - (r->points[i].busiest - r->points[i].average) / most));
		(void)fputs("'/>\n", f);
	}
}

void sim_print_svg(FILE *f, const struct sim_column *columns, unsigned n)
{
	double x0 = 2 * LEFT + WIDTH + 30;
	unsigned k;

	(void)fprintf(f,
		      "<?xml version='1.0' encoding='UTF-8'?>\n<svg xmlns='http://www.w3.org/2000/svg' version='1.1' "
		      "width='%.0f' height='%.0f' font-family='sans-serif' font-size='12'>\n"
		      "<rect width='100%%' height='100%%' fill='white'/>\n",
		      x0 + WIDTH + 20, TOP + HEIGHT + 70);
	plot_slowdowns(f, columns, n);
	plot_balance(f, columns, n, x0);
	for (k = 0; k < n; k++)
		(void)fprintf(f, "<text x='%.1f' y='%.1f' fill='%s'>%s</text>\n", LEFT + 120.0 * k, TOP + HEIGHT + 58,
			      colour(k), columns[k].how->name);
	(void)fputs("</svg>\n", f);
}
