/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A build tool: writes, from the table of verbs, what must agree with it.
 *   generate man TEMPLATE   the scdoc page, with @VERBS@ and @EXITS@ of the template replaced
 *   generate completion     the completion for bash
 * Promise: output depends on the table and the template only. Must not: be installed.
 */
#include <errno.h>
#include <string.h>
#include "cli.h"

/* Text with the characters escaped that mean something to scdoc. */
static void man_text(const char *text)
{
	for (const char *p = text; *p; p++) {
		if (strchr("\\_*#<>", *p) || (*p == '-' && p == text))
			(void)putchar('\\');
		(void)putchar(*p);
	}
}

static void man_options(const struct cli_option *list)
{
	for (const struct cli_option *o = list; o && o->name; o++) {
		if (o->letter)
			(void)printf("*-%c*, ", o->letter);
		(void)printf("*--%s*", o->name);
		if (o->arg) {
			(void)printf(" ");
			man_text(o->arg);
		}
		(void)printf("\n\t");
		man_text(o->help);
		(void)printf("\n\n");
	}
}

static void man_verb(const struct cli_verb *parent, const struct cli_verb *v)
{
	(void)printf("## godwit ");
	if (parent) {
		man_text(parent->name);
		(void)printf(" ");
	}
	man_text(v->name);
	for (const struct cli_option *o = v->options; o && o->name; o++) {
		(void)printf(" [--%s%s", o->name, o->arg ? " " : "");
		if (o->arg)
			man_text(o->arg);
		(void)printf("]");
	}
	(void)printf(" ");
	man_text(v->args);
	(void)printf("\n\n*");
	man_text(v->summary);
	(void)printf("*\n\n");
	man_text(v->text);
	(void)printf("\n\n");
	man_options(v->options);
	(void)printf("```\n");
	for (const struct cli_example *x = v->examples; x && x->command; x++)
		(void)printf("$ %-48s # %s\n", x->command, x->what);
	(void)printf("```\n\n");
	for (const struct cli_verb *w = v->sub; w && w->name; w++)
		man_verb(v, w);
}

static void man_verbs(void)
{
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		if (v->hidden)
			continue;
		if (v->group)
			(void)printf("# %s\n\n", v->group);
		man_verb(NULL, v);
	}
}

static void man_exits(void)
{
#define EXIT(number, name, text)          \
	(void)printf("*%d*\n\t", number); \
	man_text(text);                   \
	(void)printf("\n\n");
#include "exits.def"
#undef EXIT
}

static int man(const char *path)
{
	FILE *f = fopen(path, "re");
	char line[1024];

	if (!f) {
		(void)fprintf(stderr, "generate: %s: %s\n", path, strerror(errno));
		return 1;
	}
	while (fgets(line, sizeof(line), f)) {
		if (strcmp(line, "@VERBS@\n") == 0)
			man_verbs();
		else if (strcmp(line, "@EXITS@\n") == 0)
			man_exits();
		else if (strcmp(line, "@COMMON@\n") == 0)
			man_options(cli_common_options);
		else
			(void)fputs(line, stdout);
	}
	(void)fclose(f);
	return 0;
}

/* The words that may follow a verb: its options and, by the synopsis, nodes, processes, or fixed words. */
static void completion_words(const char *name, const char *args, const struct cli_option *options,
			     const struct cli_verb *sub)
{
	(void)printf("\t\"%s\") words=\"", name);
	for (const struct cli_verb *w = sub; w && w->name; w++)
		(void)printf("%s ", w->name);
	for (int pass = 0; pass < 2; pass++) {
		for (const struct cli_option *o = pass ? cli_common_options : options; o && o->name; o++)
			(void)printf("--%s ", o->name);
	}
	/* words in small letters in a synopsis stand for themselves */
	for (const char *p = args; *p;) {
		size_t n = strspn(p, "abcdefghijklmnopqrstuvwxyz");

		if (n > 1 && (p == args || !strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ", p[-1])))
			(void)printf("%.*s ", (int)n, p);
		p += n ? n : 1;
	}
	(void)printf("\"");
	if (strstr(args, "NODE"))
		(void)printf("; nodes=1");
	if (strstr(args, "PID"))
		(void)printf("; pids=1");
	if (strstr(args, "COMMAND"))
		(void)printf("; command=1");
	(void)printf(" ;;\n");
}

static void completion(void)
{
	(void)printf("# SPDX-License-Identifier: GPL-2.0-or-later\n"
		     "# Completion of godwit for bash; generated from the table of verbs.\n"
		     "_godwit()\n{\n"
		     "\tlocal cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} verb='' words='' nodes='' "
		     "pids='' command='' i\n"
		     "\tCOMPREPLY=()\n"
		     "\tfor ((i = 1; i < COMP_CWORD; i++)); do\n"
		     "\t\tcase ${COMP_WORDS[i]} in\n"
		     "\t\t-*) continue ;;\n"
		     "\t\tesac\n"
		     "\t\tif [ -z \"$verb\" ]; then verb=${COMP_WORDS[i]}; [ \"$verb\" = ");
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		if (v->sub)
			(void)printf("%s ] && continue", v->name);
	}
	(void)printf("; break\n\t\telse verb=\"$verb ${COMP_WORDS[i]}\"; break; fi\n"
		     "\tdone\n"
		     "\tcase $verb in\n\t'') words='--help --version --at ");
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		if (!v->hidden)
			(void)printf("%s ", v->name);
	}
	(void)printf("' ;;\n");
	for (const struct cli_verb *v = cli_verbs; v->name; v++) {
		if (v->hidden)
			continue;
		completion_words(v->name, v->args, v->options, v->sub);
		for (const struct cli_verb *w = v->sub; w && w->name; w++) {
			char name[64];

			(void)snprintf(name, sizeof(name), "%s %s", v->name, w->name);
			completion_words(name, w->args, w->options, NULL);
		}
	}
	(void)printf(
	    "\tesac\n"
	    "\tcase $prev in\n"
	    "\t--node|--at) words=''; nodes=1; pids=''; command='' ;;\n"
	    "\t--user|-u) mapfile -t COMPREPLY < <(compgen -u -- \"$cur\"); return ;;\n"
	    "\tesac\n"
	    "\t[ -n \"$nodes\" ] && words=\"$words $(godwit nodes 2>/dev/null | awk 'NR > 1 { print $1 }')\"\n"
	    "\t[ -n \"$pids\" ] && words=\"$words $(godwit ps --all 2>/dev/null | awk 'NR > 1 { print $1 }')\"\n"
	    "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	    "\tif [ -n \"$command\" ] && [ \"${#COMPREPLY[@]}\" -eq 0 ]; then\n"
	    "\t\tmapfile -t COMPREPLY < <(compgen -A command -A file -- \"$cur\")\n"
	    "\tfi\n"
	    "}\ncomplete -o bashdefault -o default -F _godwit godwit\n");
}

int main(int argc, char **argv)
{
	if (argc == 3 && strcmp(argv[1], "man") == 0)
		return man(argv[2]);
	if (argc == 2 && strcmp(argv[1], "completion") == 0) {
		completion();
		return 0;
	}
	(void)fprintf(stderr, "usage: generate man TEMPLATE | completion\n");
	return 2;
}
