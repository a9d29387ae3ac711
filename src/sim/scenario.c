/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Scenarios as files: sections in brackets, "key = value", comments from # on. The keys stand in keys.def.
 * Promise: whatever the file holds, the answer is a scenario or a sentence with file, line and reason; an unknown word
 * is never passed over. Must not: draw anything; a range stays a range.
 */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/file.h"
#include "internal.h"

#define FILE_MAX (1 << 20)

enum class { NUMBER, LAW, ARRIVE, HOME, NODE };
enum section { S_run, S_nodes, S_jobs, S_event, S_network, S_model, S_policy, S__MAX, S_NONE = S__MAX };

static const char *const section_names[S__MAX] = {"run", "nodes", "jobs", "event", "network", "model", "policy"};

static const struct key {
	enum section section;
	const char *name;
	enum class class;
	const char *def;
	double min, max;
	size_t offset; /* in the section's struct */
} keys[] = {
#define SIM_KEY(section, name, class, def, min, max, unit, help) \
	{S_##section, #name, class, def, min, max, offsetof(struct sim_section_##section, name)},
#include "keys.def"
#undef SIM_KEY
};

static const struct word {
	const char *name;
	unsigned classes, least, most; /* numbers that follow */
} words[SIM_WORD__MAX] = {
    [SIM_FIXED] = {"fixed", 1 << LAW, 1, 1},
    [SIM_UNIFORM] = {"uniform", 1 << LAW, 2, 2},
    [SIM_EXPONENTIAL] = {"exponential", 1 << LAW, 1, 1},
    [SIM_PARETO] = {"pareto", 1 << LAW, 3, 3}, /* exponent, least, greatest */
    [SIM_POISSON] = {"poisson", 1 << ARRIVE, 1, 1},
    [SIM_LOAD] = {"load", 1 << ARRIVE, 1, 1},
    [SIM_ONCE] = {"once", 1 << ARRIVE, 1, 1},
    [SIM_EVERY] = {"every", 1 << ARRIVE, 1, 1},
    [SIM_ANY] = {"any", 1 << HOME, 0, 0},
};

/* ---- values ------------------------------------------------------------------------------------------------ */

static int parse_number(const char *text, size_t n, double *ret)
{
	static const char units[] = "KMGT";
	char copy[40], *end;
	const char *unit;
	double v;

	if (!n || n >= sizeof(copy) || !isdigit((unsigned char)*text))
		return -EINVAL;
	memcpy(copy, text, n);
	copy[n] = '\0';
	if (copy[strspn(copy, "0123456789.eE+-KMGT")])
		return -EINVAL; /* no hexadecimal, "inf" or "nan" */
	v = strtod(copy, &end);
	if (*end) {
		unit = strchr(units, *end);
		if (!unit || end[1])
			return -EINVAL;
		v = ldexp(v, 10 * (int)(unit - units + 1));
	}
	if (!isfinite(v))
		return -EINVAL;
	*ret = v;
	return 0;
}

/* "3", "2G", "0.5..0.9" */
static int parse_range(const char *text, struct sim_range *ret)
{
	const char *dots = strstr(text, "..");

	if (!dots) {
		if (parse_number(text, strlen(text), &ret->low) < 0)
			return -EINVAL;
		ret->high = ret->low;
		return 0;
	}
	if (parse_number(text, (size_t)(dots - text), &ret->low) < 0 ||
	    parse_number(dots + 2, strlen(dots + 2), &ret->high) < 0 || ret->low > ret->high)
		return -EINVAL;
	return 0;
}

static int bounded(const struct key *k, const struct sim_value *v, struct err *e)
{
	unsigned i;

	for (i = v->word == SIM_PARETO ? 1 : 0; i < v->n; i++)
		if (v->p[i].low < k->min || v->p[i].high > k->max)
			return err_set(e, -ERANGE, "%s must be from %g to %g", k->name, k->min, k->max);
	if (v->word == SIM_PARETO && (v->p[0].low < 0.01 || v->p[0].high > 100))
		return err_set(e, -ERANGE, "the exponent of a Pareto law must be from 0.01 to 100");
	if ((v->word == SIM_PARETO && (v->p[1].low <= 0 || v->p[1].high > v->p[2].low)) ||
	    (v->word == SIM_UNIFORM && v->p[0].high > v->p[1].low))
		return err_set(e, -ERANGE, "the least of a law must be above 0 (pareto) and not above the greatest");
	if ((v->word == SIM_POISSON || v->word == SIM_LOAD || v->word == SIM_EVERY) && v->p[0].low <= 0)
		return err_set(e, -ERANGE, "%s wants a number above 0", words[v->word].name);
	if (v->word == SIM_LOAD && v->p[0].high > 10)
		return err_set(e, -ERANGE, "load 1 is what the cluster can do; it may not be above 10");
	return 0;
}

/* Cuts the next word off; NULL behind the last. */
static char *next_word(char **at)
{
	char *w = *at + strspn(*at, " \t");

	if (!*w)
		return NULL;
	*at = w + strcspn(w, " \t");
	if (**at)
		*(*at)++ = '\0';
	return w;
}

static int parse_value(const struct key *k, char *text, struct sim_value *ret, struct err *e)
{
	char *rest = text, *w = next_word(&rest);
	struct sim_value v = {.word = SIM_NUMBER};
	unsigned i, least = 1, most = 1;

	for (i = 0; w && i < SIM_WORD__MAX; i++)
		if (words[i].name && words[i].classes & 1U << k->class && strcmp(w, words[i].name) == 0)
			break;
	if (w && i < SIM_WORD__MAX) {
		v.word = (enum sim_word)i;
		least = words[i].least;
		most = words[i].most;
		w = next_word(&rest);
	} else if (k->class == ARRIVE) {
		return err_set(e, -EINVAL, "%s begins with poisson, load, once or every", k->name);
	}
	for (; w; w = next_word(&rest)) {
		if (v.n == most)
			return err_set(e, -EINVAL, "%.40s is one word too many for %s", w, k->name);
		if (parse_range(w, &v.p[v.n++]) < 0)
			return err_set(e, -EINVAL, "%.40s is no number, and no range of two numbers, for %s", w,
				       k->name);
	}
	if (v.n < least)
		return err_set(e, -EINVAL, "%s wants %u number%s%s%s", k->name, least, least == 1 ? "" : "s",
			       v.word == SIM_NUMBER ? "" : " behind ", v.word == SIM_NUMBER ? "" : words[v.word].name);
	if (bounded(k, &v, e) < 0)
		return e->code;
	*ret = v;
	return 0;
}

/* ---- sections ---------------------------------------------------------------------------------------------- */

/* Where the fields of the section lie that is being read. */
static void *section_at(struct sim_scenario *s, enum section section)
{
	switch (section) {
	case S_run:
		return &s->run;
	case S_nodes:
		return &s->nodes[s->n_nodes - 1];
	case S_jobs:
		return &s->jobs[s->n_jobs - 1];
	case S_event:
		return &s->event[s->n_event - 1];
	case S_network:
		return &s->network;
	case S_model:
		return &s->model;
	default:
		return NULL;
	}
}

static void set_defaults(struct sim_scenario *s, enum section section)
{
	struct err e;
	char text[64];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(keys); i++) {
		if (keys[i].section != section)
			continue;
		(void)snprintf(text, sizeof(text), "%s", keys[i].def);
		(void)parse_value(&keys[i], text, (struct sim_value *)((char *)section_at(s, section) + keys[i].offset),
				  &e);
	}
}

