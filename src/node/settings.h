/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The configuration file: what an administrator has decided about this node.
 * Promise: a file with any mistake changes nothing, and each mistake is told with file, line and reason. Must not:
 * apply a setting, which is the work of whom it concerns.
 */
#ifndef GODWIT_NODE_SETTINGS_H
#define GODWIT_NODE_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/cleanup.h"
#include "policy/policy.h"

#define SETTINGS_FILE "/etc/godwit/godwit.conf" /* and SETTINGS_FILE.d/NAME.conf, in the order of their names */
#define SETTINGS_WORDS_MAX 4096 /* bytes of a list */
#define SETTINGS_TEXT_MAX 80

enum owner_then { OWNER_NOTHING, OWNER_BLOCK, OWNER_EXPEL };

struct settings_words {
	char text[SETTINGS_WORDS_MAX]; /* one blank between two words */
};

#define SETTINGS_NAME struct settings_text
#define SETTINGS_ADDRESS struct settings_text
#define SETTINGS_LISTEN struct settings_text
#define SETTINGS_CPUS uint32_t /* thousandths */
#define SETTINGS_BYTES uint64_t
#define SETTINGS_COUNT uint32_t
#define SETTINGS_SECONDS uint32_t
#define SETTINGS_SWITCH bool
#define SETTINGS_WORDS struct settings_words
#define SETTINGS_OWNER enum owner_then

struct settings_text {
	char text[SETTINGS_TEXT_MAX];
};

struct settings { /* field section_name; holds no pointer */
#define SECTION(section, help)
#define SETTING(section, name, kind, def, when, help) SETTINGS_##kind section##_##name;
#include "settings.def"
#undef SETTING
#undef SECTION
	struct policy_params policy;
};

/* A mistake. line 0: the file as a whole. */
typedef void (*settings_complain)(void *arg, const char *file, unsigned line, const char *sentence);

void settings_init(struct settings *ret); /* the defaults */

/*
 * Reads path and the drop-ins in the directory path.d, later ones over earlier ones; what is not said is the default.
 * needed: a file that is not there is a mistake. Returns how many mistakes there are; *ret is what was read if there
 * are none, else as before. *ret_files (may be NULL): how many files were read.
 */
unsigned settings_load(const char *path, bool needed, struct settings *ret, unsigned *ret_files,
		       settings_complain complain, void *arg) _must_check_;

/* Writes s as a file that says the same, each setting with what it means; one that has its default is a comment. */
void settings_show(const struct settings *s, FILE *out);

/* Is the word in the list? Words are patterns of fnmatch(3). A list with nothing but !PATTERNs takes all others. */
bool settings_match(const struct settings_words *words, const char *word);

/* Calls fn for each setting that differs and counts only when the daemon starts, as "[node] name". */
void settings_late(const struct settings *a, const struct settings *b, void (*fn)(void *arg, const char *name),
		   void *arg);

#endif
