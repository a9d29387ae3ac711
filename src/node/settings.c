/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads and writes the configuration file (settings.h; the table is settings.def). The lines themselves are libinih's.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <ini.h>
#include <limits.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "base/err.h"
#include "node.h"
#include "settings.h"

#define LINE_MAX_ 199 /* what libinih takes as Debian builds it; longer lists go on in indented lines */

enum when { LIVE, START };

struct setting {
	const char *section, *name, *def, *help;
	int (*parse)(const char *text, void *field, char *why, size_t cap);
	void (*print)(const void *field, char *buf, size_t cap);
	size_t offset, size;
	enum when when;
};

/* ---- kinds ------------------------------------------------------------------------------------------------------ */

static int complain_kind(char *why, size_t cap, const char *what)
{
	(void)snprintf(why, cap, "%s", what);
	return -EINVAL;
}

static int parse_text(const char *text, struct settings_text *field, char *why, size_t cap)
{
	if (strlen(text) >= sizeof(field->text))
		return complain_kind(why, cap, "is too long");
	(void)snprintf(field->text, sizeof(field->text), "%s", text);
	return 0;
}

static int parse_NAME(const char *text, void *field, char *why, size_t cap)
{
	if (*text && !config_name_ok(text))
		return complain_kind(why, cap, "is no name of a node: letters, digits and . _ - are");
	return parse_text(text, field, why, cap);
}

static int parse_ADDRESS(const char *text, void *field, char *why, size_t cap)
{
	if (strlen(text) > NODE_NAME_MAX)
		return complain_kind(why, cap, "is too long");
	return parse_text(text, field, why, cap);
}

static int parse_LISTEN(const char *text, void *field, char *why, size_t cap)
{
	struct node_config c = {0};

	if (*text && config_parse_listen(&c, text) < 0)
		return complain_kind(why, cap, "is no ADDRESS[:PORT]");
	return parse_text(text, field, why, cap);
}

static int parse_CPUS(const char *text, void *field, char *why, size_t cap)
{
	uint32_t v = 0;

	if (strcmp(text, "0") != 0 && config_parse_milli(text, &v) < 0)
		return complain_kind(why, cap, "is no number of processors, as 2 or 0.5");
	*(uint32_t *)field = v;
	return 0;
}

static int parse_BYTES(const char *text, void *field, char *why, size_t cap)
{
	uint64_t v = 0;

	if (strcmp(text, "0") != 0 && config_parse_bytes(text, &v) < 0)
		return complain_kind(why, cap, "is no amount of memory, as 512M or 4G");
	*(uint64_t *)field = v;
	return 0;
}

static int parse_COUNT(const char *text, void *field, char *why, size_t cap)
{
	char *end;
	unsigned long v = isdigit((unsigned char)*text) ? strtoul(text, &end, 10) : ULONG_MAX;

	if (v > 1000000 || *end)
		return complain_kind(why, cap, "is no whole number up to 1000000");
	*(uint32_t *)field = (uint32_t)v;
	return 0;
}

#define parse_SECONDS parse_COUNT

static int parse_SWITCH(const char *text, void *field, char *why, size_t cap)
{
	if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
		return complain_kind(why, cap, "is neither yes nor no");
	*(bool *)field = *text == 'y';
	return 0;
}

static int parse_WORDS(const char *text, void *field, char *why, size_t cap)
{
	struct settings_words *list = field;
	size_t n = strlen(list->text), k;

	for (; *text; text += k) {
		text += strspn(text, " \t");
		k = strcspn(text, " \t");
		if (n + k + 2 > sizeof(list->text))
			return complain_kind(why, cap, "makes the list too long");
		if (k && n)
			list->text[n++] = ' ';
		memcpy(list->text + n, text, k);
		n += k;
		list->text[n] = '\0';
	}
	return 0;
}

static const char *const owner_words[] = {"nothing", "block", "expel"};

static int parse_OWNER(const char *text, void *field, char *why, size_t cap)
{
	unsigned i;

	for (i = 0; i < ARRAY_SIZE(owner_words) && strcmp(text, owner_words[i]) != 0; i++)
		;
	if (i == ARRAY_SIZE(owner_words))
		return complain_kind(why, cap, "is none of nothing, block, expel");
	*(enum owner_then *)field = (enum owner_then)i;
	return 0;
}