static int open_section(struct sim_scenario *s, const char *name, enum section *ret, struct err *e)
{
	unsigned *const n[S__MAX] = {[S_nodes] = &s->n_nodes, [S_jobs] = &s->n_jobs, [S_event] = &s->n_event};
	unsigned i;

	for (i = 0; i < S__MAX; i++)
		if (strcmp(name, section_names[i]) == 0)
			break;
	if (i == S__MAX)
		return err_set(e, -EINVAL, "there is no section [%.40s]", name);
	*ret = (enum section)i;
	if (!n[i])
		return 0;
	if (*n[i] == SIM_SECTIONS_MAX)
		return err_set(e, -E2BIG, "there are more than %d sections [%s]", SIM_SECTIONS_MAX, name);
	(*n[i])++;
	set_defaults(s, *ret);
	return 0;
}

static int set_param(struct sim_scenario *s, const char *name, const char *value, struct err *e)
{
	switch (policy_param_set(&s->params, name, value)) {
	case 0:
		return 0;
	case -ENOENT:
		return err_set(e, -EINVAL, "the policy has no parameter %.40s", name);
	case -ERANGE:
		return err_set(e, -ERANGE, "%.40s is outside the bounds of the policy's %s", value, name);
	default:
		return err_set(e, -EINVAL, "%.40s is no whole number for the policy's %s", value, name);
	}
}

