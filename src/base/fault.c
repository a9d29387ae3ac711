/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fault points: see fault.h.
 * Promise: no allocation, so that a point may stand anywhere outside signal handlers.
 * Must not: be used by threads that pass the same point at once (counts would be lost).
 */
#include "fault.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "file.h"

#define FAULT_RULES_MAX 16
#define FAULT_TEXT_MAX 1024

enum fault_action { FAULT_ERROR, FAULT_KILL, FAULT_STALL, FAULT_ACTION__MAX };

static const char *const action_names[] = {"error", "kill", "stall"};

static_assert(ARRAY_SIZE(action_names) == FAULT_ACTION__MAX, "each action has a name");

static const struct {
	unsigned number;
	const char *name;
} points[] = {
#define FAULT(number, name, where) {number, #name},
#include "fault.def"
#undef FAULT
};

/* The first and last number of each range; a gap inside a range is a row that was forgotten. */
#define FAULTS_IN(first, last) (FAULT_##last - FAULT_##first + 1)

enum {
	FAULTS_CORE = FAULTS_IN(OFFER_SEND, MOVE_CANCEL) + FAULTS_IN(OFFER_RECEIVED, OFFER_CPU) +
		      FAULTS_IN(LAUNCH_RECEIVED, LAUNCH_FORKED) + FAULTS_IN(JOIN_GRANT_SEND, KEYS_STORED),
	FAULTS_OTHER = 0
#define FAULT(number, name, where) +(number >= 60)
#include "fault.def"
#undef FAULT
};

static_assert(ARRAY_SIZE(points) == FAULTS_CORE + FAULTS_OTHER, "the ranges of daemon and launcher have no gap");

struct fault_rule {
	unsigned point;
	unsigned long nth, passed;
	enum fault_action action;
};

static struct {
	enum { UNKNOWN, OFF, ARMED } state;
	const char *file; /* GODWIT_FAULT_FILE or NULL */
	char text[FAULT_TEXT_MAX]; /* last content of the file */
	struct fault_rule rules[FAULT_RULES_MAX];
	unsigned n_rules;
} faults;

/* Is s, of n characters, the command-line form of NAME? */
static bool name_matches(const char *name, const char *s, size_t n)
{
	size_t i;

	for (i = 0; i < n && name[i]; i++)
		if (s[i] != (name[i] == '_' ? '-' : tolower((unsigned char)name[i])))
			return false;
	return i == n && !name[i];
}

const char *fault_name(unsigned f)
{
	static char text[64];
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(points); i++) {
		if (points[i].number != f)
			continue;
		for (j = 0; j < sizeof(text) - 1 && points[i].name[j]; j++)
			text[j] = points[i].name[j] == '_' ? '-' : (char)tolower((unsigned char)points[i].name[j]);
		text[j] = '\0';
		return text;
	}
	return NULL;
}

/* One rule from the n characters at s. */
static int rule_parse(const char *s, size_t n, struct fault_rule *ret)
{
	struct fault_rule r = {.nth = 1, .action = FAULT_ERROR};
	const char *end = s + n, *p;
	size_t len, i;

	for (i = 0, p = memchr(s, ':', n); i < ARRAY_SIZE(points); i++)
		if (name_matches(points[i].name, s, p ? (size_t)(p - s) : n))
			r.point = points[i].number;
	if (!r.point)
		return -EINVAL;
	for (s = p; s; s = p) {
		s++;
		p = memchr(s, ':', (size_t)(end - s));
		len = (size_t)((p ? p : end) - s);
		if (len > 0 && len < 10 && isdigit((unsigned char)*s)) {
			r.nth = strtoul(s, NULL, 10);
			continue;
		}
		for (i = 0; i < ARRAY_SIZE(action_names); i++)
			if (len == strlen(action_names[i]) && !memcmp(s, action_names[i], len))
				break;
		if (i == ARRAY_SIZE(action_names))
			return -EINVAL;
		r.action = (enum fault_action)i;
	}
	if (!r.nth)
		return -EINVAL;
	*ret = r;
	return 0;
}

int fault_arm(const char *text)
{
	struct fault_rule rules[FAULT_RULES_MAX];
	unsigned n_rules = 0;
	size_t n;

	while (*text) {
		n = strcspn(text, ",\n");
		if (n > 0) {
			if (n_rules == FAULT_RULES_MAX || rule_parse(text, n, &rules[n_rules]) < 0)
				return -EINVAL;
			n_rules++;
		}
		text += n + (text[n] != '\0');
	}
	memcpy(faults.rules, rules, n_rules * sizeof(*rules));
	faults.n_rules = n_rules;
	faults.state = n_rules || faults.file ? ARMED : OFF;
	return 0;
}

/* First point of the process: what does the environment ask for? Text that cannot be parsed arms nothing. */
static void faults_init(void)
{
	const char *text = getenv("GODWIT_FAULT");

	faults.file = getenv("GODWIT_FAULT_FILE");
	faults.state = faults.file ? ARMED : OFF;
	if (text && fault_arm(text) < 0)
		faults.n_rules = 0;
}

/* Takes over the rules of the file when its text has changed. A file that is not there has no rules. */
static void faults_refresh(void)
{
	char text[FAULT_TEXT_MAX];

	if (file_read_small(faults.file, text, sizeof(text)) < 0)
		text[0] = '\0';
	if (!strcmp(text, faults.text))
		return;
	memcpy(faults.text, text, strlen(text) + 1);
	if (fault_arm(text) < 0)
		faults.n_rules = 0;
}

static int fault_do(enum fault_action action)
{
	switch (action) {
	case FAULT_KILL:
		(void)kill(getpid(), SIGKILL);
		return -EIO;
	case FAULT_STALL:
		for (;;)
			(void)pause();
	case FAULT_ERROR:
	case FAULT_ACTION__MAX:
		break;
	}
	return -EIO;
}

int fault_point(enum fault f)
{
	unsigned i;

	if (__builtin_expect(faults.state == OFF, 1))
		return 0;
	if (faults.state == UNKNOWN)
		faults_init();
	if (faults.file)
		faults_refresh();
	for (i = 0; i < faults.n_rules; i++)
		if (faults.rules[i].point == f && ++faults.rules[i].passed == faults.rules[i].nth)
			return fault_do(faults.rules[i].action);
	return 0;
}
