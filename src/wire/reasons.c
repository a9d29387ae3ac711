/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reasons by number; see reasons.h. */
#include "reasons.h"

#include <stddef.h>

#include "../base/cleanup.h"

static const struct row {
	const char *name, *word, *sentence;
	enum reason_kind kind;
} rows[] = {
#define REASON(number, name, kind, word, sentence) [number] = {#name, word, sentence, REASON_KIND_##kind},
#include "reasons.def"
#undef REASON
};

static const struct row unknown = {"UNKNOWN", "unknown", "for a reason that this version does not know",
				   REASON_KIND_other};

bool reason_exists(unsigned reason)
{
	return reason < ARRAY_SIZE(rows) && rows[reason].name;
}

static const struct row *row_of(unsigned reason)
{
	return reason_exists(reason) ? &rows[reason] : &unknown;
}

const char *reason_name(unsigned reason)
{
	return row_of(reason)->name;
}

const char *reason_word(unsigned reason)
{
	return row_of(reason)->word;
}

const char *reason_sentence(unsigned reason)
{
	return row_of(reason)->sentence;
}

enum reason_kind reason_kind(unsigned reason)
{
	return row_of(reason)->kind;
}

const char *reason_kind_name(enum reason_kind kind)
{
	static const char *const names[] = {"confine", "node", "call", "other"};

	return (unsigned)kind < ARRAY_SIZE(names) ? names[kind] : "other";
}