static void print_NAME(const void *field, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s", ((const struct settings_text *)field)->text);
}

#define print_ADDRESS print_NAME
#define print_LISTEN print_NAME

static void print_CPUS(const void *field, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%g", *(const uint32_t *)field / 1000.0);
}

static void print_BYTES(const void *field, char *buf, size_t cap)
{
	static const char units[] = "\0KMGT";
	uint64_t v = *(const uint64_t *)field;
	unsigned unit = 0;

	while (v && v % 1024 == 0 && unit < 4) {
		v /= 1024;
		unit++;
	}
	(void)snprintf(buf, cap, "%llu%.1s", (unsigned long long)v, &units[unit]);
}

static void print_COUNT(const void *field, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%u", *(const uint32_t *)field);
}

#define print_SECONDS print_COUNT

static void print_SWITCH(const void *field, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s", *(const bool *)field ? "yes" : "no");
}

static void print_WORDS(const void *field, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s", ((const struct settings_words *)field)->text);
}

static void print_OWNER(const void *field, char *buf, size_t cap)
{
	(void)snprintf(buf, cap, "%s", owner_words[*(const enum owner_then *)field]);
}

/* ---- the table ----------------------------------------------------------------------------------------------------
 */

static const struct setting table[] = {
#define SECTION(section, help)
#define SETTING(sec, nam, kind, d, w, h)                         \
	{.section = #sec,                                        \
	 .name = #nam,                                           \
	 .def = (d),                                             \
	 .help = (h),                                            \
	 .parse = parse_##kind,                                  \
	 .print = print_##kind,                                  \
	 .offset = offsetof(struct settings, sec##_##nam),       \
	 .size = sizeof(((struct settings *)NULL)->sec##_##nam), \
	 .when = (w)},
#include "settings.def"
#undef SETTING
#undef SECTION
};

static const struct {
	const char *name, *help;
} sections[] = {
#define SECTION(section, help) {#section, help},
#define SETTING(section, name, kind, def, when, help)
#include "settings.def"
#undef SETTING
#undef SECTION
};

static void *field_of(const struct setting *t, struct settings *s)
{
	return (char *)s + t->offset;
}

/* "keep-cpus" in the file is keep_cpus here. */
static bool same_name(const char *in_file, const char *name)
{
	for (; *in_file && *name; in_file++, name++)
		if (*in_file != (*name == '_' ? '-' : *name))
			return false;
	return !*in_file && !*name;
}

void settings_init(struct settings *ret)
{
	char why[64];
	size_t i;

	memset(ret, 0, sizeof(*ret));
	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].parse(table[i].def, field_of(&table[i], ret), why, sizeof(why)) < 0)
			abort(); /* a unit test passes here */
	policy_params_init(&ret->policy);
}

/* ---- reading -------------------------------------------------------------------------------------------------------
 */

struct reading {
	struct settings *to;
	const char *path;
	FILE *file;
	unsigned line, mistakes;
	bool go_on; /* the line is indented: the value goes on */
	bool seen[ARRAY_SIZE(table)]; /* in this file */
	settings_complain complain;
	void *arg;
};

_printf_(2, 3) static void mistake(struct reading *r, const char *fmt, ...)
{
	char text[ERR_TEXT_MAX];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->mistakes++;
	r->complain(r->arg, r->path, r->line, text);
}

/* All such lines of a file are told of, not only the first: the parser would. */
static bool is_line(const char *s)
{
	s += strspn(s, " \t\r\n");
	if (*s == '[')
		return strchr(s, ']') != NULL;
	return !*s || *s == '#' || *s == ';' || strpbrk(s, "=:") != NULL;
}

static char *next_line(char *buf, int cap, void *stream)
{
	struct reading *r = stream;
	size_t n;
	int c;

	if (!fgets(buf, cap, r->file))
		return NULL;
	r->line++;
	n = strlen(buf);
	r->go_on = *buf == ' ' || *buf == '\t';
	if (n == (size_t)cap - 1 && buf[n - 1] != '\n') {
		mistake(r, "the line is longer than %d characters; a list may go on in indented lines", LINE_MAX_);
		while ((c = fgetc(r->file)) != EOF && c != '\n')
			;
		*buf = '\0';
	}
	if (!r->go_on && !is_line(buf)) {
		mistake(r, "the line is neither [section] nor NAME = VALUE");
		*buf = '\0';
	}
	return buf;
}

