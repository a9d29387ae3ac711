/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The godwit command: one table of verbs, from which parsing, help, manual and completion follow.
 * Promise: data goes to stdout, talk to stderr, every exit code stands in exits.def. Must not: do anything that the
 * daemon does; a verb asks it over the control socket (client.h).
 */
#ifndef GODWIT_CLI_CLI_H
#define GODWIT_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "base/err.h"

enum cli_exit {
#define EXIT(number, name, text) CLI_##name = number,
#include "exits.def"
#undef EXIT
};

struct cli_option {
	char letter; /* 0: long form only */
	const char *name; /* NULL ends a list */
	const char *arg; /* NULL: a switch; else the argument's name, which is also its kind for the completion */
	const char *help;
};

struct cli_example {
	const char *command; /* NULL ends a list */
	const char *what;
};

struct cli;

struct cli_verb {
	const char *name; /* NULL ends a list */
	const char *group; /* heading before this verb in the list of verbs, else NULL */
	const char *args; /* synopsis of what follows the options; "" for nothing */
	const char *summary; /* one line, no full stop */
	const char *text; /* paragraphs, separated by empty lines */
	const struct cli_option *options; /* NULL: none but the common ones */
	const struct cli_example *examples; /* NULL only for hidden verbs */
	const struct cli_verb *sub; /* verbs of the second level, or NULL */
	int (*run)(struct cli *cx); /* returns an exit code; NULL when sub is there */
	int min_args, max_args; /* of what follows the options; max -1: any number */
	bool command; /* a command follows: the first argument that is no option ends the options, own failure is 125 */
	bool foreign; /* what is none of its options, in their long form, begins the words of another program */
	bool hidden;
};

#define CLI_OPTIONS_MAX 16

/* A parsed command line. All pointers lead into argv or into the table. */
struct cli {
	const struct cli_verb *verb; /* never NULL after cli_parse() */
	const struct cli_verb *parent; /* of a second-level verb, else NULL */
	const char *values[CLI_OPTIONS_MAX]; /* by index of verb->options; "" for a switch; NULL: not given */
	const char *at; /* --at, or NULL */
	bool help; /* --help was given: show it instead */
	int argc; /* what follows the options */
	char **argv;
	char **words; /* the verb and its options, up to argv */
};

extern const struct cli_verb cli_verbs[]; /* the table */
extern const struct cli_option cli_common_options[];

/* Understands a command line; does nothing else. argv[0] is skipped; argv may be reordered. 0, or -EINVAL with a
 * sentence that names the nearest word for a typo; ret->verb then says how far it came (may be NULL). */
int cli_parse(struct cli *ret, int argc, char **argv, struct err *e) _must_check_;
/* Parses and runs; the whole program. Returns the exit code. */
int cli_main(int argc, char **argv);

/* The argument of an option, "" for a switch, NULL when not given. The name must be in the verb's table. */
const char *cli_value(const struct cli *cx, const char *name);
bool cli_given(const struct cli *cx, const char *name);
const struct cli_verb *cli_find(const struct cli_verb *list, const char *name);
/* The name in the list that is at most two slips away from the word, or NULL. */
const char *cli_nearest(const struct cli_verb *list, const char *word);
/* Slips (insert, drop, change, swap neighbours) between two words; bytes. Words beyond 32 bytes count as 99. */
unsigned cli_distance(const char *a, const char *b);

/* Says "godwit: sentence" on stderr and returns the exit code of the error's class. */
int cli_fail(const struct err *e);
enum cli_exit cli_exit_of(const struct err *e);
/* A process id from an argument: 1..2^22. 0 or -EINVAL. */
int cli_pid(const char *word, int64_t *ret, struct err *e) _must_check_;
/* A size such as 512M, 2G, 4096 in bytes (factors of 1024). 0 or -EINVAL. */
int cli_size(const char *word, uint64_t *ret, struct err *e) _must_check_;
/* A number in [min, max]. 0 or -EINVAL; what names it in the sentence. */
int cli_number(const char *word, const char *what, double min, double max, double *ret, struct err *e) _must_check_;

/* Replaces this process by the command. Returns only on failure: says why and returns 126 or 127. */
int cli_exec(char **argv);

/* The exit code of a command that has ended with this status of wait(2); if a signal has ended it, the same one ends
 * this process, so that a shell sees what has happened. */
int cli_end_as(int status);

void cli_help_overview(FILE *f);
void cli_help_verb(FILE *f, const struct cli_verb *parent, const struct cli_verb *v);
void cli_synopsis(FILE *f, const struct cli_verb *parent, const struct cli_verb *v);

/* The verbs, one file each. */
int verb_run(struct cli *cx);
int verb_exec(struct cli *cx);
int verb_make(struct cli *cx);
int verb_recipe(struct cli *cx);
int verb_cc(struct cli *cx);
int verb_migrate(struct cli *cx);
int verb_ps(struct cli *cx);
int verb_nodes(struct cli *cx);
int verb_where(struct cli *cx);
int verb_why(struct cli *cx);
int verb_pin(struct cli *cx);
int verb_unpin(struct cli *cx);
int verb_treat(struct cli *cx);
int verb_trace(struct cli *cx);
int verb_doctor(struct cli *cx);
int verb_node(struct cli *cx);
int verb_init(struct cli *cx);
int verb_token(struct cli *cx);
int verb_client(struct cli *cx);
int verb_join(struct cli *cx);
int verb_leave(struct cli *cx);
int verb_help(struct cli *cx);
int verb_version(struct cli *cx);
int verb_sandbox_up(struct cli *cx);
int verb_sandbox_down(struct cli *cx);
int verb_sandbox_on(struct cli *cx);
int verb_sandbox_status(struct cli *cx);
int verb_sandbox_start(struct cli *cx);
int verb_sandbox_net(struct cli *cx);
int verb_sandbox_cpu(struct cli *cx);
int verb_sandbox_memory(struct cli *cx);
int verb_sandbox_stall(struct cli *cx);
int verb_sandbox_kill(struct cli *cx);
int verb_sandbox_init(struct cli *cx);
int verb_sim(struct cli *cx);

#endif
