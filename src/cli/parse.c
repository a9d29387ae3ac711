/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a command line to a row of the table of verbs.
 * Promise: pure; any argument list gives a result or one sentence. Must not: run a verb or print.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <string.h>
#include "cli.h"

#define WORD_MAX 32
#define COMMON_BASE 1000 /* getopt values: index of an option, or this + index of a common one */

unsigned cli_distance(const char *a, const char *b)
{
	size_t n = strlen(a), m = strlen(b);
	unsigned d[WORD_MAX + 1][WORD_MAX + 1];

	if (n > WORD_MAX || m > WORD_MAX)
		return 99;
	for (size_t i = 0; i <= n; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= m; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n; i++) {
		for (size_t j = 1; j <= m; j++) {
			unsigned best = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			if (d[i - 1][j] + 1 < best)
				best = d[i - 1][j] + 1;
			if (d[i][j - 1] + 1 < best)
				best = d[i][j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < best)
				best = d[i - 2][j - 2] + 1;
			d[i][j] = best;
		}
	}
	return d[n][m];
}

/* A word is near when at most two slips, and fewer than half of its letters, are wrong; or when it is the beginning. */
static bool near(const char *word, const char *name, unsigned *best)
{
	unsigned d = cli_distance(word, name);
	size_t n = strlen(word);

	if (n >= 2 && strncmp(word, name, n) == 0)
		d = d < 2 ? d : 2;
	else if (d > 2 || 2 * d >= strlen(name))
		return false;
	if (d >= *best)
		return false;
	*best = d;
	return true;
}

const char *cli_nearest(const struct cli_verb *list, const char *word)
{
	const char *found = NULL;
	unsigned best = 99;

	for (const struct cli_verb *v = list; v->name; v++) {
		if (!v->hidden && near(word, v->name, &best))
			found = v->name;
	}
	return found;
}

const struct cli_verb *cli_find(const struct cli_verb *list, const char *name)
{
	for (const struct cli_verb *v = list; v->name; v++) {
		if (strcmp(v->name, name) == 0)
			return v;
	}
	return NULL;
}

static int unknown_verb(const struct cli_verb *list, const char *word, struct err *e)
{
	const char *nearest = cli_nearest(list, word);

	if (nearest)
		return err_set(e, -EINVAL, "there is no verb \"%.60s\"; did you mean \"%s\"?", word, nearest);
	return err_set(e, -EINVAL, "there is no verb \"%.60s\"; see godwit help", word);
}

static int unknown_option(const struct cli_verb *v, const char *word, struct err *e)
{
	const char *found = NULL, *name = word + strspn(word, "-");
	char bare[WORD_MAX + 1];
	unsigned best = 99;

	(void)snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "="), name);
	for (const struct cli_option *o = v->options; o && o->name; o++) {
		if (near(bare, o->name, &best))
			found = o->name;
	}
	if (found)
		return err_set(e, -EINVAL, "%s has no option \"%.60s\"; did you mean --%s?", v->name, word, found);
	return err_set(e, -EINVAL, "%s has no option \"%.60s\"; see godwit %s --help", v->name, word, v->name);
}

struct getopt_tables {
	char shorts[2 * CLI_OPTIONS_MAX + 8];
	struct option longs[CLI_OPTIONS_MAX + 4];
};

static void build_tables(const struct cli_verb *v, struct getopt_tables *t)
{
	size_t s = 0, l = 0;

	t->shorts[s++] = v->command ? '+' : ':';
	if (v->command)
		t->shorts[s++] = ':';
	for (int pass = 0; pass < 2; pass++) {
		const struct cli_option *list = pass ? cli_common_options : v->options;

		for (int i = 0; list && list[i].name && i < CLI_OPTIONS_MAX; i++) {
			const struct cli_option *o = &list[i];

			t->longs[l++] = (struct option){o->name, o->arg ? required_argument : no_argument, NULL,
							(pass ? COMMON_BASE : 0) + CLI_OPTIONS_MAX + i};
			if (o->letter) {
				t->shorts[s++] = o->letter;
				if (o->arg)
					t->shorts[s++] = ':';
			}
		}
	}
	t->longs[l] = (struct option){0};
	t->shorts[s] = '\0';
}

/* The getopt value of a letter: index of its option as build_tables() gives it. */
static int letter_value(const struct cli_verb *v, int letter)
{
	for (int i = 0; v->options && v->options[i].name; i++) {
		if (v->options[i].letter == letter)
			return CLI_OPTIONS_MAX + i;
	}
	for (int i = 0; cli_common_options[i].name; i++) {
		if (cli_common_options[i].letter == letter)
			return COMMON_BASE + CLI_OPTIONS_MAX + i;
	}
	return -1;
}

/* Is the word an option of the list? ret_n: how many words that takes. */
static bool is_option(const struct cli_option *list, const char *word, int *ret_n)
{
	for (; list && list->name; list++) {
		size_t n = strlen(list->name);

		if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, list->name, n) != 0)
			continue;
		if (word[2 + n] && (word[2 + n] != '=' || !list->arg))
			continue;
		*ret_n = list->arg && !word[2 + n] ? 2 : 1;
		return true;
	}
	return false;
}

/* How many words belong to a verb whose options end where those of another program begin. */
static int own_words(const struct cli_verb *v, int argc, char **argv)
{
	int i = 1, n;

	while (i < argc && (is_option(v->options, argv[i], &n) || is_option(cli_common_options, argv[i], &n)))
		i += n;
	return i < argc ? i : argc;
}