static bool known_section(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sections); i++)
		if (!strcmp(sections[i].name, name))
			return true;
	return !strcmp(name, "policy");
}

static void take_param(struct reading *r, const char *name, const char *value)
{
	const struct policy_param_info *info;
	char own[64];
	size_t i;
	int k;

	for (i = 0; name[i] && i + 1 < sizeof(own); i++)
		own[i] = (char)(name[i] == '-' ? '_' : name[i]);
	own[i] = '\0';
	k = policy_param_set(&r->to->policy, own, value);
	if (k == -ENOENT) {
		mistake(r, "[policy] has no parameter %.60s (docs/policy.md lists them)", name);
		return;
	}
	for (i = 0; k < 0 && (info = policy_param_at(i)); i++)
		if (!strcmp(info->name, own))
			mistake(r, "%s is from %u to %u %s, not \"%.40s\"", name, info->min, info->max, info->unit,
				value);
}

static void take_setting(struct reading *r, size_t i, const char *value)
{
	const struct setting *t = &table[i];
	char why[120];

	if (r->seen[i] && !r->go_on) {
		mistake(r, "%s is said twice in this file", t->name);
		return;
	}
	if (r->go_on && t->parse != parse_WORDS) {
		mistake(r, "the line is indented, which only lists are that go on");
		return;
	}
	if (!r->seen[i] && t->parse == parse_WORDS)
		memset(field_of(t, r->to), 0, t->size); /* a list of another file, or the default, is replaced */
	r->seen[i] = true;
	if (t->parse(value, field_of(t, r->to), why, sizeof(why)) < 0)
		mistake(r, "\"%.60s\" %s", value, why);
}

static int take_line(void *user, const char *section, const char *name, const char *value)
{
	struct reading *r = user;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (!strcmp(section, table[i].section) && same_name(name, table[i].name)) {
			take_setting(r, i, value);
			return 1;
		}
	if (!*section)
		mistake(r, "%.60s stands before the first [section]", name);
	else if (!known_section(section))
		mistake(r, "there is no section [%.60s]", section);
	else if (!strcmp(section, "policy"))
		take_param(r, name, value);
	else
		mistake(r, "[%s] has no setting %.60s (godwitd --show-config lists them)", section, name);
	return 1;
}

static void read_file(struct reading *r, const char *path)
{
	int line;

	r->path = path;
	r->line = 0;
	memset(r->seen, 0, sizeof(r->seen));
	line = ini_parse_stream(next_line, r, take_line, r);
	if (line > 0) {
		r->line = (unsigned)line;
		mistake(r, "the line is neither [section] nor NAME = VALUE");
	} else if (line < 0) {
		r->line = 0;
		mistake(r, "out of memory");
	}
}

static int is_drop_in(const struct dirent *d)
{
	size_t n = strlen(d->d_name);

	return *d->d_name != '.' && n > 5 && !strcmp(d->d_name + n - 5, ".conf");
}

unsigned settings_load(const char *path, bool needed, struct settings *ret, unsigned *ret_files,
		       settings_complain complain, void *arg)
{
	_cleanup_free_ struct settings *s = malloc(sizeof(*s));
	struct reading r = {.to = s, .path = path, .complain = complain, .arg = arg};
	struct dirent **found = NULL;
	unsigned files = 0;
	char dir[512], file[800];
	int i, n;

	if (!s) {
		mistake(&r, "out of memory");
		return r.mistakes;
	}
	settings_init(s);
	r.file = fopen(path, "re");
	if (r.file) {
		read_file(&r, path);
		(void)fclose(r.file);
		files++;
	} else if (needed || errno != ENOENT) {
		mistake(&r, "it cannot be read: %s", strerror(errno));
	}
	(void)snprintf(dir, sizeof(dir), "%s.d", path);
	n = scandir(dir, &found, is_drop_in, alphasort);
	if (n < 0 && errno != ENOENT && errno != ENOTDIR) {
		r.path = dir;
		r.line = 0;
		mistake(&r, "it cannot be read: %s", strerror(errno));
	}
	for (i = 0; i < n; i++) {
		(void)snprintf(file, sizeof(file), "%s/%s", dir, found[i]->d_name);
		free(found[i]);
		r.file = fopen(file, "re");
		r.path = file;
		r.line = 0;
		if (!r.file) {
			mistake(&r, "it cannot be read: %s", strerror(errno));
			continue;
		}
		read_file(&r, file);
		(void)fclose(r.file);
		files++;
	}
	free(found);
	if (!r.mistakes)
		*ret = *s;
	if (ret_files)
		*ret_files = files;
	return r.mistakes;
}

