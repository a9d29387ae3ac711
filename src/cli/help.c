/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Help on the terminal, from the table of verbs. Promise: fits 80 columns, needs no manual installed.
 * Must not: know any verb by name.
 */
#include <errno.h>
#include <string.h>
#include "cli.h"
#include "out.h"

#define HELP_WIDTH 79

/* Prints paragraphs, broken between words, each line after the indent. */
static void print_text(FILE *f, const char *text, int indent, int column)
{
	const char *p = text;

	while (*p) {
		int n = (int)strcspn(p, " \n");

		if (column > indent && column + n + 1 > HELP_WIDTH) {
			(void)fprintf(f, "\n");
			column = 0;
		}
		if (column == 0)
			column = fprintf(f, "%*s", indent, "");
		else if (column > indent)
			column += fprintf(f, " ");
		column += fprintf(f, "%.*s", n, p);
		p += n;
		if (p[0] == '\n' && p[1] == '\n') {
			(void)fprintf(f, "\n\n");
			column = 0;
		}
		p += strspn(p, " \n");
	}
	(void)fprintf(f, "\n");
}

void cli_synopsis(FILE *f, const struct cli_verb *parent, const struct cli_verb *v)
{
	(void)fprintf(f, "godwit %s%s%s", parent ? parent->name : "", parent ? " " : "", v->name);
	for (const struct cli_option *o = v->options; o && o->name; o++)
		(void)fprintf(f, " [--%s%s%s]", o->name, o->arg ? " " : "", o->arg ? o->arg : "");
	if (*v->args)
		(void)fprintf(f, " %s", v->args);
}

static void print_options(FILE *f, const struct cli_option *list)
{
	for (const struct cli_option *o = list; o && o->name; o++) {
		char left[64];
		int n = snprintf(left, sizeof(left), "  %c%c%s--%s%s%s", o->letter ? '-' : ' ',
				 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name, o->arg ? " " : "",
				 o->arg ? o->arg : "");

		(void)fprintf(f, "%s", left);
		if (n >= 25) {
			(void)fprintf(f, "\n");
			n = 0;
		}
		(void)fprintf(f, "%*s", 26 - n, "");
		print_text(f, o->help, 26, 26);
	}
}

static void print_verbs(FILE *f, const struct cli_verb *list)
{
	for (const struct cli_verb *v = list; v->name; v++) {
		if (v->hidden)
			continue;
		if (v->group)
			(void)fprintf(f, "\n%s\n", v->group);
		(void)fprintf(f, "  %-10s %s\n", v->name, v->summary);
	}
}

void cli_help_verb(FILE *f, const struct cli_verb *parent, const struct cli_verb *v)
{
	(void)fprintf(f, "godwit %s%s%s: %s\n\n", parent ? parent->name : "", parent ? " " : "", v->name, v->summary);
	for (const struct cli_example *x = v->examples; x && x->command; x++)
		(void)fprintf(f, "  $ %s\n      %s\n", x->command, x->what);
	(void)fprintf(f, "\nUsage:\n  ");
	cli_synopsis(f, parent, v);
	(void)fprintf(f, "\n\n");
	print_text(f, v->text, 0, 0);
	if (v->sub) {
		(void)fprintf(f, "\nVerbs of the second level:\n");
		print_verbs(f, v->sub);
		(void)fprintf(f, "\nSee godwit help %s VERB.\n", v->name);
	}
	(void)fprintf(f, "\nOptions:\n");
	print_options(f, v->options);
	print_options(f, cli_common_options);
}

void cli_help_overview(FILE *f)
{
	(void)fprintf(f, "godwit: several machines work as one; running programs move to where there is room.\n\n"
			 "  $ godwit run make -j8         start something that the cluster may move\n"
			 "  $ godwit ps                   see what computes where, and why\n"
			 "  $ godwit migrate 4711 n2      move a process yourself\n\n"
			 "Usage: godwit [--at NODE|SOCKET] VERB ...\n");
	print_verbs(f, cli_verbs);
	(void)fprintf(f, "\ngodwit help VERB explains a verb, with examples. Exit codes:\n");
#define EXIT(number, name, text)              \
	(void)fprintf(f, "  %-3d  ", number); \
	print_text(f, text, 7, 7);
#include "exits.def"
#undef EXIT
}

int verb_help(struct cli *cx)
{
	const struct cli_verb *v = NULL, *parent = NULL, *list = cli_verbs;
	struct err e = {0};

	if (cx->argc == 0) {
		cli_help_overview(stdout);
		return CLI_OK;
	}
	for (int i = 0; i < cx->argc; i++) {
		const char *nearest = list ? cli_nearest(list, cx->argv[i]) : NULL;

		parent = v;
		v = list ? cli_find(list, cx->argv[i]) : NULL;
		if (!v) {
			(void)err_set(&e, -EINVAL, "there is no verb \"%.60s\"%s%s%s", cx->argv[i],
				      nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
			return cli_fail(&e);
		}
		list = v->sub;
	}
	if (v)
		cli_help_verb(stdout, parent, v);
	return CLI_OK;
}

int verb_version(struct cli *cx)
{
	(void)cx;
	(void)printf("godwit %s\n", GODWIT_VERSION);
	return CLI_OK;
}