static int parse_options(struct cli *cx, int argc, char **argv, struct err *e)
{
	const struct cli_verb *v = cx->verb;
	int c, all = argc;
	struct getopt_tables t;

	if (v->foreign)
		argc = own_words(v, argc, argv);
	cx->words = argv;
	build_tables(v, &t);
	opterr = 0;
	optind = 0; /* glibc: begin anew */
	while ((c = getopt_long(argc, argv, t.shorts, t.longs, NULL)) != -1) {
		if (c == '?') { /* optopt is the letter; a long option is the word before the next one */
			char letter[] = {'-', (char)optopt, '\0'};

			return unknown_option(v, optopt > ' ' && optopt < 127 ? letter : argv[optind - 1], e);
		}
		if (c == ':')
			return err_set(e, -EINVAL, "%s: an option needs an argument; see godwit %s --help", v->name,
				       v->name);
		if (c > ' ' && c < COMMON_BASE)
			c = letter_value(v, c);
		if (c >= COMMON_BASE) {
			const char *name = cli_common_options[c - COMMON_BASE - CLI_OPTIONS_MAX].name;

			if (strcmp(name, "help") == 0)
				cx->help = true;
			else
				cx->at = optarg;
		} else {
			cx->values[c - CLI_OPTIONS_MAX] = optarg ? optarg : "";
		}
	}
	cx->argc = all - optind;
	cx->argv = argv + optind;
	return 0;
}

static int check_count(const struct cli *cx, struct err *e)
{
	const struct cli_verb *v = cx->verb;

	if (cx->argc < v->min_args)
		return err_set(e, -EINVAL, "%s needs %s", v->name, v->args);
	if (v->max_args >= 0 && cx->argc > v->max_args)
		return err_set(e, -EINVAL, "%s: \"%.60s\" is too much", v->name, cx->argv[v->max_args]);
	return 0;
}

/* Options before the verb. Returns the index of the verb, argc when there is none, -EINVAL. */
static int parse_global(struct cli *cx, int argc, char **argv, struct err *e)
{
	int i = 1;

	for (; i < argc && argv[i][0] == '-'; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			cx->help = true;
		} else if (strcmp(argv[i], "--version") == 0) {
			cx->verb = cli_find(cli_verbs, "version");
		} else if (strncmp(argv[i], "--at=", 5) == 0) {
			cx->at = argv[i] + 5;
		} else if (strcmp(argv[i], "--at") == 0 && i + 1 < argc) {
			cx->at = argv[++i];
		} else {
			return err_set(e, -EINVAL, "there is no option \"%.60s\" before the verb; see godwit help",
				       argv[i]);
		}
	}
	return i;
}

int cli_parse(struct cli *ret, int argc, char **argv, struct err *e)
{
	const struct cli_verb *list = cli_verbs;
	int i, r;

	*ret = (struct cli){0};
	i = parse_global(ret, argc, argv, e);
	if (i < 0)
		return i;
	if (ret->verb && !ret->help) /* --version */
		return 0;
	if (i >= argc) {
		ret->verb = cli_find(cli_verbs, "help");
		if (ret->help)
			return 0;
		return err_set(e, -EINVAL, "which verb? See godwit help");
	}
	for (;; i++) {
		const struct cli_verb *v = cli_find(list, argv[i]);

		if (!v) {
			if (ret->verb && (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)) {
				ret->help = true;
				return 0;
			}
			return unknown_verb(list, argv[i], e);
		}
		ret->parent = ret->verb;
		ret->verb = v;
		if (!v->sub)
			break;
		if (i + 1 >= argc) {
			if (ret->help)
				return 0;
			return err_set(e, -EINVAL, "%s: which verb? See godwit help %s", v->name, v->name);
		}
		list = v->sub;
	}
	r = parse_options(ret, argc - i, argv + i, e);
	if (r < 0 || ret->help)
		return r;
	return check_count(ret, e);
}

const char *cli_value(const struct cli *cx, const char *name)
{
	for (int i = 0; cx->verb->options && cx->verb->options[i].name; i++) {
		if (strcmp(cx->verb->options[i].name, name) == 0)
			return cx->values[i];
	}
	return NULL;
}

bool cli_given(const struct cli *cx, const char *name)
{
	return cli_value(cx, name) != NULL;
}

int cli_pid(const char *word, int64_t *ret, struct err *e)
{
	char *end;
	long v;

	errno = 0;
	v = strtol(word, &end, 10);
	if (errno || *end || end == word || word[0] < '0' || word[0] > '9' || v < 1 || v > (1 << 22))
		return err_set(e, -EINVAL, "\"%.60s\" is no process id", word);
	*ret = v;
	return 0;
}

int cli_number(const char *word, const char *what, double min, double max, double *ret, struct err *e)
{
	char *end;
	double v;

	errno = 0;
	v = strtod(word, &end);
	if (errno || *end || end == word || !isfinite(v) || v < min || v > max)
		return err_set(e, -EINVAL, "\"%.60s\" is no %s; it must be a number from %g to %g", word, what, min,
			       max);
	*ret = v;
	return 0;
}

int cli_size(const char *word, uint64_t *ret, struct err *e)
{
	static const char units[] = "KMGT";
	double v, factor = 1;
	const char *unit;
	char *end;

	errno = 0;
	v = strtod(word, &end);
	if (end != word && *end && (unit = strchr(units, *end >= 'a' ? *end - 'a' + 'A' : *end))) {
		factor = (double)(1ULL << (10 * (unit - units + 1)));
		end++;
		if (strcmp(end, "iB") == 0 || strcmp(end, "B") == 0)
			end += strlen(end);
	}
	if (errno || end == word || *end || !isfinite(v) || v < 0 || v * factor > 1e15)
		return err_set(e, -EINVAL, "\"%.60s\" is no size; write for instance 512M or 2G", word);
	*ret = (uint64_t)(v * factor);
	return 0;
}