/* ---- writing -------------------------------------------------------------------------------------------------------
 */

static void show_name(FILE *out, const char *name)
{
	for (; *name; name++)
		(void)fputc(*name == '_' ? '-' : *name, out);
}

/* A list that is too long for a line goes on in indented ones. */
static void show_value(FILE *out, const char *value)
{
	size_t n, column = 40;

	for (; *value; value += n + (value[n] == ' ')) {
		n = strcspn(value, " ");
		if (column + n + 1 > LINE_MAX_ - 20) {
			(void)fputs("\n ", out);
			column = 1;
		}
		(void)fprintf(out, " %.*s", (int)n, value);
		column += n + 1;
	}
	(void)fputc('\n', out);
}

static void show_section(const struct settings *s, const char *section, FILE *out)
{
	char value[SETTINGS_WORDS_MAX];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++) {
		const struct setting *t = &table[i];

		if (strcmp(t->section, section) != 0)
			continue;
		t->print((const char *)s + t->offset, value, sizeof(value));
		(void)fprintf(out, "\n# %s%s\n%s", t->help, t->when == START ? " (when godwitd starts)" : "",
			      strcmp(value, t->def) != 0 ? "" : "#");
		show_name(out, t->name);
		(void)fputs(" =", out);
		show_value(out, value);
	}
}

void settings_show(const struct settings *s, FILE *out)
{
	const struct policy_param_info *info;
	uint32_t v;
	size_t i;

	(void)fputs("# Godwit: the configuration of a node. A line with a # before it tells the default.\n"
		    "# `godwitd --check-config` looks for mistakes, `godwit node reload` has them taken over.\n"
		    "# NAME.conf in the directory godwit.conf.d counts more than this file, the last one most.\n",
		    out);
	for (i = 0; i < ARRAY_SIZE(sections); i++) {
		(void)fprintf(out, "\n[%s]\n# %s\n", sections[i].name, sections[i].help);
		show_section(s, sections[i].name, out);
	}
	(void)fputs("\n[policy]\n# How this node decides; docs/policy.md explains each.\n", out);
	for (i = 0; (info = policy_param_at(i)); i++) {
		v = *(const uint32_t *)((const char *)&s->policy + info->offset);
		(void)fprintf(out, "\n# %s (%u to %u %s)\n%s", info->help, info->min, info->max, info->unit,
			      v == info->def ? "#" : "");
		show_name(out, info->name);
		(void)fprintf(out, " = %u\n", v);
	}
}

void settings_late(const struct settings *a, const struct settings *b, void (*fn)(void *arg, const char *name),
		   void *arg)
{
	char name[80];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(table); i++)
		if (table[i].when == START &&
		    memcmp((const char *)a + table[i].offset, (const char *)b + table[i].offset, table[i].size) != 0) {
			(void)snprintf(name, sizeof(name), "[%s] %s", table[i].section, table[i].name);
			fn(arg, name);
		}
}

/* ---- lists ---------------------------------------------------------------------------------------------------------
 */

bool settings_match(const struct settings_words *words, const char *word)
{
	char pattern[256];
	const char *p;
	bool in = false, positive = false, out = false;
	size_t n;

	for (p = words->text; *p; p += n + (p[n] == ' ')) {
		n = strcspn(p, " ");
		if (n >= sizeof(pattern))
			continue;
		memcpy(pattern, p, n);
		pattern[n] = '\0';
		if (*pattern == '!')
			out |= fnmatch(pattern + 1, word, 0) == 0;
		else
			in |= fnmatch(pattern, word, 0) == 0;
		positive |= *pattern != '!';
	}
	return !out && (in || (!positive && *words->text));
}