static int set_key(struct sim_scenario *s, enum section section, const char *name, char *value, struct err *e)
{
	size_t i;

	if (section == S_NONE)
		return err_set(e, -EINVAL, "%.40s stands before the first [section]", name);
	if (section == S_policy)
		return set_param(s, name, value, e);
	for (i = 0; i < ARRAY_SIZE(keys); i++)
		if (keys[i].section == section && strcmp(keys[i].name, name) == 0)
			return parse_value(&keys[i], value,
					   (struct sim_value *)((char *)section_at(s, section) + keys[i].offset), e);
	return err_set(e, -EINVAL, "[%s] has no key %.40s", section_names[section], name);
}

static char *trim(char *text)
{
	char *end;

	text += strspn(text, " \t\r");
	end = text + strlen(text);
	while (end > text && strchr(" \t\r", end[-1]))
		*--end = '\0';
	return text;
}

static int parse_line(struct sim_scenario *s, enum section *section, char *line, struct err *e)
{
	char *equals;

	line[strcspn(line, "#")] = '\0';
	line = trim(line);
	if (!*line)
		return 0;
	if (*line == '[') {
		char *end = strchr(line, ']');

		if (!end || end[1])
			return err_set(e, -EINVAL, "a section is one word in brackets, alone on its line");
		*end = '\0';
		return open_section(s, line + 1, section, e);
	}
	equals = strchr(line, '=');
	if (!equals)
		return err_set(e, -EINVAL, "neither a [section] nor KEY = VALUE");
	*equals = '\0';
	return set_key(s, *section, trim(line), trim(equals + 1), e);
}

static int check_whole(const struct sim_scenario *s, struct err *e)
{
	unsigned i;

	if (!s->n_nodes)
		return err_set(e, -EINVAL, "there is no section [nodes]");
	for (i = 0; i < s->n_event; i++)
		if ((s->event[i].die.p[0].low > 0) == (s->event[i].join.p[0].low > 0))
			return err_set(e, -EINVAL, "[event] %u needs either die or join", i + 1);
	return 0;
}

int sim_scenario_parse(const char *name, const char *text, struct sim_scenario *ret, struct err *e)
{
	_cleanup_free_ char *copy = strdup(text);
	enum section section = S_NONE;
	char *line, *rest = copy;
	unsigned number = 0;

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	*ret = (struct sim_scenario){.n_nodes = 0};
	policy_params_init(&ret->params);
	set_defaults(ret, S_run);
	set_defaults(ret, S_network);
	set_defaults(ret, S_model);
	while ((line = strsep(&rest, "\n"))) {
		number++;
		if (parse_line(ret, &section, line, e) < 0)
			return err_prefix(e, "%.200s:%u", name, number);
	}
	if (check_whole(ret, e) < 0)
		return err_prefix(e, "%.200s", name);
	return 0;
}

int sim_scenario_read(const char *path, struct sim_scenario *ret, struct err *e)
{
	_cleanup_free_ char *text = NULL;
	size_t n;
	int r = file_read_all(path, FILE_MAX, &text, &n);

	if (r < 0)
		return err_set(e, -EIO, "%.200s cannot be read: %s", path, strerror(-r));
	if (strlen(text) != n)
		return err_set(e, -EINVAL, "%.200s is no text", path);
	return sim_scenario_parse(path, text, ret, e);
}

/* How often the section stands in the file; what needs not stand there stands once. */
static unsigned times_of(const struct sim_scenario *s, enum section section)
{
	return section == S_nodes ? s->n_nodes : section == S_jobs ? s->n_jobs : section == S_event ? s->n_event : 1;
}

int sim_scenario_set(struct sim_scenario *s, const char *settings, struct err *e)
{
	_cleanup_free_ char *copy = strdup(settings);
	char *one, *rest = copy;

	if (!copy)
		return err_set(e, -ENOMEM, "out of memory");
	while ((one = strsep(&rest, ","))) {
		char *equals = strchr(one, '='), *dot = strchr(one, '.');
		enum section section = S_NONE;
		unsigned i;

		if (!equals || !dot || dot > equals)
			return err_set(e, -EINVAL, "%.60s is not SECTION.KEY=VALUE", one);
		*equals = *dot = '\0';
		one = trim(one);
		for (i = 0; i < S__MAX; i++)
			if (strcmp(one, section_names[i]) == 0)
				section = (enum section)i;
		if (section == S_NONE || times_of(s, section) != 1)
			return err_set(e, -EINVAL, "%.40s is no section that stands once", one);
		if (set_key(s, section, trim(dot + 1), trim(equals + 1), e) < 0)
			return e->code;
	}
	return 0;
}
