/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The reasons of reasons.def: why a process stays, a move is refused, or a process came home.
 * Promise: every function takes any number and returns a text that lives as long as the program.
 * Must not: allocate or translate.
 */
#ifndef GODWIT_WIRE_REASONS_H
#define GODWIT_WIRE_REASONS_H

#include <stdbool.h>

enum reason {
#define REASON(number, name, kind, word, sentence) REASON_##name = number,
#include "reasons.def"
#undef REASON
};

/* Is it a fact of the process, of the target, did a call cause it, or is it something else? */
enum reason_kind { REASON_KIND_confine, REASON_KIND_node, REASON_KIND_call, REASON_KIND_other };

bool reason_exists(unsigned reason);
/* For numbers that do not exist, for example from a newer node: "UNKNOWN", "unknown", a sentence that says so, other.
 */
const char *reason_name(unsigned reason); /* "THREADS" */
const char *reason_word(unsigned reason); /* "threads" */
const char *reason_sentence(unsigned reason); /* "it has more than one thread" */
enum reason_kind reason_kind(unsigned reason);
const char *reason_kind_name(enum reason_kind kind); /* "confine" */

#endif
